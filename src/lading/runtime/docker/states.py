"""What the engine says of a container, as the port says it."""

from datetime import UTC, datetime
from typing import Any

from lading.model.environment import InstanceState
from lading.runtime.docker import names

KILLED_WITH_ENGINE = 255  # what the engine notes where it did not see the end
SIGNALS = range(129, 193)  # exit statuses that stand for a signal, as shells and the engine count them


def name_of(found: dict[str, Any]) -> str:
    """Return the instance's or run's name."""
    return label(found, names.NAME)


def label(found: dict[str, Any], key: str) -> str:
    """Return a label of a container, empty where it has none."""
    return str((found["Config"].get("Labels") or {}).get(key, ""))


def is_running(found: dict[str, Any]) -> bool:
    """Tell whether a container runs; one that is paused does."""
    return bool(found["State"]["Running"])


def is_cut_off(found: dict[str, Any]) -> bool:
    """Tell whether a container runs without the address that it was given: somebody removed its network."""
    address = label(found, names.ADDRESS)
    places = (found["NetworkSettings"].get("Networks") or {}).values()
    return is_running(found) and bool(address) and all(place.get("IPAddress") != address for place in places)


def was_started(found: dict[str, Any]) -> bool:
    """Tell whether a container ever ran: one whose starter died may not have."""
    return started_at(found) > 0


def started_at(found: dict[str, Any]) -> float:
    """Return when it was started, in seconds since the epoch; 0 when it never was."""
    return _moment(found["State"]["StartedAt"])


def finished_at(found: dict[str, Any]) -> float:
    """Return when it ended, in seconds since the epoch; 0 while it never did."""
    return _moment(found["State"]["FinishedAt"])


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).timestamp() if moment.year > 1 else 0.0


def exit_status(found: dict[str, Any]) -> int:
    """Return the exit status, negative for a signal."""
    status = int(found["State"]["ExitCode"])
    return 128 - status if status in SIGNALS else status


def state(found: dict[str, Any]) -> InstanceState:
    """Return an instance's state."""
    running = is_running(found) and not is_cut_off(found)
    address, port = label(found, names.ADDRESS), label(found, names.PORT)
    return InstanceState(
        name=name_of(found),
        running=running,
        address=f"{address}:{port}" if port else "",
        host=address,
        pid=int(found["State"]["Pid"]) if running else 0,
        started=started_at(found),
        exit_status=exit_status(found) if not is_running(found) and was_started(found) else None,
        restarts=int(label(found, names.ATTEMPT)) - 1,
        limits=label(found, names.LIMITS),
        ended=label(found, names.ENDED) if running else ended(found),
    )


def ended(found: dict[str, Any]) -> str:
    """Say why a container ended, or cannot be reached, where the engine knows more than its exit status."""
    if is_cut_off(found):
        return "runs, but its network was removed"
    if found["State"]["OOMKilled"]:
        return f"was {_want_of_memory(found)}"
    return str(found["State"].get("Error") or "")


def with_end(output: str, found: dict[str, Any]) -> str:
    """Return a run's output, and after it why it ended where it cannot have said so itself."""
    return f"{output}\n{_want_of_memory(found)}" if found["State"]["OOMKilled"] else output


def _want_of_memory(found: dict[str, Any]) -> str:
    return f"killed for want of memory: its limit is {int(found['HostConfig']['Memory']) / 1e6:.0f} MB"
