"""Build the user interface: ``python build.py UI DIST``, with ``VITE_API_BASE`` in the environment.

It does what Vite would with this page: ``%VITE_…%`` in it is filled in, scripts and styles are named by their content,
and what the page does not name is left out. There is no framework in it, so it needs no Node.
"""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path


def build(ui: Path, dist: Path) -> None:
    """Write the page and the assets that it names."""
    shutil.rmtree(dist, ignore_errors=True)
    (dist / "assets").mkdir(parents=True)
    page = (ui / "index.html").read_text("utf-8")
    page = re.sub(r"%(VITE_[A-Z_]+)%", lambda found: os.environ.get(found[1], "/api"), page)
    for path in sorted(set(re.findall(r'"(/src/[^"]+)"', page))):
        source = ui / path.lstrip("/")
        content = source.read_bytes()
        name = f"/assets/{source.stem}-{hashlib.sha256(content).hexdigest()[:8]}{source.suffix}"
        (dist / name.lstrip("/")).write_bytes(content)
        page = page.replace(f'"{path}"', f'"{name}"')
    (dist / "index.html").write_text(page, "utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
