"""Compile Python files so that the same source gives the same bytes; run as a program of its own.

Reads a JSON list of [path, name] from stdin, writes ``__pycache__/….pyc`` beside each path and prints a JSON list of
[name, why] for those that do not compile. A program of its own, so that compiling costs the agent no memory.
"""

import importlib.util
import json
import marshal
import struct
import sys
from pathlib import Path
from types import CodeType
from typing import Any

# Never checked against the source: layers do not change, and the check costs a stat a module at every start.
UNCHECKED_HASH = 1


def held(value: Any) -> list[Any]:
    """Return every object a code object marshals to.

    marshal marks an object as "may be referred to" when anything else holds it, so its output depends on what the
    process did before. While this list is alive, every object is held, whatever happened before.
    """
    found = [value]
    if isinstance(value, tuple | frozenset):
        for item in value:
            found += held(item)
    elif isinstance(value, CodeType):
        names = (value.co_names, value.co_varnames, value.co_cellvars, value.co_freevars)
        for part in (value.co_name, value.co_qualname, value.co_filename, value.co_consts, *names):
            found += held(part)
    return found


def compiled(source: bytes, name: str) -> bytes:
    """Return the content of the .pyc file; ``name`` stands as file name until it is loaded.

    SyntaxError or ValueError when the source does not compile.
    """
    # Interned or not is marshalled too; the compiler interns every other name itself.
    code = compile(source, sys.intern(name), "exec", dont_inherit=True, optimize=0)
    keep = held(code)
    body = marshal.dumps(code)
    del keep
    return importlib.util.MAGIC_NUMBER + struct.pack("<I", UNCHECKED_HASH) + importlib.util.source_hash(source) + body


def main() -> None:
    """Compile what stdin lists."""
    failed: list[tuple[str, str]] = []
    for path, name in json.load(sys.stdin):
        try:
            body = compiled(Path(path).read_bytes(), name)
        except (SyntaxError, ValueError, RecursionError) as error:
            failed.append((name, str(error)))
            continue
        target = Path(importlib.util.cache_from_source(path, optimization=""))
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(body)
    json.dump(failed, sys.stdout)


if __name__ == "__main__":
    main()
