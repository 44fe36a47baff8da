#!/bin/sh
# hello.sh PROGRAM KIND: three tasks of that kind greet, their results are added.
set -eu
out=$("$1" "$2")
echo "$out"
[ "$(echo "$out" | grep -c -i "^hello from $2-")" = 3 ]
echo "$out" | grep -qx '1 + 4 + 9 = 14'
