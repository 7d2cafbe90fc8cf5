#!/usr/bin/env bash
# Make or renew a virtual environment with everything that building and testing needs; quick when nothing changed.
# Usage: [PYTHON=/path/to/python] [CORE=2.21] venv.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
PATH=${PATH//"$PWD/$venv/bin:"/}  # never made from itself

suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

newest_python() {
    local name
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        if suitable "$name"; then
            command -v "$name"
            return
        fi
    done
    echo "Python 3.11 or newer is needed: install it, or name one with PYTHON=/path/to/python" >&2
    return 1
}

# Inside this directory the name ansible_collections.playout.firewall means this checkout.
mkdir -p .build/collections/ansible_collections/playout
ln -sfn ../../../.. .build/collections/ansible_collections/playout/firewall

command -v python3 >/dev/null || [ -n "${PYTHON:-}" ] || tools/debian-packages.sh python3=python3-venv
python=${PYTHON:-$(newest_python)}
if ! suitable "$python"; then
    echo "PYTHON=$python: Python 3.11 or newer is needed" >&2
    exit 1
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
core=${CORE:+ansible-core==$CORE.*}
stamp=$({ pwd; "$python" -c 'import sys; print(sys.executable, sys.version)'; echo "$core"; \
    cat requirements.txt tests/requirements.txt tools/venv.sh; } | sha256sum)
[ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ] || exit 0

echo "preparing $venv with Python $version ${core:-and the newest ansible-core for it}"
"$python" -c 'import ensurepip' 2>/dev/null || tools/debian-packages.sh "=python$version-venv"
log=.build/${venv##*/}.log
{
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        -r requirements.txt -r tests/requirements.txt ${core:+"$core"}
} >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
echo "$stamp" >"$venv/stamp"
