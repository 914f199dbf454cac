"""What a Dockerfile says that matters before it is built: its base images, and what only BuildKit can do."""

import re
from collections.abc import Iterator
from itertools import takewhile

CONTINUED = re.compile(r"\\[ \t]*$")
DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)")
FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
HEREDOC = re.compile(r"<<-?\s*[\"']?[A-Za-z_]\w*")
NEEDS_BUILDKIT = {
    "RUN": ("--mount", "--network", "--security"),
    "COPY": ("--link", "--chmod", "--exclude", "--parents"),
    "ADD": ("--link", "--chmod", "--checksum", "--exclude", "--keep-git-dir"),
}


def instructions(text: str) -> Iterator[tuple[int, str]]:
    """Yield each instruction with the number of its first line, its lines joined."""
    number, start, parts = 0, 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("#") or (not parts and not line.strip()):
            continue
        start = start if parts else number
        more = CONTINUED.search(line)
        parts.append(line[: more.start()] if more else line)
        if not more:
            yield start, " ".join(parts).strip()
            parts = []
    if parts:
        yield start, " ".join(parts).strip()


def frontend(text: str) -> str:
    """Return the image that a ``# syntax=`` line at the top asks for, empty when there is none."""
    for line in text.splitlines():
        found = DIRECTIVE.match(line)
        if found is None:
            return ""
        if found[1].lower() == "syntax":
            return found[2]
    return ""


def base_images(text: str) -> tuple[str, ...]:
    """Return the images that a Dockerfile builds on, without its own stages; arguments in them stay unresolved."""
    stages: set[str] = set()
    bases: dict[str, None] = {}
    for _, instruction in instructions(text):
        found = FROM.match(instruction)
        if found is None:
            continue
        if found[1].lower() not in stages and found[1] != "scratch":
            bases[found[1]] = None
        if found[2]:
            stages.add(found[2].lower())
    return tuple(bases)


def _flags(words: list[str]) -> list[str]:
    return list(takewhile(lambda word: word.startswith("--"), words))


def only_buildkit(text: str) -> list[str]:
    """Return one line ``LINE  what`` for everything in a Dockerfile that the classic builder cannot do."""
    found = []
    for number, instruction in instructions(text):
        words = instruction.split()
        for flag in NEEDS_BUILDKIT.get(words[0].upper(), ()):
            if any(word.partition("=")[0] == flag for word in _flags(words[1:])):
                found.append(f"{number}  {words[0].upper()} {flag}")
        if words[0].upper() in NEEDS_BUILDKIT and HEREDOC.search(instruction):
            found.append(f"{number}  a here-document")
    return found
