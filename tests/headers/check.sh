#!/bin/sh
# headers/check.sh HEADER: the public header compiles alone, and twice in a row, as C11 and as C++17, without
# a warning, with every compiler that is here, with and without its inline functions.
set -eu
include=$(cd "$(dirname "$0")/../../include" && pwd)
header=$1
failed=0

check() # COMPILER LANGUAGE STANDARD
{
    command -v "$1" >/dev/null || return 0
    for inline in -UCHENG_NO_INLINE -DCHENG_NO_INLINE; do
        echo "$1 -x $2 -std=$3 $inline"
        printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
            "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Wshadow -Werror -O1 "$inline" -I"$include" \
                -fsyntax-only - || failed=1
    done
}

check gcc c c11
check g++ c++ c++17
check clang c c11
check clang++ c++ c++17
exit $failed
