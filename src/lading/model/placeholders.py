"""Tells a value that stands in for a secret from a secret: what somebody meant to replace and did not.

A false alarm refuses a deploy, so a rule names whole values that nobody chooses as a secret; none of them guesses how
strong a value is.
"""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from lading.model.environment_table import Tier
from lading.model.secret import MASK

# Whole values, in lower case and with every separator taken out.
_NEVER: Final = """
changeme changethis changeit changemeplease changemenow pleasechange pleasechangeme changethisvalue changethissecret
changethispassword changethiskey changeinproduction changemeinproduction replaceme replacethis replaceit
replacethisvalue fillme fillin fillmein fillthisin setme insertme insertvalue insertvaluehere valuehere valuegoeshere
todo tbd fixme placeholder
"""
# On a laptop these may be meant; on a host that others reach they are what an example said.
_WEAK: Final = """
secret secretkey mysecret mysecretkey supersecret supersecretkey notsecret insecure password mypassword passwd pass
devsecret devkey testsecret testkey dummy dummyvalue dummykey example examplevalue sample redacted undefined notset
unset
"""
_NEVER_WORDS: Final = frozenset(_NEVER.split())
_WEAK_WORDS: Final = frozenset(_WEAK.split())
_NOUNS: Final = r"(key|secret|token|password|passwd|pass|value|dsn|url|id|user|username|login|email|domain|host)s?"
_YOURS: Final = re.compile(
    rf"((insert|enter|put|paste|add|set|use|replace|change)[-_ ](with[-_ ])?)?your([-_ ][a-z]+)*[-_ ]{_NOUNS}"
    r"([-_ ](here|value|goes[-_ ]here))?",
    re.IGNORECASE,
)
_ASKING: Final = re.compile(
    rf"(insert|enter|put|paste|add|replace|change)([-_ ][a-z]+)*[-_ ]({_NOUNS}[-_ ])?(here|me|this)", re.IGNORECASE
)
_BRACKETS: Final = re.compile(r"<[a-z.…][a-z0-9 _.…,'-]*>|\[[a-z][a-z0-9 _-]*\]", re.IGNORECASE)
_TEMPLATE: Final = re.compile(r"\$\{[^{}]+\}|\{\{[^{}]+\}\}|\$\([^()]+\)|%[A-Z_][A-Z0-9_]*%|__[A-Z][A-Z0-9_]*__")
_REPEATED: Final = re.compile(r"([xX*.?#_-])\1{2,}|…+|•+")
_CROSSED_OUT: Final = re.compile(r"[a-z]{2,8}([-_][a-z]{2,8}){0,2}[-_]?[xX*]{4,}", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[-_.! ]+")


def placeholder(name: str, value: str, tier: Tier, example: str = "") -> str:
    """Return in a few words why a value is a placeholder, empty when it is none; never the value.

    ``example`` is what the project's ``.env.example`` says. Outside the tier ``local`` such a value, and the words that
    every example uses, count as placeholders too: they are no secret, as they stand in the repository.
    """
    value = value.strip()
    reason = _anywhere(name, value)
    if reason or tier == "local":
        return reason
    return _elsewhere(name, value, example.strip())


def _anywhere(name: str, value: str) -> str:
    if not value:
        return "it is empty"
    if MASK in value:
        return "it is the dots that stand for a hidden value"
    if value in (name, f"${name}") or _TEMPLATE.fullmatch(value):
        return "it is a variable that nobody filled in"
    if _BRACKETS.fullmatch(value):
        return "it is a text in brackets, to be replaced"
    if _REPEATED.fullmatch(value) or _CROSSED_OUT.fullmatch(value):
        return "it is crossed out"
    if _SEPARATORS.sub("", value).lower() in _NEVER_WORDS or _YOURS.fullmatch(value) or _ASKING.fullmatch(value):
        return "it is a placeholder"
    return ""


def _elsewhere(name: str, value: str, example: str) -> str:
    if example and value == example:
        return "it is the value of .env.example"
    if value.startswith("django-insecure-"):
        return "it is the key that Django made for development"
    if _SEPARATORS.sub("", value).lower() in _WEAK_WORDS:
        return "it is a placeholder"
    password = _password(value)
    if password and (_anywhere(name, password) or _SEPARATORS.sub("", password).lower() in _WEAK_WORDS):
        return "the password in its URL is a placeholder"
    return ""


def _password(value: str) -> str:
    if "://" not in value:
        return ""
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:
        return ""
