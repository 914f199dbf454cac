"""The Secrets port on disk: one age-encrypted file an environment, readable with the agent's own identity."""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from lading.model import typed
from lading.model.errors import LadingError
from lading.model.secret import Secret

LOCK_TIMEOUT: Final = 10.0  # seconds to wait for another writer
LOCK_POLL: Final = 0.01  # seconds between two tries for the lock
PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

Histories = dict[str, list[str]]


class _File(msgspec.Struct, frozen=True):
    """What stands in one environment's file: every name with all its values, oldest first."""

    format: int
    secrets: Histories


class AgeSecrets:
    """Keep secrets below ``root``: ``environments/PROJECT/NAME.age`` and the identity in ``keys/age.key`` (0600).

    Files are replaced whole and are on disk when :meth:`put` returns; writers of several processes take turns. The
    identity is made at the first write. Errors are ``secret-missing``, ``secrets-unusable``, ``no-space``, ``busy``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._identity_file = root / "keys" / "age.key"
        self._files = root / "environments"

    def __repr__(self) -> str:
        return f"AgeSecrets({str(self._root)!r})"

    def versions(self, environment: str) -> Mapping[str, int]:
        """Return the current version of every secret that is there and not empty."""
        histories = self._read(environment)
        return {name: len(values) for name, values in sorted(histories.items()) if values[-1]}

    def get(self, environment: str, name: str, version: int) -> Secret:
        """Return one version of a secret; raise ``secret-missing`` when it is not there or empty."""
        values = self._read(environment).get(name, [])
        if 1 <= version <= len(values) and values[version - 1]:
            return Secret(values[version - 1])
        raise LadingError(
            "secret-missing",
            doing=f"reading secret {name} of {environment}",
            happened=f"version {version} is not there or empty",
            hint=f"lading secrets set {environment.rpartition('/')[2]} {name}",
        )

    def put(self, environment: str, values: Mapping[str, Secret]) -> Mapping[str, int]:
        """Store new values and return their versions; an unchanged value keeps its version."""
        path = self._path(environment)
        with _writing(environment), self._locked(environment):
            histories = self._read(environment)
            changed = False
            for name, value in values.items():
                history = histories.setdefault(name, [])
                if not history or history[-1] != value.reveal():
                    history.append(value.reveal())
                    changed = True
            if changed:
                _replace(path, self._encrypt(_File(format=1, secrets=histories)))
            return {name: len(histories[name]) for name in values}

    def all_values(self) -> Mapping[str, Secret]:
        """Return every known value as ``project/environment/name@version``."""
        return {
            f"{environment}/{name}@{number}": Secret(value)
            for environment in self._environments()
            for name, values in self._read(environment).items()
            for number, value in enumerate(values, 1)
            if value
        }

    def _environments(self) -> list[str]:
        return [f"{path.parent.name}/{path.stem}" for path in sorted(self._files.glob("*/*.age"))]

    def _path(self, environment: str) -> Path:
        project, _, name = environment.partition("/")
        if PART.fullmatch(project) is None or PART.fullmatch(name) is None:
            raise LadingError(
                "unknown-environment",
                doing="looking up secrets",
                happened=f"{environment!r} is no environment; one is written project/name",
            )
        return self._files / project / f"{name}.age"

    def _read(self, environment: str) -> Histories:
        path = self._path(environment)
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unusable(f"reading the secrets of {environment}", path, error.strerror or "unreadable") from error
        return self._decrypt(environment, path, sealed)

    def _decrypt(self, environment: str, path: Path, sealed: bytes) -> Histories:
        pyrage = _age()
        doing = f"reading the secrets of {environment}"
        identity = self._identity(doing)
        try:
            plain = pyrage.decrypt(sealed, [identity])
        except pyrage.DecryptError as error:
            why = "it is damaged, or was encrypted for another agent's key"
            raise _unusable(
                doing, path, why, "restore it, or the key that it was written with, from a backup"
            ) from error
        try:
            return typed.decode(plain, _File).secrets
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # Not chained: the cause may quote what it could not decode.
            raise _unusable(doing, path, "what it holds is no list of secrets") from None

    def _encrypt(self, file: _File) -> bytes:
        pyrage = _age()
        sealed: bytes = pyrage.encrypt(msgspec.json.encode(file), [self._identity("writing secrets").to_public()])
        return sealed

    def _identity(self, doing: str) -> Any:
        pyrage = _age()
        path = self._identity_file
        if not path.exists():
            self._make_identity(doing)
        try:
            mode = path.stat().st_mode & 0o777
            if mode & 0o077:
                raise _unusable(doing, path, f"others may read it (mode {mode:04o})", f"chmod 600 {path}")
            return pyrage.x25519.Identity.from_str(path.read_text(encoding="ascii").strip())
        except (OSError, UnicodeDecodeError, pyrage.IdentityError):
            # Not chained: the cause may quote the key.
            raise _unusable(doing, path, "it holds no age identity", "restore it from a backup") from None

    def _make_identity(self, doing: str) -> None:
        pyrage = _age()
        if self._environments():
            # A new identity would hide that every secret written so far has become unreadable.
            raise _unusable(doing, self._identity_file, "it is gone, and secrets exist that only it can read")
        _replace(self._identity_file, f"{pyrage.x25519.Identity.generate()}\n".encode(), replacing=False)

    @contextlib.contextmanager
    def _locked(self, environment: str) -> Iterator[None]:
        _make_directory(self._root)
        descriptor = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor, environment)
            yield
        finally:
            # The kernel frees the lock with the descriptor: it cannot survive its holder.
            os.close(descriptor)


def _age() -> Any:
    # Imported where used: an idle agent does without.
    import pyrage  # type: ignore[import-untyped]

    return pyrage


def _lock(descriptor: int, environment: str) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise LadingError(
                    "busy",
                    doing=f"writing the secrets of {environment}",
                    happened=f"another program has been writing secrets for {LOCK_TIMEOUT:g} s",
                    now="the secrets are as they were",
                    hint="let it end, or end it, and try again",
                ) from error
            time.sleep(LOCK_POLL)
        else:
            return


@contextlib.contextmanager
def _writing(environment: str) -> Iterator[None]:
    """Turn failures of the disk into errors that say what is still true."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise LadingError(
            "no-space" if full else "secrets-unusable",
            doing=f"writing the secrets of {environment}",
            happened=f"{error.filename or 'the file'}: {error.strerror}",
            now="the secrets are as they were",
            hint="free some space on that disk" if full else "check the directory's owner",
        ) from error


def _replace(path: Path, data: bytes, *, replacing: bool = True) -> None:
    _make_directory(path.parent)
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replacing:
            os.replace(temporary, path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _make_directory(path: Path) -> None:
    # One by one: mkdir gives the parents it makes along the way the umask's mode, not this one.
    if not path.parent.exists():
        _make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def _unusable(doing: str, path: Path, why: str, hint: str = "restore it from a backup") -> LadingError:
    return LadingError(
        "secrets-unusable",
        doing=doing,
        happened=f"{path}: {why}",
        now="nothing was changed; what serves is untouched",
        hint=hint,
    )
