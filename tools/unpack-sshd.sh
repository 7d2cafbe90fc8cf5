#!/usr/bin/env bash
# Unpack sshd for the tests that lock themselves out. Installed as a package, it would start a service on this machine.
# Usage: unpack-sshd.sh DIRECTORY
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"
directory=$1
if [ -x "$directory/usr/sbin/sshd" ] || command -v sshd >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    exit 0 # These tests need root, and say so.
fi
mkdir -p "$directory/packages"
cd "$directory/packages"
download=(apt-get download openssh-server libwrap0)
"${download[@]}" >/dev/null 2>&1 || { apt-get update && "${download[@]}"; } >/dev/null 2>&1
for package in ./*.deb; do
    dpkg -x "$package" ..
done
