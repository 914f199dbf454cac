"""What a manifest may make an agent do to get a secret, and what of it is ever shown."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from lading.model.environment_table import SecretSource
from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.secrets.allowed import Allowed
from lading.secrets.sources import HostSources
from tests.support import until

STAGE = "cashback/stage"
CANARY = "canary-4711-canary"


def rule(**given: tuple[str, ...]) -> Allowed:
    return Allowed(environment=STAGE, **given)


def python(code: str, *args: str) -> SecretSource:
    return SecretSource(command=shlex.join([sys.executable, "-c", code, *args]))


def fetch(source: SecretSource, allowed: Allowed | None = None, **environ: str) -> str:
    """Return the value of a source that is allowed as it stands."""
    allowed = allowed or rule(commands=(source.place.replace("*", ""),))
    return HostSources((allowed,), {"PATH": os.defpath, **environ}).fetch(STAGE, {"KEY": source})["KEY"].reveal()


def refusal(source: SecretSource, allowed: Allowed | None = None, **environ: str) -> str:
    with pytest.raises(LadingError) as caught:
        fetch(source, allowed, **environ)
    assert caught.value.code == "secret-source"
    return str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "command", "allowed"),
    [
        ("op read op://stage/*", "op read op://stage/jwt", True),
        ("op read op://stage/*", "op read 'op://stage/a b'", True),
        ("op read op://stage/*", "op read op://stage/", False),
        ("op read op://stage/*", "op read op://production/jwt", False),
        ("op read op://stage/*", "op read op://stage/jwt --out-file /etc/passwd", False),
        ("op read op://stage/*", "op  read   op://stage/jwt", True),
        ("op read op://stage/*", "op delete op://stage/jwt", False),
        ("op read *", "op read --account=evil", False),
        ("op read *", "op read jwt", True),
        ("vault kv get -field=* secret/*", "vault kv get -field=value secret/jwt", True),
        ("vault kv get -field=* secret/*", "vault kv get -address=http://evil secret/jwt", False),
        ("op read op://stage/*", "op read op://stage/jwt; id", False),
        ("a.c", "abc", False),
    ],
)
def test_a_command_is_allowed_word_by_word(pattern: str, command: str, allowed: bool) -> None:
    """A star stands for a part of one word, never for an option, another word or nothing; nothing else is special."""
    assert rule(commands=(pattern,)).allows(SecretSource(command=command)) is allowed


@pytest.mark.parametrize(
    ("pattern", "path", "allowed"),
    [
        ("/run/secrets/*", "/run/secrets/jwt", True),
        ("/run/secrets/*", "/run/secrets/deep/jwt", False),
        ("/run/secrets/*", "/run/secrets/../shadow", False),
        ("/run/secrets/*", "/etc/shadow", False),
        ("/run/secrets/*/*", "/run/secrets/../shadow", False),
    ],
)
def test_a_file_is_allowed_name_by_name(pattern: str, path: str, allowed: bool) -> None:
    """A star stands for a part of one name in a path."""
    assert rule(files=(pattern,)).allows(SecretSource(file=path)) is allowed


@pytest.mark.parametrize(
    ("environment", "covered"), [("cashback/stage", True), ("cashback/stage-2", False), ("other/stage", False)]
)
def test_an_environment_is_covered_by_name(environment: str, covered: bool) -> None:
    """What is allowed to one environment is allowed to no other, of this or another project."""
    assert rule().covers(environment) is covered
    assert Allowed(environment="cashback/*").covers(environment) is environment.startswith("cashback/")


@pytest.mark.parametrize(
    "wrong",
    [
        {"environment": "stage"},
        {"environment": STAGE, "commands": ("*",)},
        {"environment": STAGE, "commands": ("* read x",)},
        {"environment": STAGE, "commands": ("",)},
        {"environment": STAGE, "commands": ("op 'read",)},
        {"environment": STAGE, "files": ("run/secrets",)},
        {"environment": STAGE, "files": ("/run/../etc/*",)},
        {"environment": STAGE, "timeout": 600.0},
    ],
)
def test_what_nobody_can_oversee_is_no_rule(wrong: dict[str, object]) -> None:
    """A rule names environment and program; a command that could be any is refused when the agent starts."""
    with pytest.raises(ValueError, match=r"secrets\.|closing quotation|No closing"):
        Allowed(**wrong)  # type: ignore[arg-type]


def test_no_shell_is_between() -> None:
    """What would be a second command, a variable or a file for a shell is an ordinary word."""
    words = ["$HOME", "`id`", ";", "|", ">", "/tmp/x", "*"]
    source = python("import sys; print(sys.argv[1:])", *words)
    allowed = rule(commands=(source.place,))
    assert fetch(source, allowed, HOME="/root") == str(words)


def test_a_failure_shows_what_it_complained_of_and_no_value() -> None:
    """Exit status and the end of stderr are told; what it printed, what is known and the agent's keys are masked."""
    code = (
        "import os, sys; value = sys.argv[1]; print(value);"
        "print('got', value, 'with', os.environ['VAULT_TOKEN'], file=sys.stderr);"
        "print('known-value-1234 expired', file=sys.stderr); sys.exit(3)"
    )
    source = python(code, CANARY)
    sources = HostSources(
        (rule(commands=(source.place,)),),
        {"PATH": os.defpath, "VAULT_TOKEN": "hvs.token-4711"},
        known=lambda: [Secret("known-value-1234")],
    )
    with pytest.raises(LadingError) as caught:
        sources.fetch(STAGE, {"KEY": source})
    text = "\n".join(caught.value.details[1:])
    assert "exit status 3" in str(caught.value)
    assert "expired" in text
    assert not any(value in text for value in (CANARY, "hvs.token-4711", "known-value-1234"))


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    """Whoever waits for a value is not kept longer than the limit, and nothing is left running."""
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '600']);"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}'); time.sleep(600)"
    )
    source = python(code, str(pids))
    allowed = Allowed(environment=STAGE, commands=(source.place,), timeout=2.0)
    assert "no answer within 2 s" in refusal(source, allowed)
    left = [Path(f"/proc/{pid}") for pid in pids.read_text().split()]
    until(lambda: not any(_runs(path) for path in left), within=5)


def _runs(path: Path) -> bool:
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print()", "gave nothing"),
        ("print('x' * 70000)", "more than 65536 bytes"),
        (r"import sys; sys.stdout.buffer.write(b'\xff\xfe')", "is no text"),
        (r"import sys; sys.stdout.write('a\0b')", "NUL"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    ],
)
def test_what_is_no_secret_is_refused(code: str, said: str) -> None:
    """A value that no program could be given is told of by name and kind, never by itself."""
    source = python(code)
    assert said in refusal(source, rule(commands=(source.place,)))


def test_a_program_that_is_missing_is_named() -> None:
    """The first thing to see is that the manager's program is not there."""
    assert "no-such-manager is not installed" in refusal(SecretSource(command="no-such-manager get"))


def test_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    """A file that is allowed by its name and leads elsewhere is not read, unless that is allowed too."""
    allowed, elsewhere = tmp_path / "allowed", tmp_path / "elsewhere"
    for directory in (allowed, elsewhere):
        directory.mkdir()
    (elsewhere / "key").write_text(CANARY)
    (allowed / "key").symlink_to(elsewhere / "key")
    source = SecretSource(file=str(allowed / "key"))
    assert "is a link" in refusal(source, rule(files=(f"{allowed}/*",)))
    assert fetch(source, rule(files=(f"{allowed}/*", f"{elsewhere}/key"))) == CANARY


def test_the_refusal_gives_the_lines_that_would_allow_it() -> None:
    """Who runs the agent reads what to write where; the lines are true TOML and allow just this."""
    import tomllib

    source = SecretSource(command="op read 'op://stage/a b'")
    with pytest.raises(LadingError) as caught:
        HostSources(()).fetch(STAGE, {"KEY": source})
    lines = [line.strip() for line in caught.value.details[1:]]
    (table,) = tomllib.loads("\n".join(lines))["secrets"]
    assert Allowed(environment=table["environment"], commands=tuple(table["commands"])).allows(source)
