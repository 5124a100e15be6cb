#!/bin/sh
# xargs + curl + jpegtran: mirrors the JPEGs of the gallery $1, $2 at a time.
set -e
export base="$1"
curl --silent --show-error --fail "$base" | xargs -P "$2" -n 1 sh -c '
    curl --silent --show-error --fail "$base$0" | jpegtran -copy all -flip horizontal |
        curl --silent --show-error --fail --output /dev/null --form "image=@-;filename=$0;type=image/jpeg" "$base"'
