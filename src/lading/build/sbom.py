"""The bill of materials of a built environment: CycloneDX, made from what is installed."""

import email.parser
import json
import re
from collections.abc import Collection
from typing import Any

from lading.build.entries import Tree
from lading.build.pins import Pin

MEDIA_TYPE = "application/vnd.cyclonedx+json"
ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
METADATA = re.compile(r".*/site-packages/[^/]+\.dist-info/METADATA")


def bill_of_materials(tree: Tree, pins: Collection[Pin]) -> bytes:
    """Return the CycloneDX document of an environment, the same bytes for the same packages.

    Each component has its package URL and, from the lock, the hashes one of which its file had.
    """
    hashes = {normalized(pin.name): pin.hashes for pin in pins}
    installed = sorted(_installed(tree))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [_component(name, version, hashes.get(name, ())) for name, version in installed],
    }
    return json.dumps(document, indent=1, sort_keys=True).encode()


def normalized(name: str) -> str:
    """Return a package's name as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(tree: Tree) -> set[tuple[str, str]]:
    found = set()
    for name, entry in tree.items():
        if METADATA.fullmatch(name):
            headers = email.parser.BytesParser().parsebytes(entry.read(), headersonly=True)
            found.add((normalized(str(headers["Name"])), str(headers["Version"])))
    return found


def _component(name: str, version: str, hashes: Collection[str]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
    }
    listed = [value.partition(":") for value in sorted(hashes)]
    known = [{"alg": ALGORITHMS[kind], "content": content} for kind, _, content in listed if kind in ALGORITHMS]
    return component | ({"hashes": known} if known else {})
