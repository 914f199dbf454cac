"""A type that several threads meet for the first time at once is worked out by one of them."""

import subprocess
import sys

import msgspec
import pytest

from lading.model import typed
from lading.model.environment import Backend

# In a process of its own: once a type is known there is nothing left to race for, and a race that is lost kills it.
RACE = """
import sys, threading
import msgspec
from lading.model import typed
from lading.model.environment import Routes, ServiceRoute

sys.setswitchinterval(1e-6)
service = ServiceRoute(service="web", backends=())
text = msgspec.json.encode(Routes(environment="a/b", generation="g", services=(service,)))
plain = msgspec.json.decode(text)
ready, done = threading.Barrier(4), []

def meet(number):
    ready.wait()
    done.append(ACT)

threads = [threading.Thread(target=meet, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(done) == 4 and all(one.environment == "a/b" for one in done)
"""


def races(act: str) -> int:
    done = subprocess.run([sys.executable, "-c", RACE.replace("ACT", act)], capture_output=True, check=False)
    return done.returncode


@pytest.mark.parametrize("act", ["typed.decode(text, Routes)", "typed.convert(plain, Routes)"])
def test_threads_that_meet_a_type_at_once(act: str) -> None:
    """Each gets its value; a type that is known in half would end the process."""
    assert [races(act) for _ in range(3)] == [0, 0, 0]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(msgspec.ValidationError, match="instance"):
        typed.decode(b"{}", Backend)
    with pytest.raises(msgspec.ValidationError, match="instance"):
        typed.convert({}, Backend)
    assert typed.decode(b"null", Backend | None) is None
    assert typed.decode('[{"instance": "web", "address": "a:1"}]', list[Backend]) == [
        Backend(instance="web", address="a:1")
    ]
