#!/usr/bin/env bash
# Make base images for a machine that reaches no registry: Debian's packages in the layout of the official images, under
# their names, so that ordinary Dockerfiles build unchanged. Where a registry answers, nothing is made: use the real ones.
#
#   scripts/base_images.sh [IMAGE ...]      python:3.11-slim unless named; DOCKER_HOST says which engine
set -euo pipefail

known="python:3.11-slim debian:bookworm-slim"
images=("${@:-python:3.11-slim}")

for tool in docker mmdebstrap; do
    command -v "$tool" >/dev/null || { echo "base_images: $tool is missing (apt-get install docker.io mmdebstrap)" >&2; exit 1; }
done
docker version --format '{{.Server.Version}}' >/dev/null || { echo "base_images: no engine answers; start dockerd" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debian() { # debian: the root file system of Debian 12 with Python, as an image of that name
    docker image inspect debian:bookworm-slim >/dev/null 2>&1 && return
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates,tzdata \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        bookworm "$work/root.tar"
    docker import --change 'CMD ["bash"]' "$work/root.tar" debian:bookworm-slim >/dev/null
}

python() { # python: pip and packages below /usr/local, as in the official images; this machine's certificates and indexes
    debian
    mkdir -p "$work/python"
    cp /etc/ssl/certs/ca-certificates.crt "$work/python/ca.crt"
    # A machine that reaches packages through a mirror needs it within builds, too.
    { cat /etc/pip.conf 2>/dev/null || true; } >"$work/python/pip.conf"
    cat >"$work/python/Dockerfile" <<'DOCKERFILE'
FROM debian:bookworm-slim
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
RUN python3 -m venv /usr/local
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
CMD ["python3"]
DOCKERFILE
    DOCKER_BUILDKIT=0 docker build --quiet --tag "$1" "$work/python" 2>/dev/null >/dev/null
}

for image in "${images[@]}"; do
    if docker image inspect "$image" >/dev/null 2>&1; then
        echo "$image: is there"
    elif timeout 20 docker pull --quiet "$image" >/dev/null 2>&1; then
        echo "$image: pulled"
    else
        case "$image" in
            python:3.11-slim) python "$image" ;;
            debian:bookworm-slim) debian ;;
            *) echo "base_images: $image cannot be pulled, and there is no recipe for it; there is one for: $known" >&2; exit 1 ;;
        esac
        echo "$image: made"
    fi
done
