"""The method of docker-rollout behind HAProxy: twice as many, wait until the new ones are healthy, remove the old.

``roll.py`` is the client: a script of the standard library alone, as that tool is one of the shell alone.
"""

import sys
from pathlib import Path

from benchmarks.peers.compose import SERVICE, Composed
from benchmarks.peers.images import PROXY, build_proxy, configuration
from benchmarks.till_house import DEADLINE

ROLL = Path(__file__).with_name("roll.py")

HEALTH = """\
    healthcheck:
      test: ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
      interval: 500ms
      timeout: 3s
      retries: 100
"""

PROXY_SERVICE = """\
  proxy:
    image: {image}
    ports: ["127.0.0.1:{port}:8080"]
    volumes: ["{configuration}:/etc/haproxy/haproxy.cfg:ro"]
"""


class Rollout(Composed):
    """Scale up, wait, drain, remove."""

    title = "docker-rollout's method + HAProxy"

    def definition(self) -> str:
        build_proxy(self.place / "proxy")
        proxy = PROXY_SERVICE.format(image=PROXY, port=self.port, configuration=configuration(self.place))
        return "services:\n" + SERVICE.format(data=self.place / "data") + HEALTH + proxy

    def deploying(self, release: str) -> list[str]:  # noqa: ARG002
        return [sys.executable, "-I", str(ROLL), f"{DEADLINE:g}"]
