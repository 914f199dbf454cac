#!/usr/bin/env bash
# Put `docker compose` where the engine's client finds it, from Debian 13's package, on a machine whose own release has
# none: for `bench peers`, which measures it beside Lading. Nothing of the machine's packages is changed.
#
#   scripts/compose.sh [DIRECTORY]      DIRECTORY is the client's configuration, ~/.docker unless named (DOCKER_CONFIG)
set -euo pipefail

config=${1:-${DOCKER_CONFIG:-$HOME/.docker}}
if DOCKER_CONFIG=$config docker compose version >/dev/null 2>&1; then
    echo "compose: is there"
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$config/cli-plugins"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >"$work/sources.list"
options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" -qq update
(cd "$work" && apt-get "${options[@]}" -qq download docker-compose)
dpkg-deb -x "$work"/docker-compose_*.deb "$work/package"
install -m 755 "$work/package/usr/libexec/docker/cli-plugins/docker-compose" "$config/cli-plugins/docker-compose"
DOCKER_CONFIG=$config docker compose version
