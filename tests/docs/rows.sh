#!/bin/sh
# docs/rows.sh BUILD: docs/design/rows.tsv, which says where each row of the inventory of Python's calls is to be found, names
# only what is there: names that a public header has, cases that CTest knows, rows of the benchmarks. So does docs/python.md
# with Cheng's names. No more than 15 rows are left out.
set -eu
cd "$(dirname "$0")/../.."
build=$1
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

rows()
{
    grep -v '^#' docs/design/rows.tsv
}

grep -rhoE '\<(cheng|CHENG)_[A-Za-z0-9_]+' include | sort -u >"$scratch/declared"
{
    rows | cut -f 2 | tr ' ' '\n'
    grep -v '^#include' docs/python.md | grep -oE '\<(cheng|CHENG)_[A-Za-z0-9_]*[A-Za-z0-9]'
} | grep -E '^(cheng|CHENG)_' | sort -u >"$scratch/named"
comm -23 "$scratch/named" "$scratch/declared" >"$scratch/unknown"
complain "no public header has it" <"$scratch/unknown"

{
    find "$build" -name CTestTestfile.cmake -exec sed -n 's/^add_test(\[*=*\[*\([A-Za-z0-9_.-]*\).*/\1/p' {} +
    sed -n 's/^ *row("\([^"]*\)".*/bench.\1/p' bench/rows.py
} | sort -u >"$scratch/cases"
# explored cases and those of examples are not in every build
rows | cut -f 3 | tr ' ' '\n' | grep . | sort -u >"$scratch/named"
for family in explore examples; do
    grep -q "^$family\\." "$scratch/cases" || sed -i "/^$family\\./d" "$scratch/named"
done
comm -23 "$scratch/named" "$scratch/cases" >"$scratch/unknown"
complain "no such case" <"$scratch/unknown"

rows | cut -f 1 | sort | uniq -d >"$scratch/twice"
complain "twice" <"$scratch/twice"
rows | awk -F '\t' '$4 != "out" && ($2 == "" || $3 == "") { print $1 }' >"$scratch/empty"
complain "neither calls and cases, nor left out" <"$scratch/empty"
out=$(rows | awk -F '\t' '$4 == "out"' | wc -l)
[ "$out" -le 15 ] || { echo "$out rows are left out: 15 at the most"; failed=1; }
echo "$(rows | wc -l) rows, $out of them left out, $(rows | awk -F '\t' '$4 == "processes"' | wc -l) with a part that needs processes"
exit $failed
