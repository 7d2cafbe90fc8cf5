#!/usr/bin/env bash
# Make the root directory of a machine with systemd and every firewall manager, from the packages of this distribution.
# Usage: systemd-image.sh DIRECTORY   (makes DIRECTORY/root, quick when it is there already; needs root)
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"
directory=$1

if [ "$(id -u)" -ne 0 ]; then
    echo "only root can make a machine with systemd" >&2
    exit 1
fi
tools/debian-packages.sh mmdebstrap=mmdebstrap podman=podman runc=runc ip=iproute2 ssh=openssh-client >&2

# shellcheck source=/dev/null
. /etc/os-release
packages=systemd-sysv,dbus,python3,iproute2,procps,openssh-server
packages+=,nftables,iptables,ipset,firewalld,iptables-persistent
# ufw refuses to be installed beside netfilter-persistent, although nothing of theirs is in the way of the other while
# at most one of them is enabled.
beside='cd /tmp && apt-get download ufw ucf && dpkg --install --force-breaks ./*.deb && rm ./*.deb'
# What a test wants it switches on; what the distribution does by the clock only costs time.
off="systemctl disable ufw firewalld nftables netfilter-persistent ssh"
off+=" && systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer"

stamp=$({ cat tools/systemd-image.sh; echo "$ID $VERSION_CODENAME"; } | sha256sum)
mkdir -p "$directory"
exec 9>"$directory/lock"
flock 9
[ "$(cat "$directory/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
rm -rf "$directory/stamp" "$directory/root"

# Whatever mirrors this machine uses, but not what it takes from elsewhere.
mirrors() {
    # shellcheck disable=SC2016
    apt-get indextargets --format 'deb $(SITE) $(RELEASE) $(COMPONENT)' "Origin: ${ID^}" "Created-By: Packages" | sort -u
}
[ -n "$(mirrors)" ] || apt-get update >/dev/null

unneeded=()
for path in man doc locale info; do
    unneeded+=("--dpkgopt=path-exclude=/usr/share/$path/*")
done
# shellcheck disable=SC2016
mirrors | mmdebstrap --mode=root --variant=minbase --include="$packages" "${unneeded[@]}" \
    --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io --skip=cleanup/apt/lists \
    --customize-hook="chroot \"\$1\" sh -c '$beside'" \
    --customize-hook="chroot \"\$1\" sh -c '$off'" \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/*' \
    "$VERSION_CODENAME" "$directory/root" >"$directory/log" 2>&1 || { tail -n 20 "$directory/log" >&2; exit 1; }
echo "$stamp" >"$directory/stamp"
