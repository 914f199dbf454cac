#!/usr/bin/env bash
# A container engine for tests on a machine without systemd, as root: nothing of it lies in the repository, and it is
# stopped with all it runs. Where an engine answers already it is left alone.
#
#   scripts/engine.sh start|restart|stop DIRECTORY        DIRECTORY holds its data, settings, log and process number
# With LIVE_RESTORE=false it takes its containers along when it ends, as an engine in a swarm must.
set -euo pipefail

act=$1 place=$2
socket=/var/run/docker.sock

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

launch() {
    # After a killed engine the first start can fail on what its containerd left.
    for _ in 1 2 3; do
        setsid dockerd --config-file "$place/daemon.json" --host "unix://$socket" >>"$place/log" 2>&1 </dev/null &
        for _ in $(seq 100); do
            if answers; then return; fi
            sleep 0.2
        done
    done
    tail -20 "$place/log" >&2
    echo "engine: it did not start; its log is $place/log" >&2
    exit 1
}

ended() {
    local pid
    pid=$(cat "$place/pid")
    kill "$1" "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

case $act in
start)
    if answers; then
        echo "engine: one answers already"
        exit
    fi
    mkdir -p "$place"
    cat >"$place/daemon.json" <<JSON
{"live-restore": ${LIVE_RESTORE:-true}, "data-root": "$place/data", "exec-root": "$place/exec", "pidfile": "$place/pid", "log-level": "warn"}
JSON
    launch
    ;;
restart)
    ended -TERM
    launch
    ;;
stop)
    [ -f "$place/pid" ] || exit 0
    docker ps --quiet | xargs --no-run-if-empty docker kill >/dev/null
    ended -TERM
    if [ -f "$place/exec/containerd/containerd.pid" ]; then
        kill "$(cat "$place/exec/containerd/containerd.pid")" 2>/dev/null || true
    fi
    # With live-restore an engine leaves its mounts for the next one; these are all below its own directory.
    awk -v place="$place/" 'index($2, place) == 1 { print $2 }' /proc/mounts | sort -r | xargs --no-run-if-empty umount
    rm -rf "$place" || echo "engine: $place could not be removed"
    ;;
*)
    echo "usage: scripts/engine.sh start|restart|stop DIRECTORY" >&2
    exit 2
    ;;
esac
