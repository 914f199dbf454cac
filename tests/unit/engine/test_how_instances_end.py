"""What is told of an instance that no longer runs."""

import msgspec
import pytest

from lading.engine.acts.waiting import fate_of
from lading.model.environment import InstanceState

GONE = InstanceState(name="web-1", running=False)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "is gone"),
        (GONE, "is gone"),
        (msgspec.structs.replace(GONE, exit_status=3), "exited with status 3"),
        (
            msgspec.structs.replace(GONE, exit_status=-9, ended="was killed for want of memory"),
            "was killed for want of memory",
        ),
    ],
)
def test_the_reason_goes_before_the_status(state: InstanceState | None, said: str) -> None:
    """Where a runtime knows why, a number says less."""
    assert fate_of(state) == said
