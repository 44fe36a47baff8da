#!/bin/sh
# abi/check.sh LIBRARY [HEADER]: the shared library exports every function that the public headers declare (or that one,
# of cheng/), and nothing that is not named cheng_* or chengi_*, and no cheng_* that they do not declare.
set -eu
include=$(cd "$(dirname "$0")/../../include" && pwd)
library=$1
header=${2:-cheng.h}
place="cheng[^*]*"
[ $# = 1 ] || place=$header
CC=${CC:-gcc}
lister=$CC
case $CC in *clang*) lister=gcc ;; esac # only gcc lists the functions that a file declares (-aux-info)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

complain() # MESSAGE: about each name on standard input
{
    sed "s/\$/: $1/" >"$scratch/complaints"
    [ -s "$scratch/complaints" ] || return 0
    cat "$scratch/complaints"
    failed=1
}

nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u >"$scratch/exported"
grep -v -E '^(cheng_|chengi_|CHENG_(TLS_)?[0-9]+$)' "$scratch/exported" >"$scratch/foreign" || true
complain "exported, but not named cheng_* or chengi_*" <"$scratch/foreign"

# Once with inline functions, once with all of them out of line.
for inline in -UCHENG_NO_INLINE -DCHENG_NO_INLINE; do
    echo "#include <$header>" >"$scratch/all.c"
    "$lister" "$inline" -I"$include" -fsyntax-only -aux-info "$scratch/list" "$scratch/all.c"
    # a function that returns a pointer to a function type is listed as "extern type (*name (...))"
    sed -n -e "s|^/\* [^*]*/include/$place:[^*]*\*/ extern [^(]*[ *]\(chengi\{0,1\}_[a-z0-9_]*\) (.*|\1|p" \
        -e "s|^/\* [^*]*/include/$place:[^*]*\*/ extern [^(]*(\*\(chengi\{0,1\}_[a-z0-9_]*\) (.*|\1|p" "$scratch/list" |
        sort -u >"$scratch/declared"
    echo "$inline: $(wc -l <"$scratch/declared") functions declared, $(wc -l <"$scratch/exported") symbols exported"
    comm -23 "$scratch/declared" "$scratch/exported" >"$scratch/missing"
    complain "declared, but not exported" <"$scratch/missing"
    [ ! -s "$scratch/missing" ] || continue

    # A program takes the address of each; the dynamic linker must resolve them all before it starts (-z now).
    {
        echo "#include <$header>"
        echo 'static void (*const touched[])(void) = {'
        sed 's/.*/    (void (*)(void))&,/' "$scratch/declared"
        echo '};'
        echo 'int main(void) { void (*const volatile *first)(void) = touched; return !*first; }'
    } >"$scratch/touch.c"
    # shellcheck disable=SC2086 # the flags are several words
    "$CC" ${CFLAGS:-} "$inline" -I"$include" "$scratch/touch.c" "$library" -Wl,-z,now \
        -Wl,-rpath,"$(dirname "$library")" -o "$scratch/touch" && "$scratch/touch" || failed=1
done

comm -13 "$scratch/declared" "$scratch/exported" | grep -E '^cheng_' >"$scratch/undeclared" || true
complain "exported, but no public header declares it" <"$scratch/undeclared"
exit $failed
