#!/bin/sh
# sites.sh PROGRAM LIBRARY ROOT: a line for each call that can be made to fail, in the order of addresses:
#     return address, called function, calling function, file:line
# and a line "other: NAME" for each function of libc that the library calls under its own name.
set -eu
program=$1 library=$2 root=$3
sites=$(mktemp)
trap 'rm -f "$sites"' EXIT

objdump -d --no-show-raw-insn "$program" | awk '
    /^[0-9a-f]+ <.*>:$/    { function_ = substr($2, 2, length($2) - 3); sub(/\..*/, "", function_) }
    pending != "" && /^ */ { sub(/:$/, "", $1); print $1, pending, function_; pending = "" }
    /(call|bl) .*<fail_/   { pending = $NF; gsub(/<fail_|>/, "", pending) }' >"$sites"
# The line of the call itself: one byte back from the return address.
awk '{ print $1 }' "$sites" | while read -r address; do printf '%x\n' $((0x$address - 1)); done |
    addr2line -e "$program" | sed "s|^$root||; s| (discriminator.*||" | paste -d ' ' "$sites" -
nm -u "$library" | awk '$NF !~ /^fail_|^_GLOBAL_OFFSET_TABLE_$/ { print "other: " $NF }'
