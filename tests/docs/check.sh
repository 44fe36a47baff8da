#!/bin/sh
# docs/check.sh DOCUMENT LIBRARY [EXPLORER]: the examples of a document compile, and run.
# An example is a block ```c … ``` of a Markdown file, or @code … @endcode in the comment of a header (lines
# begin with " * "). With a main it is a whole program: compiled, linked, run, must exit with 0 in 10 s. Without
# one it is declarations or statements (tried in this order), and is compiled only. A program with <cheng/explore.h> is
# compiled and linked for the explorer; if its first line is a comment that ends with "broken", it must exit with 1 and
# print how to replay what it found, as the document does. Without an explorer it is compiled only.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
document=$1
library=$2
explorer=${3:-}
flags="-std=gnu11 -Wall -Wextra -Werror -Wno-unused -I$root/include -pthread"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

awk -v to="$scratch" -v document="$document" '
    BEGIN { header = document ~ /\.h$/ }
    header { sub(/^ \* ?/, "") }
    inside && (header ? /^@endcode/ : /^```/) { inside = 0; close(file); next }
    inside { print > file }
    !inside && (header ? /^@code$/ : /^```c$/) {
        inside = 1
        file = sprintf("%s/%03d.c", to, ++count)
        printf "#line %d \"%s\"\n", FNR + 1, document > file
    }
    END { exit inside || !count }' "$root/$document" || { echo "$document: no example, or one without end"; exit 1; }

prelude='#include <cheng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>'
failed=0
explored() # BLOCK
{
    # shellcheck disable=SC2086 # the flags are several words
    ${CC:-cc} ${CFLAGS:-} $flags -g -fsanitize=thread -DCHENG_NO_INLINE -c "$1" -o "$scratch/object" || return
    [ -n "$explorer" ] || return 0
    ${CC:-cc} -pthread "$scratch/object" "$explorer" -o "$scratch/program" || return
    status=0
    (cd "$scratch" && timeout 20 ./program </dev/null 2>report) || status=$?
    if sed -n 2p "$1" | grep -q 'broken \*/$'; then
        # the document's report ends with the same string, which thus holds for who follows it
        [ $status = 1 ] && grep '^to see it again: CHENG_REPLAY=' "$scratch/report" |
            grep -qxF "$(grep '^to see it again: CHENG_REPLAY=' "$root/$document")"
    else
        [ $status = 0 ]
    fi || { cat "$scratch/report"; echo "exit status $status"; return 1; }
}

for block in "$scratch"/[0-9]*.c; do
    line=$(sed -n '1s/#line \([0-9]*\).*/\1/p' "$block")
    if grep -q '<cheng/explore.h>' "$block" && grep -q '\<main *(' "$block"; then
        echo "$document:$line: explored"
        explored "$block" || failed=1
        continue
    fi
    if grep -q '\<main *(' "$block"; then
        echo "$document:$line: program"
        # shellcheck disable=SC2086 # the flags are several words
        ${CC:-cc} ${CFLAGS:-} $flags "$block" "$library" -o "$scratch/program" || { failed=1; continue; }
        status=0
        (cd "$scratch" && timeout 10 ./program </dev/null) || status=$?
        [ $status = 0 ] || { echo "$document:$line: exit status $status"; failed=1; }
        continue
    fi
    echo "$document:$line: compiled only"
    { echo "$prelude"; cat "$block"; } >"$scratch/declarations.c"
    { echo "$prelude"; echo 'void example(void);'; echo 'void example(void) {'; cat "$block"; echo '}'; } \
        >"$scratch/statements.c"
    # shellcheck disable=SC2086
    ${CC:-cc} ${CFLAGS:-} $flags -c "$scratch/declarations.c" -o "$scratch/object" 2>/dev/null ||
        ${CC:-cc} ${CFLAGS:-} $flags -c "$scratch/statements.c" -o "$scratch/object" || failed=1
done
exit $failed
