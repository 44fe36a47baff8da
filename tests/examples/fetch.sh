#!/bin/sh
# fetch.sh PROGRAM CASE: fetch with its own server.
set -eu
fetch=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail()
{
    echo "fetch.sh: $*"
    cat out err
    exit 1
}

# What it says of itself is checked against db.txt, and what is not said on stderr.
check_pages() # COUNT
{
    grep -qx "pages  *$1" out || fail "not $1 pages"
    [ ! -s err ] || fail "errors"
    [ "$(grep -c '^url:<http://127\.0\.0\.1:[0-9]*/[^>]*> size:\[[1-9][0-9]*\]$' db.txt)" = "$1" ] || fail "db.txt"
    bytes=$(sed -n 's/^bytes  *//p' out | tr -d ,)
    [ "$bytes" = "$(sed 's/.*size:\[\(.*\)\]/\1/' db.txt | awk '{ s += $1 } END { print s }')" ] || fail "bytes"
    for word in words links 'wall time' 'one after another' speed-up; do
        grep -q "^$word  *[0-9]" out || fail "no $word"
    done
    ! grep -q "$(printf '\r')" out || fail "a bar, but no terminal"
}

case $2 in
coroutine | thread)
    "$fetch" --kind "$2" --pages 50 --workers 10 >out 2>err || fail "status $?"
    check_pages 50
    [ "$(sort -u db.txt | wc -l)" = 50 ] || fail "pages twice"
    "$fetch" --kind "$2" --pages 1 >out 2>err || fail "status $?"
    [ "$(wc -l <db.txt)" = 51 ] || fail "not appended"
    ;;
output) # more pages than there are files: other names
    "$fetch" --pages 700 --in-flight 300 --out there/pages >out 2>err || fail "status $?"
    mv there/pages/db.txt .
    check_pages 700
    [ "$(find there/pages -type f | wc -l)" = 700 ] || fail "not 700 files"
    sed 's/url:<[^>]*:[0-9]*\/\(.*\)> size:\[\(.*\)\]/\2 \1/' db.txt | sort >said
    (cd there/pages && find . -type f -printf '%s %P\n') | sort >stored
    cmp said stored || fail "files of other names or sizes"
    ;;
usage)
    while read -r arguments; do
        status=0
        # shellcheck disable=SC2086 # several words
        "$fetch" $arguments >out 2>err || status=$?
        [ $status = 2 ] || fail "status $status of $arguments"
        [ "$(wc -l <err)" = 1 ] || fail "not one line for $arguments"
        [ ! -s out ] || fail "output for $arguments"
        [ ! -e db.txt ] || fail "db.txt after $arguments"
    done <<END
--kind fibre
--kind
--workers 0
--workers -3
--pages 12x
--pages 99999999999999999999
--in-flight none
--pages 2 http://127.0.0.1:9/
--verbose
-z
END
    "$fetch" --help >out 2>err || fail "help: status $?"
    for option in --kind --workers --pages --in-flight --out; do
        grep -q -e "$option" out || fail "help without $option"
    done
    ;;
descriptors)
    # shellcheck disable=SC3045 # both limits; dash and bash know it
    ulimit -n 300
    "$fetch" --pages 500 >out 2>err || fail "default: status $?" # fits itself into what there is
    check_pages 500
    status=0
    "$fetch" --pages 500 --in-flight 400 >out 2>err || status=$?
    [ $status = 2 ] || fail "too many: status $status"
    [ "$(wc -l <err)" = 1 ] || fail "not one line"
    grep -q 'needs 864 open files' err || fail "not how many"
    ;;
memory) # too little: it says so, and ends
    while read -r room arguments; do
        status=0
        # shellcheck disable=SC2086,SC3045 # several words; dash and bash know it
        (ulimit -v "$room" && timeout 20 "$fetch" $arguments >out 2>err) || status=$?
        [ $status = 1 ] || fail "status $status of $arguments in $room KiB"
        [ -s err ] || fail "no error of $arguments in $room KiB"
    done <<END
60000 --pages 10
300000 --pages 600
300000 --pages 600 --kind thread --workers 600
END
    ;;
full) # nowhere to write to
    status=0
    "$fetch" --pages 1 >/dev/full 2>err || status=$?
    [ $status = 1 ] || fail "status $status"
    [ "$(wc -l <err)" = 1 ] || fail "not one line"
    ;;
*)
    echo "fetch.sh: no case $2"
    exit 1
    ;;
esac
