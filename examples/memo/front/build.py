"""Build the user interface: ``python build.py SITE DIST`` names scripts and styles by their content.

What a bundler does, without one: the page then names files that never change, and is itself asked for at each visit.
"""

import hashlib
import shutil
import sys
from pathlib import Path


def build(site: Path, dist: Path) -> None:
    """Copy a site, its assets under names with a piece of their digest, and let the page name them."""
    shutil.rmtree(dist, ignore_errors=True)
    (dist / "assets").mkdir(parents=True)
    page = (site / "index.html").read_text("utf-8")
    for asset in sorted(site.glob("assets/*")):
        content = asset.read_bytes()
        name = f"{asset.stem}.{hashlib.sha256(content).hexdigest()[:12]}{asset.suffix}"
        (dist / "assets" / name).write_bytes(content)
        page = page.replace(f"/assets/{asset.name}", f"/assets/{name}")
    (dist / "index.html").write_text(page, "utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
