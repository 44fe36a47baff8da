#!/bin/sh
# docs/links.sh: every relative link of a Markdown file leads to a file.
cd "$(dirname "$0")/../.." || exit 1
find . -name '*.md' -not -path './build/*' | sort | while read -r document; do
    awk '/^```/ { code = !code } !code' "$document" | grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//; s/[ #].*//' |
        while read -r target; do
            case $target in
            '' | http:* | https:* | mailto:*) ;;
            *) [ -e "$(dirname "$document")/$target" ] || echo "$document: no $target" ;;
            esac
        done
done | { ! grep .; }
