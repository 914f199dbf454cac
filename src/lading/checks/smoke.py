"""A smoke step as the question it sends, and the redirects that follow from an answer."""

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from lading.checks.exchange import NoAnswer, Place, Question, exchange
from lading.model.manifest import SmokeStep
from lading.model.secret import Secret
from lading.ports.checks.expectations import Seen
from lading.ports.checks.templates import fill, fill_json, fill_path, look_up

REDIRECTS_LIMIT = 5
REDIRECTS = (301, 302, 303, 307, 308)

# Everything a path and query may hold as it stands; "%" because a manifest may have encoded it already.
_IN_TARGET = "/?&=:@!$'()*+,;~%[]-._"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Unsendable(Exception):
    """The step cannot be put into a request; the text says why and holds no value."""


def question_of(
    step: SmokeStep, host: str, values: Mapping[str, Secret], along: Mapping[str, Secret] | None = None
) -> Question:
    """Build a step's request: templates filled, body encoded; a header that the step names goes before our own, and
    what is sent ``along`` before all.

    Raise :class:`Unsendable`, or ``UnknownName`` for a name that has no value.
    """
    body, content_type = _body(step, values)
    headers = {"Host": host, "User-Agent": "lading", "Accept": "*/*"}
    if content_type:
        headers["Content-Type"] = content_type
    authorization = _authorization(step, values)
    if authorization:
        headers["Authorization"] = authorization
    for name, value in step.headers.items():
        headers = _over(headers, name, fill(value, values))
    for name, secret in (along or {}).items():
        headers = _over(headers, name, secret.reveal())
    headers["Connection"] = "close"
    method = step.method.upper() if step.method else ("GET" if body is None else "POST")
    _see_sendable(method, headers)
    return Question(method=method, target=target_of(fill_path(step.path or "/", values)), headers=headers, body=body)


def target_of(path: str) -> str:
    """Return a path as it may stand in a request line: beginning with a slash, all else percent-encoded."""
    target = quote(path.partition("#")[0], safe=_IN_TARGET)
    return target if target.startswith("/") else f"/{target}"


def _body(step: SmokeStep, values: Mapping[str, Secret]) -> tuple[bytes | None, str]:
    if step.json is not None:
        return json.dumps(fill_json(step.json, values)).encode(), "application/json"
    if step.form is not None:
        filled = {name: fill(value, values) for name, value in step.form.items()}
        return urlencode(filled).encode(), "application/x-www-form-urlencoded"
    return None, ""


def _authorization(step: SmokeStep, values: Mapping[str, Secret]) -> str:
    if step.auth is None:
        return ""
    if step.auth.bearer is not None:
        return f"Bearer {look_up(step.auth.bearer, values)}"
    if step.auth.basic is None:
        return ""
    pair = look_up(step.auth.basic, values)
    if ":" not in pair:
        raise Unsendable(f"secret {step.auth.basic} is not of the form user:password")
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _see_sendable(method: str, headers: Mapping[str, str]) -> None:
    if not _TOKEN.fullmatch(method):
        raise Unsendable("the method is no HTTP method")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise Unsendable(f"{name!r} is no header name")
        # A value with a line break could add headers of its own.
        if any(char in value for char in "\r\n\0"):
            raise Unsendable(f"the value of header {name} holds a line break")


def ask(place: Place, question: Question, *, redirects: bool, deadline: float, trust: str = "") -> Seen:
    """Send the question and follow its redirects where wanted, all before ``deadline``; raise :class:`NoAnswer`.

    Redirects are followed as browsers do: 303, and 301 or 302 to a POST, turn into a GET without body; cookies set on
    the way are sent on; a place other than the one that was asked is not gone to.
    """
    host = question.headers[next(name for name in question.headers if name.lower() == "host")]
    name = urlsplit(f"//{host}").hostname
    cookies: dict[str, str] = {}
    for _ in range(REDIRECTS_LIMIT + 1):
        seen = exchange(place, question, deadline, server_name=name, trust=trust)
        if not (redirects and seen.status in REDIRECTS and "location" in seen.headers):
            return seen
        try:
            question = _next(place, host, question, seen, cookies)
        except ValueError:
            raise NoAnswer(f"{seen.status} to what is no address") from None
    raise NoAnswer(f"more than {REDIRECTS_LIMIT} redirects, the last to {question.target}")


def _next(place: Place, host: str, question: Question, seen: Seen, cookies: dict[str, str]) -> Question:
    location = seen.headers["location"]
    here = f"{place.scheme}://{host}{place.prefix}{question.target}"
    there = urlsplit(urljoin(here, location))
    ours = {(place.scheme, host.lower()), (place.scheme, place.authority.lower())}
    if (there.scheme, there.netloc.lower()) not in ours:
        raise NoAnswer(f"{seen.status} to {location}: another place, not followed")
    target = there.path + (f"?{there.query}" if there.query else "")
    if not target.startswith(f"{place.prefix}/"):
        raise NoAnswer(f"{seen.status} to {location}: outside of {place.prefix}, not followed")
    as_get = seen.status == 303 or (seen.status in (301, 302) and question.method == "POST")
    headers = _without(question.headers, lambda name: as_get and name == "content-type")
    for cookie in seen.cookies:
        name, _, value = cookie.partition(";")[0].partition("=")
        cookies[name.strip()] = value.strip()
    if cookies:
        headers = _without(headers, lambda name: name == "cookie")
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return msgspec.structs.replace(
        question,
        method="GET" if as_get and question.method != "HEAD" else question.method,
        target=target_of(target.removeprefix(place.prefix)),
        headers=headers,
        body=None if as_get else question.body,
    )


def _over(headers: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    return {**_without(headers, lambda each: each == name.lower()), name: value}


def _without(headers: Mapping[str, str], drop: Callable[[str], bool]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not drop(name.lower())}


def deadline_of(timeout: float) -> float:
    """Return when a try that may take ``timeout`` seconds has to be over, in monotonic seconds."""
    return time.monotonic() + timeout
