#!/usr/bin/env bash
# Make sure that Debian packages are there: as root install what is missing, else print the one line that does.
# Usage: debian-packages.sh COMMAND=PACKAGE ...   (a package is missing when its command is; =PACKAGE is always missing)
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"
missing=()
for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing system packages. Install them with: sudo apt-get install --yes ${missing[*]}" >&2
    exit 1
fi

echo "installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A bare image has no package lists, a long-running one has old ones: refresh them only when the first try fails.
install=(apt-get install --yes --no-install-recommends "${missing[@]}")
"${install[@]}" >"$log" 2>&1 </dev/null \
    || { apt-get update && "${install[@]}"; } >"$log" 2>&1 </dev/null \
    || { cat "$log" >&2; exit 1; }
