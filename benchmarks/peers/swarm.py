"""Docker Swarm, start-first, on one node: in a space and at an engine of its own, as a swarm refuses live-restore.

Without IPVS in the kernel there is no address for a service, so HAProxy sits on the overlay network and finds the tasks
by name. Images go by their ids: by name each task would first try to pull.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.images import PROXY, configuration, identity, image
from benchmarks.peers.trial import Tool, carry_out, plain
from benchmarks.till_house import DEADLINE, OLD
from tests.engines import NEEDED, OwnEngine
from tests.support import until

ADDRESS = "10.99.0.1"  # of a bridge that leads nowhere: a swarm wants one beside loopback
PORT = 8080
HEALTH = "python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=2)\""


class Swarm(Tool):
    """``docker service update --update-order start-first``."""

    title = "Swarm, start-first + HAProxy"

    @classmethod
    def missing(cls) -> str:
        absent = [name for name in NEEDED if shutil.which(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else ""

    def __enter__(self) -> "Swarm":
        self._engine = OwnEngine(self.place / "engine", live_restore=False)
        self._engine.start()
        try:
            self._set_up()
        except BaseException:
            self._engine.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        docker("swarm", "leave", "--force")
        self._engine.end()

    def _set_up(self) -> None:
        for words in ("link add swarm0 type bridge", f"addr add {ADDRESS}/24 dev swarm0", "link set swarm0 up"):
            subprocess.run(["ip", *words.split()], check=True)
        docker("load", "--input", str(self.place.parent / "images.tar"))
        docker("swarm", "init", "--advertise-addr", ADDRESS)
        docker("network", "create", "--driver", "overlay", "--attachable", "front")
        data = self.place / "data"
        data.mkdir()
        data.chmod(0o777)
        options = {
            "name": "web",
            "network": "front",
            "endpoint-mode": "dnsrr",
            "stop-grace-period": "15s",
            "mount": f"type=bind,source={data},target=/data",
            "env": ["DATABASE_URL=sqlite:////data/main.db", "HOME=/tmp", "UVICORN_HOST=0.0.0.0", "UVICORN_PORT=8000"],
            "health-cmd": HEALTH,
            "health-interval": "500ms",
            "health-timeout": "3s",
            "health-retries": str(int(DEADLINE / 0.5)),
            "update-order": "start-first",
            "update-failure-action": "rollback",
            "update-monitor": "5s",
            "rollback-order": "start-first",
        }
        words = [f"--{name}={value}" for name, values in options.items() for value in _each(values)]
        docker("service", "create", "--detach", "--no-resolve-image", "--init", *words, identity(image(OLD)))
        file = configuration(self.place)
        where = ["--publish", f"127.0.0.1:{PORT}:8080", "--volume", f"{file}:/etc/haproxy/haproxy.cfg:ro"]
        docker("run", "--detach", "--name", "proxy", "--network", "front", *where, PROXY)
        self.base = f"http://127.0.0.1:{PORT}"
        until(lambda: self.running() == 1, within=60, what="a task runs")

    def deploying(self, release: str) -> list[str]:
        return ["docker", "service", "update", "--no-resolve-image", "--image", identity(image(release)), "web"]

    def returning(self) -> list[str]:
        return ["docker", "service", "rollback", "web"]

    def labels(self) -> list[str]:
        return ["com.docker.swarm.service.name=web"]


def _each(values: "str | list[str]") -> list[str]:
    return [values] if isinstance(values, str) else values


def docker(*words: str) -> str:
    """Run a command of the engine's client and return what it printed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(plain(carry_out(Swarm, Path(sys.argv[1]), int(sys.argv[3])))))
