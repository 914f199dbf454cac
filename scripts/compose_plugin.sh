#!/usr/bin/env bash
# The engine's compose plugin for tests, on a machine whose own packages have none: Debian 13's, unpacked and not
# installed. Nothing is done where it is there already.
#
#   scripts/compose_plugin.sh [DIRECTORY]      DIRECTORY/docker-compose is the program; without one it goes where the
#                                              engine's client looks for `docker compose`, as `make bench` needs it
set -euo pipefail

place=${1:-${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins}
[ ! -x "$place/docker-compose" ] || exit 0
mkdir -p "$place"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$work/trixie.list"
apt=(-o "Dir::Etc::sourcelist=$work/trixie.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get "${apt[@]}" -qq update
(cd "$work" && apt-get "${apt[@]}" -qq download docker-compose)
dpkg-deb -x "$work"/docker-compose_*.deb "$work/root"
install -m 755 "$work/root/usr/libexec/docker/cli-plugins/docker-compose" "$place/docker-compose"
