"""Compiled files: the same source, the same bytes."""

import marshal
import os
import subprocess
import sys
from pathlib import Path

from lading.build import bytecode
from lading.build.compiling import CompileCache, compile_files, compiled_name
from lading.build.entries import Tree, from_bytes

SOURCE = b"""
import os
NAMES = {"alpha", "beta", "gamma"}
def join(*parts):
    if parts[0] in {"path", "sep", "very_unusual_name"}:
        return very_unusual_name
    return os.path.join(*parts), lambda very_unusual_name: (1, 2.5, b"x", "sep", very_unusual_name)
very_unusual_name = None
"""


def test_the_bytes_do_not_depend_on_what_was_compiled_before() -> None:
    """A file compiled alone and after others, in any process, gives the same bytes."""
    alone = bytecode.compiled(SOURCE, "app/x.py")
    # Names that something else holds are marshalled differently by default.
    held = [sys.intern(word) for word in ("very_unusual_name", "NAMES", "parts", "join")]
    code = "import sys; from lading.build import bytecode; sys.stdout.buffer.write(bytecode.compiled(%r, 'app/x.py'))"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code % SOURCE],
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        assert done.stdout == alone
    assert bytecode.compiled(SOURCE, "app/x.py") == alone
    assert held


def test_a_compiled_file_is_never_checked_against_its_source() -> None:
    """The flags say unchecked hash, and the code is that of the source."""
    body = bytecode.compiled(b"value = 6 * 7\n", "app/x.py")
    assert int.from_bytes(body[4:8], "little") == bytecode.UNCHECKED_HASH
    space: dict[str, object] = {}
    exec(marshal.loads(body[16:]), space)
    assert space["value"] == 42


def test_a_file_that_does_not_compile_is_reported_and_left_out(tmp_path: Path) -> None:
    """A template or an old-style file does not stop a build."""
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "bad.py").write_text("print 'x'\n")
    failures = compile_files([(tmp_path / name, name) for name in ("good.py", "bad.py")])
    assert [name for name, _ in failures] == ["bad.py"]
    assert [path.name for path in (tmp_path / "__pycache__").iterdir()] == [Path(compiled_name("good.py")).name]


def test_only_what_changed_is_compiled_again(tmp_path: Path) -> None:
    """The cache knows files by name and content, gives the same bytes as compiling, and forgets what is gone."""
    tree: Tree = {"a.py": from_bytes(b"a = 1\n"), "b/c.py": from_bytes(b"c = 1\n"), "bad.py": from_bytes(b"(")}
    first, failures = CompileCache(tmp_path / "cache").compile(tree, tmp_path)
    assert set(first) == {compiled_name("a.py"), compiled_name("b/c.py")}
    assert [name for name, _ in failures] == ["bad.py"]
    assert first[compiled_name("a.py")].read() == bytecode.compiled(b"a = 1\n", "a.py")
    changed = {"a.py": from_bytes(b"a = 2\n"), "b/c.py": tree["b/c.py"]}
    second, _ = CompileCache(tmp_path / "cache").compile(changed, tmp_path)
    assert second[compiled_name("a.py")].read() == bytecode.compiled(b"a = 2\n", "a.py")
    assert second[compiled_name("b/c.py")].read() == first[compiled_name("b/c.py")].read()


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    """A cache is a cache: without it the result is the same."""
    (tmp_path / "cache").write_bytes(b"\xc1 damaged")
    compiled, _ = CompileCache(tmp_path / "cache").compile({"a.py": from_bytes(b"a = 1\n")}, tmp_path)
    assert compiled[compiled_name("a.py")].read() == bytecode.compiled(b"a = 1\n", "a.py")
