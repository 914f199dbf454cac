"""Roll a service of compose over, in the folder of its file and with the release to come in the variable TILL.

``roll.py SECONDS`` gives the new ones so long to become healthy.
"""

import json
import subprocess
import sys
import time

EVERY = 0.2  # seconds between two looks at whether the new ones are healthy
DRAINING = 3.0  # seconds the proxy is given to see that an old one takes no more


def roll(within: float) -> int:
    """Roll the service over; return the exit status."""
    old = _ids()
    _compose("up", "--detach", "--no-deps", "--no-recreate", "--scale", f"web={2 * len(old)}", "web")
    new = [one for one in _ids() if one not in old]
    if not _healthy(new, within):
        _remove(new)
        return 1
    for one in old:
        _run("docker", "exec", one, "touch", "/tmp/drain")
    time.sleep(DRAINING)
    _remove(old)
    return 0


def _healthy(new: list[str], within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = json.loads(_run("docker", "inspect", *new))
        if all(one["State"]["Health"]["Status"] == "healthy" for one in found):
            return True
        time.sleep(EVERY)
    return False


def _remove(ids: list[str]) -> None:
    _run("docker", "stop", *ids)
    _run("docker", "rm", *ids)


def _ids() -> list[str]:
    return _compose("ps", "--quiet", "web").split()


def _compose(*words: str) -> str:
    return _run("docker", "compose", *words)


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(roll(float(sys.argv[1])))
