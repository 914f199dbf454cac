"""Cron lines: five fields, or a word such as @daily; checked, not run."""

import re

_WORDS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# field, least, most, names and what the first name counts as
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...], int], ...] = (
    ("minute", 0, 59, (), 0),
    ("hour", 0, 23, (), 0),
    ("day of the month", 1, 31, (), 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of the week", 0, 7, _DAYS, 0),
)
_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_PART = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/([0-9]{1,3}))?")


def complaint_about(line: str) -> str | None:
    """Return what is wrong with a cron line, None when nothing is."""
    if line.startswith("@"):
        return None if line in _WORDS else f"should be a cron line or one of {', '.join(_WORDS)}"
    fields = line.split()
    if len(fields) != 5:
        return f'should have five fields (minute hour day month weekday) such as "0 3 * * *", has {len(fields)}'
    values: list[set[int]] = []
    for text, (name, least, most, names, first) in zip(fields, _FIELDS, strict=True):
        found = _values(text, least, most, names, first)
        if found is None:
            return f"has an impossible {name}: it runs from {least} to {most}, as in 5, 1-5, */10 or 1,15"
        values.append(found)
    return _never(fields, values)


def _values(text: str, least: int, most: int, names: tuple[str, ...], first: int) -> set[int] | None:
    values: set[int] = set()
    for part in text.split(","):
        found = _part(part, least, most, names, first)
        if not found:
            return None
        values |= found
    return values


def _part(part: str, least: int, most: int, names: tuple[str, ...], first: int) -> set[int] | None:
    match = _PART.fullmatch(part)
    if match is None or (match[1] == "*" and match[2]):
        return None
    step = int(match[3] or 1)
    if match[1] == "*":
        low, high = least, most
    else:
        start, end = (_number(word, names, first) for word in (match[1], match[2] or match[1]))
        if start is None or end is None:
            return None
        low, high = start, most if match[3] and not match[2] else end
    if step < 1 or not least <= low <= high <= most:
        return None
    return set(range(low, high + 1, step))


def _number(word: str, names: tuple[str, ...], first: int) -> int | None:
    if re.fullmatch(r"[0-9]{1,2}", word):
        return int(word)
    return names.index(word.lower()) + first if word.lower() in names else None


def _never(fields: list[str], values: list[set[int]]) -> str | None:
    """Complain of a date that no year has; cron runs on either day field when both are given."""
    if fields[4] != "*" or fields[2].startswith("*"):
        return None
    if all(min(values[2]) > _LONGEST_MONTHS.get(month, 31) for month in values[3]):
        return "never comes: none of these months has such a day"
    return None
