"""Archives, wheels and projects that the build's tests are made of."""

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from lading.build.bundle import build_release
from lading.build.store import OciStore
from lading.model.manifest import Build, Manifest, Project, Service
from lading.model.release import Release
from lading.model.secret import Secret

Member = tuple[tarfile.TarInfo, bytes]


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644
) -> Member:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    info.mode = mode
    info.size = len(content)
    return info, content


def archive(members: Iterable[Member]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return buffer.getvalue()


def source_archive(path: Path, files: dict[str, str | bytes], mtime: int = 0) -> Path:
    members = []
    for name, content in files.items():
        made = member(name, content.encode() if isinstance(content, str) else content)
        made[0].mtime = mtime
        members.append(made)
    path.write_bytes(archive(members))
    return path


def wheel(directory: Path, name: str = "greet", version: str = "1.0") -> str:
    """Make a small wheel with a console script of its own name; return the requirement that pins it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"def main():\n    print('hello from {name} {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    lines = [f"{path},{_record_hash(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as packed:
        for inside, text in files.items():
            packed.writestr(zipfile.ZipInfo(inside, (2020, 1, 1, 0, 0, 0)), text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def _record_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Yard:
    """A store and a cache to build in, and what was reported."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = OciStore(home / "store", young=-1.0)
        self.reported: list[str] = []
        self.overheard: list[tuple[str, str]] = []

    def _report(self, text: str, line: str | None = None) -> None:
        if line is None:
            self.reported.append(text)
        else:
            self.overheard.append((text, line))

    def build(
        self,
        files: dict[str, str | bytes],
        *,
        build: Build | None = None,
        version: str = "v1.0.0",
        secrets: tuple[str, ...] = (),
        mtime: int = 0,
        services: dict[str, Service] | None = None,
    ) -> Release:
        manifest = Manifest(
            project=Project(name="shop"),
            build={"app": build or Build(bundle="requirements.txt")},
            services=services or {"web": Service(build="app", command="greet", port=8000)},
        )
        return build_release(
            source=source_archive(self.home / "source.tar", files, mtime),
            manifest=manifest,
            version=version,
            commit="0123abc",
            created=1_700_000_000.0,
            store=self.store,
            cache=self.home / "cache",
            secrets=[Secret(value) for value in secrets],
            report=self._report,
        )
