"""Names that refer to other tables."""

from collections.abc import Collection

from lading.manifest.problems import Findings, Path, printable


def known_or_say(path: Path, name: str | None, known: Collection[str], header: str, findings: Findings) -> None:
    """Note a name that is not among the known ones; ``header`` is the table it would be, such as ``[jobs.{}]``."""
    if name is None or name in known:
        return
    there = "there is none"
    if known:
        there = f"there {'is' if len(known) == 1 else 'are'} {', '.join(map(printable, known))}"
    shown = printable(name)
    findings.add(path, f"names {shown}, but there is no {header.format(shown)}", there)
