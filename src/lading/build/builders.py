"""From a build context to an image in the engine: by BuildKit where the client has it, else by the classic builder."""

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lading.build.errors import build_failed
from lading.build.report import Report
from lading.docker import Engine, EngineRefused
from lading.model.manifest import Build
from lading.model.secret import Secret, redact

# How builders begin a step: ``Step 3/8 : RUN …`` the classic one, ``#7 [3/5] RUN …`` BuildKit.
STEP = re.compile(r"(?:Step (\d+/\d+) :|#\d+ \[([^]]+)\]) (.+)")

# Files get this time: the same source gives the same layers, and archives made within a build know no earlier year.
TIME = 315_532_800  # 1980-01-01, seconds since the epoch
LONGEST = 3600.0  # seconds without a word from the builder
SHOWN = 12  # last lines of a failed build
FOREIGN = ".dockerfile.lading"  # what a Dockerfile from outside the context is called within it
IGNORE = ".dockerignore"


class Order(NamedTuple):
    """What is to be built: the build's table, its context as a directory, its Dockerfile, and the tag it gets."""

    name: str
    build: Build
    context: Path
    dockerfile: Path
    tag: str
    labels: Mapping[str, str]
    secrets: Mapping[str, Secret]
    known: Collection[Secret]

    @property
    def hidden(self) -> list[Secret]:
        """Everything that no line of the builder's may show."""
        return [*self.known, *self.secrets.values()]


def has_buildkit() -> bool:
    """Tell whether the engine's client is here and has BuildKit's plugin; DOCKER_BUILDKIT=0 turns it off."""
    if os.environ.get("DOCKER_BUILDKIT") == "0" or shutil.which("docker") is None:
        return False
    done = subprocess.run(["docker", "buildx", "version"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def with_buildkit(order: Order, engine: Engine, report: Report) -> None:
    """Build with the client's BuildKit; the image is in the engine under the order's tag afterwards."""
    build = order.build
    words = ["docker", "buildx", "build", "--load", "--progress", "plain", "--tag", order.tag]
    words += ["--file", str(order.dockerfile)]
    words += [f"--build-arg={name}={value}" for name, value in build.args.items()]
    words += [f"--label={name}={value}" for name, value in order.labels.items()]
    words += [f"--secret=id={name},env={name}" for name in order.secrets]
    words += [f"--target={build.target}"] if build.target else []
    words += [f"--network={build.network}"] if build.network else []
    revealed = {name: secret.reveal() for name, secret in order.secrets.items()}
    told = _Told(order, report)
    with subprocess.Popen(
        [*words, str(order.context)],
        env={**os.environ, **revealed, "DOCKER_HOST": f"unix://{engine.path}", "BUILDKIT_PROGRESS": "plain"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                told.take(line)
        except BaseException:
            process.kill()  # nobody listens any more
            raise
    if process.returncode:
        raise _failed(order, f"the builder ended with {process.returncode}", told.lines)


def with_classic(order: Order, engine: Engine, report: Report) -> None:
    """Build with the builder that every engine has; the image is in the engine under the order's tag afterwards."""
    build = order.build
    query = {
        "dockerfile": _inside(order),
        "t": order.tag,
        "buildargs": build.args,
        "labels": dict(order.labels),
        "target": build.target or "",
        "networkmode": build.network or "default",
        "rm": True,
        "forcerm": True,
    }
    archive = order.context.with_name("context.tar")
    _pack(order, archive)
    told = _Told(order, report)
    with (
        archive.open("rb") as file,
        engine.stream(
            "POST", "/build", iter(lambda: file.read(1 << 20), b""), timeout=LONGEST, kind="application/x-tar", **query
        ) as answer,
    ):
        for message in _messages(answer):
            if "error" in message:
                raise _failed(order, redact(str(message["error"]), order.hidden), told.lines)
            told.take(str(message.get("stream", "")))


def _messages(answer: Iterator[bytes]) -> Iterator[dict[str, object]]:
    for line in answer:
        if line.strip():
            yield json.loads(line)


class _Told:
    """What a builder said, told on as it comes: the step under way and its last line."""

    def __init__(self, order: Order, report: Report) -> None:
        self._order = order
        self._report = report
        self._step = order.name
        self.lines: list[str] = []

    def take(self, text: str) -> None:
        """Take what the builder says next; no known secret is told on."""
        for line in redact(text, self._order.hidden).splitlines():
            if not line.strip():
                continue
            if found := STEP.match(line):
                self._step = f"{self._order.name:12} {found[1] or found[2]}  {found[3][:80]}"
            self.lines.append(line.rstrip())
            self._report(self._step, line.strip())


def _inside(order: Order) -> str:
    if order.dockerfile.is_relative_to(order.context):
        return order.dockerfile.relative_to(order.context).as_posix()
    return FOREIGN


def _pack(order: Order, archive: Path) -> None:
    """Write the context as a tar; a Dockerfile from outside comes along without becoming part of it."""
    foreign = _inside(order) == FOREIGN
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(order.context.rglob("*")):
            name = path.relative_to(order.context).as_posix()
            if not (foreign and name == IGNORE):
                tar.add(path, name, recursive=False, filter=_plain)
        if foreign:
            tar.add(order.dockerfile, FOREIGN, filter=_plain)
            ignore = order.context / IGNORE
            said = ignore.read_text(errors="surrogateescape") if ignore.exists() else ""
            listing = archive.with_name("ignore")
            listing.write_text(f"{said}\n{FOREIGN}\n{IGNORE}\n", errors="surrogateescape")
            tar.add(listing, IGNORE, filter=_plain)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = TIME
    return info


def _failed(order: Order, happened: str, lines: Collection[str]) -> Exception:
    return build_failed(
        f"building {order.name} from {order.build.dockerfile}",
        happened.strip(),
        hint="the lines above are the builder's last; mend the Dockerfile, commit, and release again",
        details=tuple(list(lines)[-SHOWN:]),
    )


def remove_older(engine: Engine, older: str, newer: str) -> None:
    """Remove the image that a tag named before it was built anew, so that builds do not pile up."""
    if older and older != newer:
        try:
            engine.delete(f"/images/{older}")
        except EngineRefused as error:
            if error.status not in (404, 409):  # gone; a stage of what was just built, or in use
                raise
