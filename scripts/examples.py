"""Every example takes the whole road, in a home of its own: what ``make examples`` shows.

    python scripts/examples.py [NAME ...]

An example is a folder of ``examples`` with a manifest, or of its ``variants`` (``cashback/postgres``); nothing here
names one. Its versions are v1.0.0 and what lies in ``versions``: the first two are good, the third, where there is one,
must not get in. Each is built once and carried local → stage → production, as far as its manifest goes; then the next
good one, the bad one, and the way back. Secrets that the manifest requires get random values. ``road.toml`` in the
folder, where there is one, says what cannot be seen from the manifest:

    good    = ["v1.0.0", "v1.1.0"]       # the releases to carry to production
    bad     = "v1.2.0"                   # the release that must be refused
    jobs    = ["healthcheck"]            # run in production at the end
    secrets = { LOGIN = "anna:{random}" }
"""

import argparse
import json
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from typing import Any

from lading.model.errors import LadingError
from lading.model.server import VERSION
from lading.runtime.docker.names import Names

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
LADING = ROOT / ".venv" / "bin" / "lading"
ENVIRONMENTS = ("local", "stage", "production")
TURNED_BACK = (4, 5)  # exit statuses of a release that did not get in: unwound, rolled back
REFUSED = 3
AT_MOST = 600.0  # seconds one command may take
SHOWN = 10  # lines of a command that ended otherwise than it should


class Astray(Exception):
    """An example did not take the road as it should."""


@dataclass
class Row:
    """One line of the table."""

    name: str
    kind: str
    seconds: float = 0.0
    lost: int = 0
    requests: int = 0
    steps: list[str] = field(default_factory=list)
    verdict: str = ""


class Example:
    """One example, its repository and its agent in a place of their own."""

    def __init__(self, name: str, place: Path) -> None:
        self.name = name
        folder, _, variant = name.partition("/")
        self.source = EXAMPLES / folder / "variants" / variant if variant else EXAMPLES / folder
        self.manifest = tomllib.loads((self.source / "lading.toml").read_text())
        said = self.source / "road.toml"
        self.road = tomllib.loads(said.read_text()) if said.is_file() else {}
        self.project = place / folder
        self.environment = {**environ, "LADING_HOME": str(place / "home"), "HOME": str(place)}
        kinds = {"image" if "dockerfile" in build else "bundle" for build in self.manifest.get("build", {}).values()}
        self.has_bundles, self.has_images = "bundle" in kinds, "image" in kinds
        self.environments = [name for name in ENVIRONMENTS if name in self.manifest["environments"]]
        self.last = self.environments[-1]
        self.row = Row(name, " and ".join(sorted(kinds)))

    def base_images(self) -> list[str]:
        """Return the images that its Dockerfiles build on."""
        wanted: dict[str, None] = {}
        for build in self.manifest.get("build", {}).values():
            if "dockerfile" in build:
                text = (self.source / build["dockerfile"]).read_text()
                stages = set(re.findall(r"(?im)^FROM\s+.*\sAS\s+(\S+)\s*$", text))
                for image in re.findall(r"(?im)^FROM\s+(?:--\S+\s+)*(\S+)", text):
                    if image not in stages and image != "scratch":
                        wanted[image] = None
        for database in self.manifest.get("databases", {}).values():
            if database["engine"] == "postgres":
                wanted[f"postgres:{database.get('version', VERSION)}"] = None
        for service in self.manifest.get("services", {}).values():
            if "image" in service:
                wanted[service["image"]] = None
        return list(wanted)

    def carry(self) -> None:
        """Take the road; raise Astray where it ends otherwise than it should."""
        made = subprocess.run(
            [sys.executable, EXAMPLES / "make_repository.py", self.name, self.project, *_for_this_builder()],
            check=True,
            capture_output=True,
            text=True,
        )
        versions = re.findall(r"v\d+\.\d+\.\d+", made.stdout.partition(":")[2])
        good = self.road.get("good", versions[:2])
        bad = self.road.get("bad", versions[2] if len(versions) > 2 else None)
        self._checkout(good[0])
        for environment in self.environments:
            for name, value in self._secrets().items():
                self.lading("secrets", "set", environment, name, stdin=value)
        if self.last == "production" and self.has_bundles:
            self.lading("policy", "allow", "production", "no-isolation", "--reason", "an example on its own machine")
        self._serve("deploy", "local")
        for version in good:
            self._checkout(version)
            self._serve("deploy", "stage")
            if self.last == "production":
                self._serve("promote", "stage", "production")
            self._serves(self.last, version)
            self.row.steps.append(f"{version} ✓")
        if bad is not None:
            self._refuse(bad, good[-1])
        if len(good) > 1:
            self._serve("rollback", self.last)
            self._serves(self.last, good[-2])
            self.row.steps.append(f"back to {good[-2]} ✓")
        for job in self.road.get("jobs", ()):
            self.lading("run", self.last, job)
            self.row.steps.append(f"{job} ran ✓")

    def _refuse(self, bad: str, serving: str) -> None:
        self._checkout(bad)
        self.lading("deploy", "stage", expect=TURNED_BACK)
        self._serves("stage", serving)
        if self.last == "production":
            self.lading("promote", "stage", "production", bad, expect=(REFUSED,))
            self._serves("production", serving)
        self.row.steps.append(f"{bad} refused ✓")

    def _serve(self, *words: str) -> None:
        rollout = self.lading(*words)["rollout"]
        self.row.lost += rollout["lost_requests"]
        self.row.requests += rollout["requests"]

    def _serves(self, environment: str, version: str) -> None:
        (found,) = self.lading("status", environment)["environments"]
        if found["release"] != version:
            raise Astray(f"{environment} serves {found['release']}, and not {version}")

    def _secrets(self) -> dict[str, str]:
        """Return a random value for every secret that the manifest requires, in the form in which it is used."""
        table = self.manifest.get("secrets", {})
        logins = set(_logins(self.manifest))
        told: dict[str, str] = self.road.get("secrets", {})
        names = dict.fromkeys([*table.get("required", ()), *sorted(logins), *told])
        usual = {name: "login:{random}" if name in logins else "{random}" for name in names}
        return {name: value.format(random=secrets.token_hex(16)) for name, value in {**usual, **told}.items()}

    def _checkout(self, version: str) -> None:
        subprocess.run(["git", "checkout", "--quiet", version], cwd=self.project, check=True)

    def lading(self, *words: str, expect: tuple[int, ...] = (0,), stdin: str | None = None) -> dict[str, Any]:
        """Run a command and return its result; raise Astray for an exit status that was not expected."""
        done = subprocess.run(
            [LADING, "--json", *words],
            cwd=self.project,
            env=self.environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=AT_MOST,
        )
        if done.returncode not in expect:
            raise Astray(f"lading {' '.join(words)} ended with {done.returncode}:\n{_told(done.stdout, done.stderr)}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
        return result

    def stop(self) -> None:
        """Stop all that it started."""
        stop = [LADING, "agent", "stop", "--everything"]
        subprocess.run(stop, env=self.environment, cwd="/", capture_output=True, check=False, timeout=AT_MOST)
        names = Names(Path(self.environment["LADING_HOME"]) / "docker")
        try:
            _leave(names)
        except subprocess.SubprocessError as error:
            print(f"{self.name}: something of lading-{names.agent} was left in the engine: {error}", file=sys.stderr)


def _leave(names: Names) -> None:
    """Remove what an agent left in the engine: its home goes away, and so nobody else would ever do it."""
    if not names.in_use:
        return
    (mine,) = names.filters()["label"]
    _remove(["rm", "--force", "--volumes"], _docker("ps", "--all", "--quiet", "--filter", f"label={mine}"))
    _remove(["network", "rm"], _docker("network", "ls", "--quiet", "--filter", f"label={mine}"))
    images = _docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={names.repository('*')}")
    _remove(["rmi"], images)


def _remove(words: list[str], found: list[str]) -> None:
    if found:
        _docker(*words, *found)


def _docker(*words: str) -> list[str]:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=AT_MOST)
    return done.stdout.split()


def _told(out: str, err: str) -> str:
    """Return what a command said of how it ended: its error, else its last lines."""
    lines = out.splitlines()
    try:
        return str(LadingError.from_plain(json.loads(lines[-1])["error"]))
    except (IndexError, KeyError, ValueError):
        return "\n".join((*lines, *err.splitlines())[-SHOWN:])


def _logins(value: Any) -> Iterator[str]:
    """Yield the names of secrets that hold ``user:password``, wherever in the manifest they are named so."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "basic" and isinstance(inner, str):
                yield inner
            else:
                yield from _logins(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _logins(inner)


def travel(name: str, place: Path) -> Row:
    """Carry one example and return its row."""
    example = Example(name, place)
    began = time.monotonic()
    try:
        images = example.base_images()
        if images and not _engine():
            example.row.verdict = "left out: no container engine answers"
            return example.row
        if images:
            subprocess.run([ROOT / "scripts" / "base_images.sh", *images], check=True)
            began = time.monotonic()
        example.carry()
        example.row.verdict = "stands" if example.row.lost == 0 else "LOST REQUESTS"
    except (Astray, subprocess.SubprocessError) as error:
        print(f"\n{name}: {error}", file=sys.stderr)
        example.row.verdict = "ASTRAY"
    finally:
        example.row.seconds = time.monotonic() - began
        example.stop()
    return example.row


def _engine() -> bool:
    try:
        asked = subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _for_this_builder() -> list[str]:
    """Return how to make a repository whose images can be built here: without BuildKit a build has no cache."""
    asked = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False) if _engine() else None
    return ["--classic"] if asked is not None and asked.returncode else []


def table(rows: list[Row]) -> str:
    """Return the rows as the table that is printed at the end."""
    cells = [("example", "artifact", "time", "lost requests", "the road", "verdict")]
    for row in rows:
        lost = f"{row.lost} of {row.requests:,}" if row.requests else "no web service"
        lost = lost if row.steps else ""
        cells.append((row.name, row.kind, f"{row.seconds:.0f} s", lost, " · ".join(row.steps), row.verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def known() -> list[str]:
    """Return the names of the examples that have a manifest."""
    found = (*EXAMPLES.glob("*/lading.toml"), *EXAMPLES.glob("*/variants/*/lading.toml"))
    return sorted(str(path.parent.relative_to(EXAMPLES)).replace("/variants/", "/") for path in found)


def main() -> int:
    """Carry the examples that are named, else all, and return the exit status."""
    parser = argparse.ArgumentParser(description="Carry every example through the whole road.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(known())}")
    names = parser.parse_args().names or known()
    strange = sorted(set(names) - set(known()))
    if strange:
        parser.error(f"there is no example {', '.join(strange)}; there are: {', '.join(known())}")
    # Whoever ends this wants what it started to end too, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    rows = []
    for name in names:
        print(f"{name} …", flush=True)
        place = Path(tempfile.mkdtemp(prefix=f"lading-{name.replace('/', '-')}-"))
        # Instances may run as users of their own, who must be able to pass through.
        place.chmod(0o711)
        try:
            rows.append(travel(name, place))
        finally:
            shutil.rmtree(place, ignore_errors=True)
        print(f"  {rows[-1].verdict}, {rows[-1].seconds:.0f} s", flush=True)
    print(f"\n{table(rows)}")
    return 0 if all(row.verdict == "stands" or row.verdict.startswith("left out") for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
