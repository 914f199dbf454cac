"""The whole road, for real, in a directory of its own: what ``make demo`` shows.

A web application (examples/cashback) is built once and taken local → stage → production under live traffic: a good
release, a broken one that never gets in, a promotion that is refused, a rollback, a migration, and one that fails on a
copy of production's data. Everything it starts it stops.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LADING = ROOT / ".venv" / "bin" / "lading"
RATE = 120  # requests a second put on production while it changes

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class Road:
    """The demo's project, its agent's home, and what is remembered for the table at the end."""

    def __init__(self, place: Path) -> None:
        self.project = place / "cashback"
        self.home = place / "home"
        self.rows: list[tuple[str, str, str, str]] = []
        self.environment = {**os.environ, "LADING_HOME": str(self.home)}

    def say(self, text: str) -> None:
        print(f"\n{BOLD}{text}{PLAIN}", flush=True)

    def lading(self, words: str, *, expect: int = 0, stdin: str | None = None) -> None:
        """Run a command in sight of everybody; a status other than the expected one ends the demo."""
        given = f"  {DIM}< a random value{PLAIN}" if stdin is not None else ""
        print(f"{DIM}${PLAIN} lading {words}{given}", flush=True)
        done = subprocess.run(
            [LADING, *shlex.split(words)], cwd=self.project, env=self.environment, input=stdin, text=True, check=False
        )
        note = "" if done.returncode == 0 else f"{DIM}(exit status {done.returncode}){PLAIN}"
        if note:
            print(note, flush=True)
        if done.returncode != expect:
            sys.exit(f"demo: lading {words} ended with {done.returncode}, expected {expect}")

    def rollouts(self, environment: str) -> list[dict[str, object]]:
        """Return an environment's rollouts, newest first, as ``lading --json history`` gives them."""
        answer = subprocess.run(
            [LADING, "--json", "history", environment],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        rollouts: list[dict[str, object]] = json.loads(answer.stdout.splitlines()[-1])["rollouts"]
        return rollouts

    def url(self, environment: str) -> str:
        """Return where an environment answers."""
        answer = subprocess.run(
            [LADING, "--json", "status", environment],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(answer.stdout.splitlines()[-1])["environments"][0]["url"])

    def checkout(self, tag: str) -> None:
        print(f"{DIM}${PLAIN} git checkout {tag}", flush=True)
        subprocess.run(["git", "checkout", "--quiet", tag], cwd=self.project, check=True)


@contextmanager
def load(road: Road, place: Path, results: list[dict[str, object]]) -> Iterator[None]:
    """Put live traffic on production from a process of its own, without retries, while the block runs."""
    out = place / f"load-{len(results)}.json"
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "load.py"),
        *("--base", road.url("production"), "--rate", str(RATE), "--until-stdin-closes", "--out", str(out)),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)
    results.append(json.loads(out.read_text()))


class Watcher:
    """Asks production all the time and notes when the answers change from one release to the other."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/health"
        self._stop = threading.Event()
        self.first: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                self.first.setdefault(answer.headers["x-release"], time.monotonic())


def travel(road: Road, place: Path) -> None:
    """Take the road."""
    loads: list[dict[str, object]] = []
    subprocess.run(
        [sys.executable, ROOT / "examples" / "make_repository.py", "cashback", road.project, "--at", "v1.0.0"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    road.say("1  A web application on SQLite, its manifest, and the secrets of three environments")
    road.lading("check")
    for environment in ("local", "stage", "production"):
        for name in ("JWT_KEY", "SMOKE_TOKEN"):
            road.lading(f"secrets set {environment} {name}", stdin=secrets.token_hex(16))

    road.say("2  Build v1.0.0 once; take that very artifact local → stage → production")
    road.lading("release")
    road.lading("deploy local")
    road.lading("deploy stage")
    print(f"\n{DIM}This machine has no container engine. Production says so, until an admin accepts it:{PLAIN}")
    road.lading("promote stage production", expect=3)
    road.lading("policy allow production no-isolation --reason 'a demo on a bare machine'")
    road.lading("promote stage production")
    first = road.url("production")

    road.say(f"3  v1.1.0 under {RATE} requests a second: slow answers, writes, streams, WebSockets among them")
    road.checkout("v1.1.0")
    road.lading("release")
    road.lading("deploy stage")
    with load(road, place, loads):
        road.lading("promote stage production")

    road.say("4  v1.2.0 is broken: its /ready never turns OK. It does not get in, and stage serves on")
    road.checkout("v1.2.0")
    road.lading("release")
    road.lading("deploy stage", expect=4)
    print(f"\n{DIM}What has not passed stage does not enter production:{PLAIN}")
    road.lading("promote stage production v1.2.0", expect=3)

    road.say("5  Back to v1.0.0 in production, under the same traffic")
    with load(road, place, loads), Watcher(first) as watcher:
        _until(lambda: bool(watcher.first))
        watcher.first.clear()
        before = time.monotonic()
        road.lading("rollback production")
        back = next(at for release, at in watcher.first.items() if release.removeprefix("v") == "1.0.0")
        seconds = back - before

    road.say("6  v1.3.0 changes the schema: rehearsed on a copy, then done while requests wait; none is lost")
    road.checkout("v1.3.0")
    road.lading("release")
    road.lading("deploy stage")
    with load(road, place, loads):
        road.lading("promote stage production")

    road.say("7  v1.4.0 brings a migration that goes well on stage, and fails on the data that production has")
    _pay_out(first)
    road.checkout("v1.4.0")
    road.lading("release")
    road.lading("deploy stage")
    with load(road, place, loads):
        road.lading("promote stage production", expect=4)

    road.say("8  The bill of v1.3.0, and what happened in production")
    road.lading("bill v1.3.0")
    road.lading("history production")
    _table(road, loads, seconds)


def _pay_out(url: str) -> None:
    """Let somebody in production buy and be paid out: a payout that the bank has yet to settle."""
    bodies = (
        ("merchants", {"name": "Bakery"}),
        ("offers", {"merchant_id": 1, "title": "Ten", "basis_points": 1000}),
        ("purchases", {"reference": "demo", "amount_cents": 5000, "owner": "anna", "offer_id": 1}),
        ("payouts", {"owner": "anna", "amount_cents": 500}),
    )
    for path, body in bodies:
        asked = urllib.request.Request(
            f"{url}/api/v1/{path}", data=json.dumps(body).encode(), headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.status == 201
    print(f"{DIM}# in production somebody is paid out; the bank has yet to settle that{PLAIN}", flush=True)


def _until(condition: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("demo: production does not answer")
        time.sleep(0.01)


def _table(road: Road, loads: list[dict[str, object]], rollback: float) -> None:
    road.say("What this showed")
    print(f"  {'environment':<12} {'rollout':<24} {'outcome':<12} {'seconds':>7} {'probed':>7} {'lost':>5}")
    for environment in ("local", "stage", "production"):
        for one in reversed(road.rollouts(environment)):
            moved = f"{one['previous'] or 'nothing'} → {one['release']}"
            print(
                f"  {environment:<12} {moved:<24} {one['outcome']:<12} {one['seconds']:>7.1f}"
                f" {one['requests']:>7} {one['lost_requests']:>5}"
            )
    sent = sum(int(str(one["sent"])) for one in loads)
    lost = sum(int(str(one["lost"])) for one in loads)
    print(f"\n  live traffic on production while it changed: {lost} of {sent:,} requests lost")
    print(f"  rollback: the old release answered {rollback:.2f} s after the command was given")


def main() -> None:
    """Run the demo and leave nothing behind."""
    began = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="lading-demo-"))
    # Instances may run as users of their own, who must be able to pass through.
    place.chmod(0o711)
    road = Road(place)
    try:
        travel(road, place)
    finally:
        stop = [LADING, "agent", "stop", "--everything"]
        subprocess.run(stop, env=road.environment, check=False, stdout=subprocess.DEVNULL, cwd=place)
        shutil.rmtree(place, ignore_errors=True)
    print(f"  everything was stopped again; all of it took {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
