"""Whether a web service answers: asked until it does, or does not run any more."""

import http.client
import time
from collections.abc import Callable

from lading.dev.programs import LOOPBACK
from lading.model.manifest import Probe

POLL = 0.05  # seconds between questions
ANSWER = 2.0  # seconds one answer may take


def wait_ready(port: int, probe: Probe | None, running: Callable[[], bool]) -> bool:
    """Wait until a service answers as its probe expects (any answer, where it has none); False when it ended before."""
    while running():
        if _answers(port, probe):
            return True
        time.sleep(POLL)
    return False


def _answers(port: int, probe: Probe | None) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER)
    try:
        headers = {"Host": probe.host} if probe is not None and probe.host else {}
        connection.request("GET", probe.path if probe is not None else "/", headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return probe is None or status in probe.status
