"""Certificates of environments: files of the host, taken in when they change and are whole; and what ACME obtained.

Traefik does not look at a certificate's file again. So what is taken in lies below ``certs/`` by its content's digest,
and a file that changes becomes a change of routes, confirmed like any other. One that does not fit is left alone: what
was taken in before stays in force, and the trouble is told.
"""

import base64
import contextlib
import hashlib
import json
import logging
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from lading.model.certificates import CertificateState
from lading.model.environment import Routes, RouteTls
from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.router.rules import refusal
from lading.router.certificate import MAKING, program_environment
from lading.router.identity import read_json, write_whole

log = logging.getLogger(__name__)

ASK_AGAIN = 20 * 60.0  # seconds
PEM_END = b"-----END CERTIFICATE-----"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate as it was taken in: its digest, its last second (since the epoch), the names it is for."""

    digest: str
    not_after: float
    names: tuple[str, ...]


class Certificates:
    """The certificates of one router's root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._place = root / "certs"
        self._seen: dict[str, tuple[object, Taken]] = {}
        self._troubles: dict[str, str] = {}

    def keep(self, environment: str, name: str, content: Secret) -> str:
        """Write a secret down for the router's user alone and return the file."""
        data = content.reveal().encode()
        digest = hashlib.sha256(data).hexdigest()[:32]
        file = self._root / "given" / f"{environment.replace('/', '~')}-{name}-{digest}.pem"
        if not file.exists():
            _write_private(file, data)
        return str(file)

    def take(self, routes: Routes) -> Taken:
        """Take in the certificate of an environment as its files are now; raise ``router-failed`` for a bad one."""
        tls, key = routes.edge.tls, routes.environment
        assert tls is not None
        try:
            stamp = _stamp(tls)
            known = self._seen.get(key)
            if known is not None and known[0] == stamp:
                return known[1]
            chain, private = Path(tls.certificate).read_bytes(), Path(tls.key).read_bytes()
        except OSError as error:
            raise refusal(key, f"its certificate cannot be read: {error.filename}: {error.strerror}") from error
        taken = self._take_in(key, chain, private)
        if not any(_covers(name, routes.domain or "") for name in taken.names):
            raise refusal(key, f"its certificate is for {', '.join(taken.names) or 'no name'}, not {routes.domain}")
        if taken.not_after < time.time():
            raise refusal(key, f"its certificate ended {time.strftime('%Y-%m-%d', time.gmtime(taken.not_after))}")
        self._seen[key] = (stamp, taken)
        self._remember(key, taken)
        return taken

    def current(self, several: Iterable[Routes]) -> dict[str, tuple[str, str]]:
        """Return, by environment, the files of the certificates to serve: those of now, else the last that fitted."""
        found = {}
        for routes in several:
            if routes.edge.tls is None or routes.edge.tls.acme:
                continue
            key = routes.environment
            try:
                digest = self.take(routes).digest
                self._troubles.pop(key, None)
            except LadingError as error:
                if self._troubles.get(key) != error.happened:
                    log.warning("%s: %s; the one before stays", key, error.happened)
                self._troubles[key] = error.happened
                digest = read_json(self._note(key)).get("digest", "")
            if digest:
                found[key] = (str(self._place / f"{digest}.crt"), str(self._place / f"{digest}.key"))
        return found

    def trust(self, routes: Routes) -> str:
        """Return the file with the very certificates that are shown for an environment, empty while there is none."""
        tls = routes.edge.tls
        if tls is None:
            return ""
        if tls.acme:
            chain = self._obtained(routes)
            if chain:
                self._add_trust(routes.environment, chain)
        file = self._trust_of(routes.environment)
        return str(file) if file.exists() else ""

    def asking(self, several: Iterable[Routes]) -> int:
        """Return the number of the try at certificates that ACME has not obtained yet, 0 where none is missing.

        The router itself asks again only when its routes change; servers allow few failed tries an hour.
        """
        waits = any(one.edge.tls is not None and one.edge.tls.acme and not self._obtained(one) for one in several)
        return int(time.time() // ASK_AGAIN) if waits else 0

    def states(self, several: Iterable[Routes]) -> dict[str, CertificateState]:
        """Return what is known of every environment's certificate."""
        return {routes.environment: self._state(routes) for routes in several if routes.edge.tls is not None}

    def sweep(self, several: Iterable[Routes]) -> None:
        """Remove what no environment names any more."""
        kept = {digest for note in self._place.glob("*.json") for digest in read_json(note).get("kept", [])}
        named = {file for routes in several if (tls := routes.edge.tls) for file in (tls.certificate, tls.key)}
        for file in [*self._place.glob("*.crt"), *self._place.glob("*.key")]:
            if file.stem not in kept:
                file.unlink(missing_ok=True)
        for file in (self._root / "given").glob("*.pem"):
            if str(file) not in named and time.time() - file.stat().st_mtime > MAKING:
                file.unlink(missing_ok=True)

    # inside

    def _state(self, routes: Routes) -> CertificateState:
        key, tls = routes.environment, routes.edge.tls
        assert tls is not None
        if not tls.acme:
            note = read_json(self._note(key))
            return CertificateState(
                source=tls.certificate, not_after=note.get("not_after"), trouble=self._troubles.get(key, "")
            )
        chain = self._obtained(routes)
        if not chain:
            return CertificateState(source="ACME", trouble="none was obtained yet; see traefik.log")
        taken = self._described(chain)
        return CertificateState(source="ACME", not_after=taken.not_after)

    def _take_in(self, key: str, chain: bytes, private: bytes) -> Taken:
        digest = hashlib.sha256(chain + b"\0" + private).hexdigest()[:32]
        crt, pem = self._place / f"{digest}.crt", self._place / f"{digest}.key"
        _write_private(crt, chain)
        _write_private(pem, private)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(crt, pem, password="")
            taken = msgspec.structs.replace(self._described(chain), digest=digest)
        except (ssl.SSLError, ValueError, OSError) as error:
            for file in (crt, pem):
                file.unlink(missing_ok=True)
            reason = getattr(error, "reason", "") or str(error)
            raise refusal(key, f"its certificate and key are not usable together: {reason}") from error
        self._add_trust(key, chain)
        return taken

    def _described(self, chain: bytes) -> Taken:
        digest = hashlib.sha256(chain).hexdigest()[:32]
        note = self._place / f"about-{digest}.json"
        if not note.exists():
            said = _describe(chain)
            self._place.mkdir(mode=0o700, exist_ok=True)
            write_whole(note, json.dumps({**said, "kept": []}).encode())
        about = read_json(note)
        return Taken(digest=digest, not_after=about["not_after"], names=tuple(about["names"]))

    def _obtained(self, routes: Routes) -> bytes:
        """Return the chain that Traefik obtained for an environment's domain, empty when it has none yet."""
        for resolver in read_json(self._root / "acme.json").values():
            for one in (resolver or {}).get("Certificates") or []:
                domain = one.get("domain", {})
                if routes.domain in (domain.get("main"), *(domain.get("sans") or [])):
                    with contextlib.suppress(ValueError):
                        return base64.b64decode(one["certificate"])
        return b""

    def _remember(self, key: str, taken: Taken) -> None:
        before = read_json(self._note(key))
        kept = list(dict.fromkeys((taken.digest, before.get("digest", taken.digest))))
        write_whole(self._note(key), json.dumps({**msgspec.to_builtins(taken), "kept": kept}).encode())

    def _add_trust(self, key: str, chain: bytes) -> None:
        """Trust the certificate that is shown now, and the one before, which a router may show a moment longer."""
        leaf = chain.partition(PEM_END)[0] + PEM_END + b"\n"
        file = self._trust_of(key)
        before = file.read_bytes() if file.exists() else b""
        if before.startswith(leaf):
            return
        earlier = before.partition(PEM_END)[0]
        _write_private(file, leaf + (earlier + PEM_END + b"\n" if earlier else b""))

    def _note(self, key: str) -> Path:
        return self._place / f"{key.replace('/', '~')}.json"

    def _trust_of(self, key: str) -> Path:
        return self._place / f"{key.replace('/', '~')}.trust"


def _stamp(tls: RouteTls) -> object:
    found = [Path(file).stat() for file in (tls.certificate, tls.key)]
    return (tls.certificate, tls.key, *((one.st_mtime_ns, one.st_ino, one.st_size) for one in found))


def _covers(name: str, domain: str) -> bool:
    """Tell whether a certificate's name is that of a domain; a star stands for one label."""
    return name == domain or (name.startswith("*.") and domain.partition(".")[2] == name[2:] and "." in domain)


def _write_private(file: Path, data: bytes) -> None:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    # The directory is closed to others before anything is in it.
    write_whole(file, data)
    file.chmod(0o600)


def _describe(chain: bytes) -> dict[str, object]:
    """Ask a program of its own what a certificate says: the libraries that read it would stay in the agent's memory."""
    words = [sys.executable, "-m", "lading.router.certificate", "--describe"]
    try:
        done = subprocess.run(
            words, input=chain, env=program_environment(), cwd="/", capture_output=True, timeout=MAKING, check=False
        )
        said: dict[str, object] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        raise ValueError("it is no certificate in PEM form") from error
    return said
