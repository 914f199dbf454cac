"""A repository in a registry of images, as the OCI distribution interface gives it: blobs and manifests by digest."""

import base64
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlencode, urljoin

from lading.model.errors import LadingError
from lading.model.secret import Secret

CALL = 120.0  # seconds without a byte from the registry
PIECE = 1 << 20  # bytes
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LOCAL = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?")  # spoken to without TLS, as Docker does
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
NO_TLS = "no login was sent: let the registry name an https:// address for its tokens, or use another registry"
CERTIFICATES = Path("/etc/docker/certs.d")
HUB, HUB_REGISTRY = "docker.io", "registry-1.docker.io"


class Login(NamedTuple):
    """Who logs in at a registry."""

    user: str
    password: Secret


# Gives the login for a registry's host, None where there is none.
Logins = Callable[[str], Login | None]


class Registry:
    """One repository, such as ``registry.example.org/team/shop``. Errors are ``registry-failed``."""

    def __init__(self, repository: str, logins: Logins) -> None:
        self.repository = repository
        self.host, _, self._path = repository.partition("/")
        self._logins = logins
        scheme = "http" if LOCAL.fullmatch(self.host) else "https"
        self._base = f"{scheme}://{HUB_REGISTRY if self.host == HUB else self.host}/v2/{self._path}/"
        self._authorization = ""

    def has(self, digest: str) -> bool:
        """Tell whether a blob is there."""
        try:
            with self._call("HEAD", f"blobs/{digest}", doing=f"looking for {digest[:19]}"):
                return True
        except _Missing:
            return False

    def pull(self, digest: str) -> Iterator[bytes]:
        """Yield the bytes of a blob; whoever stores them holds them against the digest."""
        doing = f"pulling {digest[:19]}"
        with self._call("GET", f"blobs/{digest}", doing=doing) as answer:
            while piece := self._read(answer, doing):
                yield piece

    def push(self, digest: str, size: int, content: BinaryIO) -> None:
        """Upload a blob in one go; it appears under its digest or not at all."""
        doing = f"pushing {digest[:19]}"
        with self._call("POST", "blobs/uploads/", doing=doing) as answer:
            place = urljoin(answer.url, answer.headers.get("Location", ""))
        joined = "&" if "?" in place else "?"
        url = f"{place}{joined}{urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with self._call("PUT", url, content, headers, doing=doing):
            return

    def put_manifest(self, reference: str, content: bytes) -> None:
        """Store a manifest under a tag or its digest; its blobs must be there."""
        with self._call("PUT", f"manifests/{reference}", content, {"Content-Type": MANIFEST}, doing="naming the image"):
            return

    def _read(self, answer: HTTPResponse, doing: str) -> bytes:
        try:
            return answer.read(PIECE)
        except (OSError, HTTPException) as error:
            raise self._failed(doing, f"it broke off: {error}") from error

    @contextmanager
    def _call(
        self, method: str, place: str, body: Any = None, headers: dict[str, str] | None = None, *, doing: str
    ) -> Iterator[HTTPResponse]:
        """Ask once, and once more after logging in where the registry demands that."""
        url = urljoin(self._base, place)
        for last in (False, True):
            try:
                answer = self._open(method, url, body, headers or {})
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 401 and not last:
                        self._log_in(error.headers.get("WWW-Authenticate", ""), doing)
                        if hasattr(body, "seek"):
                            body.seek(0)
                        continue
                    if error.code == 404:
                        raise _Missing(self, doing) from error
                    raise self._failed(doing, _said(error)) from error
            except (OSError, HTTPException) as error:
                raise self._failed(doing, str(getattr(error, "reason", error) or type(error).__name__)) from error
            with answer:
                yield answer
            return

    def _open(self, method: str, url: str, body: Any, headers: dict[str, str]) -> HTTPResponse:
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        if self._authorization and url.startswith(self._base[: self._base.index("/v2/") + 1]):
            # Never sent on to where the registry keeps its blobs.
            request.add_unredirected_header("Authorization", self._authorization)
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=CALL, context=_trusted(self.host))
        return answer

    def _log_in(self, challenge: str, doing: str) -> None:
        login = self._logins(self.host)
        basic = ""
        if login is not None:
            pair = f"{login.user}:{login.password.reveal()}".encode()
            basic = f"Basic {base64.b64encode(pair).decode()}"
        asked = dict(CHALLENGE.findall(challenge))
        if not challenge.lower().startswith("bearer") or "realm" not in asked:
            if not basic:
                raise self._failed(doing, "it wants a login, and there is none for it here")
            self._authorization = basic
            return
        realm = asked["realm"]
        if not realm.startswith(("https://", "http://") if LOCAL.fullmatch(self.host) else "https://"):
            raise self._failed(doing, f"it wants its login sent elsewhere than by https, to {realm}", hint=NO_TLS)
        query = {"service": asked.get("service", ""), "scope": f"repository:{self._path}:pull,push"}
        request = urllib.request.Request(f"{realm}?{urlencode(query)}")
        if basic:
            request.add_unredirected_header("Authorization", basic)
        try:
            with urllib.request.urlopen(request, timeout=CALL, context=_trusted(self.host)) as answer:
                said = json.load(answer)
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise self._failed(doing, f"its login was refused: {error}") from error
        self._authorization = f"Bearer {said.get('token') or said.get('access_token')}"

    def _failed(self, doing: str, happened: str, *, hint: str = "") -> LadingError:
        return LadingError(
            "registry-failed",
            doing=f"{doing} at {self.repository}",
            happened=happened,
            now="nothing was deployed; what serves goes on serving",
            hint=hint
            or f"docker login {self.host}, as the agent's user on the agent's machine; then the same command again",
        )


class _Missing(LadingError):
    """What was asked for is not there."""

    def __init__(self, registry: Registry, doing: str) -> None:
        super().__init__(
            "registry-failed",
            doing=f"{doing} at {registry.repository}",
            happened="the registry does not have it",
            now="nothing was deployed; what serves goes on serving",
            hint="see that the repository's name is right, and that this login may read and write there",
        )


def _said(error: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(error.read(4096))["errors"][0]
        return f"{told.get('message') or told.get('code')} ({error.code})"
    except (OSError, HTTPException, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return f"it answered {error.code} {error.reason}"


def _trusted(host: str) -> ssl.SSLContext | None:
    """Return what certificates are held against: the system's, and those that Docker is told to take for a host."""
    if LOCAL.fullmatch(host):
        return None
    context = ssl.create_default_context()
    for file in sorted((CERTIFICATES / host).glob("*.crt")):
        context.load_verify_locations(file)
    return context
