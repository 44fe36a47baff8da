#!/bin/sh
# explore.sh PROGRAM FINDING: the broken form is found, its replay string finds it again in another process, the fixed
# form is clean.
set -eu
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

found() # the broken form, as the environment says
{
    status=0
    "$program" 2>err || status=$?
    cat err
    [ $status = 1 ] || { echo "explore.sh: exit status $status, not 1"; exit 1; }
    head -n 1 err | grep -q "^cheng-explore: broken: $2: "
}

found "$@"
replay=$(sed -n "s/^to see it again: CHENG_REPLAY='\(.*\)'\$/\1/p" err)
[ -n "$replay" ]
grep -v '^found in schedule' err >first
export CHENG_REPLAY="$replay"
found "$@"
cmp first err # but for how long it took, the report is the same
unset CHENG_REPLAY
"$program" fixed >out 2>err
cat out
grep -q '^nothing found in [1-9]' out
[ ! -s err ]
