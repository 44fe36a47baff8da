#!/bin/sh
# strangers.sh PROGRAM CASE: fetch and servers that are not ours; strangers.py says which.
command -v python3 >/dev/null || { echo "SKIP: no python3"; exit 77; }
exec python3 -B "$(dirname "$0")/strangers.py" "$@"
