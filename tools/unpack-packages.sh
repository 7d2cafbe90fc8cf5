#!/usr/bin/env bash
# Unpack the firewall managers, their neighbours and sshd for the lab's hosts. Installed as packages, they would start services on this
# machine: here nothing is installed and nothing runs outside of the lab. Works as root and as an ordinary user.
# Usage: unpack-packages.sh DIRECTORY
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"
directory=$(realpath -m "$1")
# What is asked for, by the command that tells whether the machine has it.
wanted=(sshd=openssh-server firewalld=firewalld ufw=ufw iptables=iptables ipset=ipset fail2ban-server=fail2ban
    podman=podman runc=runc busybox=busybox-static)

missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
# Of its networks, which no command tells of.
[[ " ${missing[*]} " != *" podman "* ]] || missing+=(containernetworking-plugins)
[ "$(cat "$directory/unpacked" 2>/dev/null)" != "${missing[*]}" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "not unpacked for the lab, because there is no apt-get here: ${missing[*]}" >&2
    exit 1
fi

trap 'rm -rf "$directory.new"' EXIT
rm -rf "$directory.new"
mkdir -p "$directory.new/apt/lists/partial" "$directory.new/apt/archives/partial"
cd "$directory.new"
log=$PWD/apt/log
# Beside what dpkg knows as installed. Locks and the sandbox's user are for those who install.
apt=(apt-get --yes --no-install-recommends -o Debug::NoLocking=true -o APT::Sandbox::User=root
    -o Dir::Cache="$PWD/apt" -o Dir::Cache::archives="$PWD/apt/archives")
own_lists=(-o Dir::State::lists="$PWD/apt/lists")
# The machine's package lists may be absent, old, or not ours to refresh.
{ "${apt[@]}" --download-only install "${missing[@]}" \
    || { "${apt[@]}" "${own_lists[@]}" update && "${apt[@]}" "${own_lists[@]}" --download-only install "${missing[@]}"; }
} >"$log" 2>&1 </dev/null || {
    echo "not unpacked for the lab: ${missing[*]}; apt-get said: $(grep -m 1 '^E:' "$log")" >&2
    exit 1
}

# The lab's hosts have no systemd: what is there must not look as if they had.
rm -f apt/archives/systemd*.deb
for package in apt/archives/*.deb; do
    dpkg -x "$package" .
done
rm -r apt
# Older packages have files in /lib and /sbin, which are links everywhere by now.
for part in bin sbin lib; do
    [ ! -d "$part" ] || { cp -a --no-target-directory "$part" "usr/$part" && rm -r "$part"; }
done
# An installation would have made these by update-alternatives.
for part in "" -save -restore; do
    for family in iptables ip6tables; do
        [ ! -e "usr/sbin/$family-nft$part" ] || ln -sf "$family-nft$part" "usr/sbin/$family$part"
    done
done
# Nobody can write into the hosts' /usr, so that Python would compile everything at each start.
if [ -x /usr/bin/python3 ] && [ -d usr/lib/python3 ]; then
    /usr/bin/python3 -m compileall -q usr/lib/python3 >/dev/null || true
fi
echo "${missing[*]}" >unpacked
cd ..
rm -rf "$directory"
mv "$directory.new" "$directory"
