#!/usr/bin/env bash
# Make the root file system of a new server: Debian 12 with systemd and sshd, and neither Python nor Docker. It finds
# packages where this machine does (apt's and pip's settings, certificates and resolver are copied, not kept anywhere).
#
#   scripts/systemd_root.sh DIRECTORY      an empty or absent one; about half a minute
set -euo pipefail

root=${1:?where to: scripts/systemd_root.sh DIRECTORY}
command -v mmdebstrap >/dev/null || { echo "systemd_root: mmdebstrap is missing (apt-get install mmdebstrap)" >&2; exit 1; }

draft=$root.draft
rm -rf "$draft"
mkdir -p "$(dirname "$root")"
# What a server's image has and minbase has not.
packages=systemd,systemd-sysv,dbus,openssh-server,iproute2,ca-certificates,procps,apt,passwd
mmdebstrap --quiet --variant=minbase --include=$packages \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook='rm -rf "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d"' \
    --customize-hook='cp -a /etc/apt/sources.list.d /etc/apt/apt.conf.d "$1/etc/apt/"' \
    --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"' \
    --customize-hook='[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$1/etc/pip.conf"' \
    --customize-hook='install -d -m 700 "$1/root/.ssh"; : >"$1/etc/machine-id"; rm -f "$1"/etc/ssh/ssh_host_*' \
    --customize-hook='ln -sf /dev/null "$1/etc/systemd/system/systemd-timesyncd.service"' \
    bookworm "$draft"
rm -rf "$root"
mv "$draft" "$root"
