"""What a Dockerfile does badly: rules over its last stage, what it builds on, and what stays in the image."""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lading.manifest.advice import looks_secret
from lading.model.dockerfile import FROM, base_images, instructions

ROOT = re.compile(r"(root|0)(:.*)?", re.IGNORECASE)
SHELLS = ("sh", "bash", "ash", "dash")
ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\S*)")
PINS = re.compile(r"--require-hashes|-r\s|--requirement|--constraint|==|--no-deps|\.whl")


class Remark(NamedTuple):
    """One thing: the line it is about (0: the whole), the rule by name, what is wrong, and what helps."""

    line: int
    rule: str
    text: str
    remedy: str


class Stage(NamedTuple):
    """One stage: the image or stage it builds on, and its instructions, each with its line."""

    base: str
    lines: tuple[tuple[int, str, str], ...]

    def last(self, word: str) -> tuple[int, str] | None:
        """Return line and rest of the last instruction of a kind."""
        found = [(number, rest) for number, name, rest in self.lines if name == word]
        return found[-1] if found else None


def remarks(text: str) -> list[Remark]:
    """Return what a Dockerfile does badly, by line; nothing for one without a stage. Values are never repeated."""
    stages = _stages(text)
    if not stages:
        return []
    found = [remark for rule in RULES for remark in rule(text, stages)]
    return sorted(found, key=lambda remark: remark.line)


def _stages(text: str) -> list[Stage]:
    """Return the stages, each with the instructions of the stage that it builds on before its own."""
    named: dict[str, Stage] = {}
    stages: list[Stage] = []
    name = ""
    for number, instruction in instructions(text):
        word, _, rest = instruction.partition(" ")
        start = FROM.match(instruction)
        if start is not None:
            stages.append(named.get(start[1].lower(), Stage(start[1], ())))
            name = (start[2] or "").lower()
        elif stages:
            stages[-1] = Stage(stages[-1].base, (*stages[-1].lines, (number, word.upper(), rest.strip())))
        if stages and name:
            named[name] = stages[-1]
    return stages


def _root(_text: str, stages: list[Stage]) -> Iterator[Remark]:
    user = stages[-1].last("USER")
    remedy = "make a user in it, or give a number: USER 10001"
    if user is None and stages[-1].base != "scratch":
        yield Remark(0, "runs-as-root", "names no USER, so wherever it runs elsewhere it runs as root", remedy)
    elif user is not None and ROOT.fullmatch(user[1]):
        yield Remark(user[0], "runs-as-root", "its program runs as root", remedy)


def _bases(text: str, _stages: list[Stage]) -> Iterator[Remark]:
    for base in base_images(text):
        last = base.rpartition("/")[2]
        if "$" in base or "@" in base:
            continue
        found = ((line, FROM.match(said)) for line, said in instructions(text))
        number = next((line for line, start in found if start is not None and start[1] == base), 0)
        if ":" not in last or last.endswith(":latest"):
            said = f"builds on {base}, which is another image tomorrow"
            yield Remark(number, "base-not-pinned", said, f"name a version: {last.partition(':')[0]}:VERSION")


def _locks(_text: str, stages: list[Stage]) -> Iterator[Remark]:
    for number, rest in dict.fromkeys(
        (line, rest) for stage in stages for line, word, rest in stage.lines if word == "RUN"
    ):
        for command in re.split(r"&&|;|\|\|?", rest):
            remedy = _unlocked(command)
            if remedy:
                yield Remark(number, "no-lock", "installs other versions tomorrow than today", remedy)
                break


def _unlocked(command: str) -> str:
    """Return what pins an installing command; empty where it is pinned or none."""
    if re.search(r"\buv\s+sync\b", command):
        return "" if re.search(r"--(frozen|locked)", command) else "uv sync --frozen, with uv.lock beside it"
    if re.search(r"\b(pip3?|uv\s+pip)\s+install\b", command):
        own = re.search(r"install\s+(-\S+\s+)*(--upgrade\s+)?(pip|setuptools|wheel|\.\S*)(\s|$)", command)
        return "" if own or PINS.search(command) else "name versions, or install from a file that pins them"
    if re.search(r"\bnpm\s+(install|i)\s*($|-)", command) and "-g" not in command.split():
        return "npm ci, with package-lock.json beside it"
    if re.search(r"\byarn\s+install\b", command) and not re.search(r"--(frozen-lockfile|immutable)", command):
        return "yarn install --frozen-lockfile"
    return ""


def _shell(_text: str, stages: list[Stage]) -> Iterator[Remark]:
    entry, command = stages[-1].last("ENTRYPOINT"), stages[-1].last("CMD")
    for found in (entry, command):
        if found is not None and _is_shell(found[1], found is command and entry is not None):
            text = "starts a shell as process 1, which passes no signal on: the program is killed, not asked to end"
            yield Remark(
                found[0], "shell-as-pid-1", text, 'write words: CMD ["PROGRAM", "ARGUMENT"], or exec in the shell'
            )


def _is_shell(rest: str, behind_entrypoint: bool) -> bool:
    if not rest.startswith("["):
        return not behind_entrypoint and not re.match(r"exec\s", rest)
    try:
        words = json.loads(rest)
    except ValueError:
        return False
    if not isinstance(words, list) or len(words) < 3 or not all(isinstance(word, str) for word in words):
        return False
    shell = words[0].rpartition("/")[2] in SHELLS and re.fullmatch(r"-[a-z]*c", words[1])
    return bool(shell) and not re.search(r"(^|[;&]\s*)exec\s", words[2])


def _secrets(_text: str, stages: list[Stage]) -> Iterator[Remark]:
    seen = dict.fromkeys(line for stage in stages for line in stage.lines if line[1] in ("ARG", "ENV"))
    for number, word, rest in seen:
        for name, value in _assigned(word, rest):
            if looks_secret(name, value):
                text = f"{word} {name} looks like a secret, and stays readable in the image for ever"
                remedy = f'RUN --mount=type=secret,id={name} with secrets = ["{name}"] in [build.NAME]'
                if word == "ENV":
                    remedy = "list it in [secrets]: the program gets it when it runs"
                yield Remark(number, "secret-in-image", text, remedy)


def _assigned(word: str, rest: str) -> list[tuple[str, str]]:
    if word == "ARG":
        # One without a value gets it when it is built, and the image's history has it then.
        name, _, value = rest.partition("=")
        return [(name.strip(), value.strip("\"'") or "given")]
    pairs = [(name, value.strip("\"'")) for name, value in ASSIGNED.findall(rest)]
    if pairs:
        return pairs
    name, _, value = rest.partition(" ")
    return [(name, value.strip())]


RULES: tuple[Callable[[str, list[Stage]], Iterator[Remark]], ...] = (_root, _bases, _locks, _shell, _secrets)
