"""Objects in whatever speaks S3 (AWS, MinIO, Ceph, R2, Garage, …), by way of obstore.

Of the libraries that sign such requests, obstore is one wheel of 15 MB without dependencies and adds 12 MB to an agent
that uses it; boto3 is 33 MB in six packages and adds 42 MB, minio adds 28 MB and brings a second cryptography. It is
loaded when a store is first asked. Every request carries the sha256 of its body, signed, so a store refuses what came
otherwise; afterwards the store's own digest is held against what was read.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from lading.ports.objects import Opened, Stored
from lading.ports.objects.refusals import RIGHTS, failed, missing, taken

_T = TypeVar("_T")

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Credential, S3Store

# Bytes of a part: the smallest that stores take, and one at a time, as every part under way takes memory of the agent.
PART: Final = 5 << 20
MOST_PARTS: Final = 9_000  # of one object; stores take 10,000
PIECE: Final = 4 << 20  # bytes that are got at a time
CONNECT: Final = timedelta(seconds=10)
REQUEST: Final = timedelta(minutes=2)  # one part, over a slow line; who never answers holds up no longer
LOOK: Final = timedelta(seconds=5)  # a store that answers, answers by then
RETRIES: Final = 3  # of one request, at once; whoever asked tries again later
PATIENCE: Final = timedelta(minutes=2)  # from a request's first try to its last one


class S3Objects:
    """Speak to stores, each request by its own; ``part`` are the bytes of a part."""

    def __init__(self, part: int = PART) -> None:
        self._part = part

    def look(self, at: Opened) -> None:
        """List what is below the prefix, as far as the store's first answer goes."""
        import obstore

        client = _client(at, connect=LOOK, request=LOOK, retries=0)
        below = at.store.key() or None
        _asked(at, f"looking at {at.store.store}", lambda: next(iter(obstore.list(client, below, chunk_size=1)), None))

    def put(self, at: Opened, key: str, size: int, read: Callable[[], Iterable[bytes]]) -> Stored:
        """Put what is read under a key, unless it is there, and let the store show that it holds it."""
        import obstore

        url, name, client = at.store.url(key), _name(key), _client(at)
        part = max(self._part, -(-size // MOST_PARTS))
        there = _asked(at, f"putting {url}", lambda: _look(client, name))
        passing = _Passing(read(), part if size > part else 0)
        if there is not None:
            for _ in passing:
                pass
            if not self._holds(at, client, key, there, passing):
                raise taken(url)
            return passing.stored
        if size > part:
            _asked(
                at,
                f"putting {url}",
                lambda: obstore.put(client, name, passing, chunk_size=part, max_concurrency=1),
            )
        else:
            content = b"".join(passing)
            _asked(at, f"putting {url}", lambda: obstore.put(client, name, content, use_multipart=False))
        there = _asked(at, f"looking at {url}", lambda: _look(client, name))
        if there is None or not self._holds(at, client, key, there, passing):
            raise failed(
                f"putting {url}",
                "the store took it, and what it holds now is something else",
                "look at it in the store, and remove it there; it is sent again then",
            )
        return passing.stored

    def get(self, at: Opened, key: str) -> tuple[int, Iterator[bytes]]:
        """Return an object's size and bytes, got piece by piece."""
        url, name, client = at.store.url(key), _name(key), _client(at)
        there = _asked(at, f"getting {url}", lambda: _look(client, name))
        if there is None:
            raise missing(url)
        return there["size"], self._pieces(at, client, key, there["size"])

    def _pieces(self, at: Opened, client: "S3Store", key: str, size: int) -> Iterator[bytes]:
        import obstore

        name = _name(key)
        for start in range(0, size, PIECE):
            length = min(PIECE, size - start)

            def get(start: int = start, length: int = length) -> bytes:
                return bytes(obstore.get_range(client, name, start=start, length=length))

            yield _asked(at, f"getting {at.store.url(key)}", get)

    def _holds(self, at: Opened, client: "S3Store", key: str, there: "ObjectMeta", passing: "_Passing") -> bool:
        """Tell whether an object is what was read: by its tag or, where that is no usual digest, by its bytes."""
        if there["size"] != passing.stored.size:
            return False
        if (there["e_tag"] or "").strip('"') == passing.tag:
            return True
        digest = hashlib.sha256()
        for piece in self._pieces(at, client, key, there["size"]):
            digest.update(piece)
        return digest.hexdigest() == passing.stored.sha256


class _Passing:
    """Pass pieces on, and sum them up as stores do: md5 of the whole or, in parts, md5 of the md5 of each part."""

    def __init__(self, pieces: Iterable[bytes], part: int) -> None:
        self._pieces = pieces
        self._part = part
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = _md5()
        self._parts: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._add(piece)
            yield piece

    def _add(self, piece: bytes) -> None:
        self._sha256.update(piece)
        while self._part and self._size % self._part + len(piece) >= self._part:
            left = self._part - self._size % self._part
            self._md5.update(piece[:left])
            self._size += left
            piece = piece[left:]
            self._parts.append(self._md5.digest())
            self._md5 = _md5()
        self._md5.update(piece)
        self._size += len(piece)

    @property
    def stored(self) -> Stored:
        """What was passed on so far."""
        return Stored(self._size, self._sha256.hexdigest())

    @property
    def tag(self) -> str:
        """The tag that stores give to it, if they give the usual one."""
        if not self._part:
            return str(self._md5.hexdigest())
        rest = [self._md5.digest()] if self._size % self._part else []
        return f"{_md5(b''.join((*self._parts, *rest))).hexdigest()}-{len(self._parts) + len(rest)}"


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)


def _name(key: str) -> str:
    """Return a key without the characters that no store takes; the sign that stands for them is replaced too."""
    return "".join(quote(one) if one < " " or one in "%\x7f" else one for one in key)


def _client(
    at: Opened, *, connect: timedelta = CONNECT, request: timedelta = REQUEST, retries: int = RETRIES
) -> "S3Store":
    from obstore.store import S3Store

    store = at.store
    endpoint = (store.endpoint or f"https://s3.{store.region}.amazonaws.com").rstrip("/")

    def credentials() -> "S3Credential":
        return {
            "access_key_id": at.access.reveal(),
            "secret_access_key": at.secret.reveal(),
            "token": None,
            "expires_at": None,
        }

    # All that the variables AWS_… of the agent could turn otherwise is said: they are meant for somebody else.
    return S3Store(
        store.bucket,
        endpoint=endpoint,
        region=store.region,
        credential_provider=credentials,
        skip_signature=False,
        unsigned_payload=False,
        virtual_hosted_style_request=False,
        client_options={"allow_http": endpoint.startswith("http://"), "connect_timeout": connect, "timeout": request},
        retry_config={"max_retries": retries, "retry_timeout": PATIENCE},
    )


def _look(client: "S3Store", name: str) -> "ObjectMeta | None":
    import obstore

    try:
        return obstore.head(client, name)
    except FileNotFoundError:
        return None


def _asked(at: Opened, doing: str, ask: Callable[[], _T]) -> _T:
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        return ask()
    except (PermissionDeniedError, UnauthenticatedError) as error:
        named = f"{at.store.access_key} and {at.store.secret_key}"
        raise failed(doing, _why(str(error)), f"look at the secrets {named}: {RIGHTS}") from error
    except (BaseError, FileNotFoundError) as error:
        where = at.store.endpoint or f"AWS in {at.store.region}"
        raise failed(doing, f"{where}: {_why(str(error))}", "see that bucket and endpoint are right") from error


def _why(told: str) -> str:
    """Return what a store said, or what kept it from being asked, in one line."""
    said = dict(re.findall(r"<(Code|Message)>([^<]*)</", told))
    if said:
        return f"{said.get('Message', 'refused')} ({said.get('Code', 'no code')})"
    status = re.search(r"status code: (\d+[A-Za-z ]*)", told)
    if status is not None:
        return f"it answered {status[1].strip()}"
    if "InvalidCertificate" in told:
        reason = re.search(r"InvalidCertificate\(\s*(\w+)", told)
        return f"this host does not trust its certificate ({reason[1] if reason else 'it is invalid'})"
    deepest = re.findall(r'(?:message|error): "([^"]+)"', told) or re.findall(r"\b([A-Z]\w+)\(\s*(\w+),?\s*\)", told)
    if deepest:
        last = deepest[-1]
        return f"it cannot be reached: {last if isinstance(last, str) else last[1]}"
    return told.partition("\n")[0]
