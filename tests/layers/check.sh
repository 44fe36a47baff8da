#!/bin/sh
# layers/check.sh: who may include whom in src/.
#   - A file of layer L includes only from L and from the layers above it in this list.
#   - What is inside host/linux/ stays there: others see host/host.h only.
#   - Headers that reach the kernel or libc's threads are included by host/ and by files named sys_* only.
#   - tls/ is a library of its own: it includes the public headers, and nothing else of src/.
#   - Inline assembly: in host/ only (instrumented builds must see every access; the switch is a .S file).
layers="base host arena run park sync queue task pool io share see tls"
system="^(sys/.*|linux/.*|asm/.*|net/.*|netinet/.*|arpa/.*|(unistd|pthread|threads|sched|semaphore|signal|time|\
poll|fcntl|netdb|spawn|ucontext|dirent|termios|syscall|aio|mqueue|liburing|ifaddrs|resolv)\\.h)$"
harmless="^sys/(types|cdefs)\\.h$"

cd "$(dirname "$0")/../../src" || exit 1
# shellcheck disable=SC2016 # awk, not shell
find . -name '*.[chS]' | sed 's|^\./||' | sort | xargs awk -v layers="$layers" -v system_headers="$system" \
    -v harmless="$harmless" '
    BEGIN {
        count = split(layers, name, " ")
        for (i = 1; i <= count; i++)
            rank[name[i]] = i
    }
    function wrong(message) {
        printf "src/%s:%d: %s\n", FILENAME, FNR, message
        failed = 1
    }
    FNR == 1 {
        split(FILENAME, part, "/")
        layer = part[1]
        in_host = layer == "host"
        in_linux = FILENAME ~ /^host\/linux\//
        may_call_system = in_host || FILENAME ~ /\/sys_[^\/]*$/
        if (!(layer in rank))
            wrong("no such layer: " layer)
    }
    match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]+/) {
        included = substr($0, RSTART, RLENGTH)
        quoted = included ~ /"/
        sub(/.*[<"]/, "", included)
        if (!quoted && included ~ system_headers && included !~ harmless && !may_call_system)
            wrong("<" included "> is for host/ and sys_* files")
        if (!quoted || included !~ /\//)
            next
        split(included, part, "/")
        if (!(part[1] in rank))
            wrong("\"" included "\": no such layer")
        else if (rank[part[1]] > rank[layer])
            wrong("\"" included "\": " part[1] " lies below " layer)
        else if (layer == "tls" && part[1] != "tls")
            wrong("\"" included "\": tls uses public headers only")
        else if (included ~ /^host\/(linux|explore)\// && !in_host)
            wrong("\"" included "\": private to the host; use host/host.h")
    }
    !in_host && !/^[ \t]*(\*|\/\*|\/\/)/ && FILENAME ~ /\.[ch]$/ && /(^|[^A-Za-z0-9_])(asm|__asm|__asm__)([^A-Za-z0-9_]|$)/ {
        wrong("inline assembly")
    }
    END { exit failed }'
