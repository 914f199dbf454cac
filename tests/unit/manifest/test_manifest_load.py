"""From lading.toml to the model."""

import os
from pathlib import Path

import pytest

from lading.manifest import check, check_text, load, load_text
from lading.manifest.reference import example
from lading.model.environment_table import Strategy
from lading.model.errors import LadingError
from lading.model.manifest import Auth, Expect, Probe, SmokeStep, Volume
from lading.model.value import Resources

SHOP = """
[project]
name = "shop"

[build.app]
bundle = "uv.lock"

[services.web]
command = "uvicorn shop.main:app"
port = 8000
ready = "/ready"
"""


def shop(more: str = ""):
    return load_text(SHOP + more)


def complaint(text: str | bytes) -> LadingError:
    with pytest.raises(LadingError) as caught:
        load_text(text)
    return caught.value


def test_the_example_loads_without_a_word():
    """The shipped example has no problem, no warning, and nothing that this version does not do."""
    checked = check_text(example())
    assert (checked.problems, checked.warnings, checked.notes) == ((), (), ())
    assert checked.manifest is not None


def test_defaults_are_the_models():
    """A key that is left out has the model's default."""
    service = shop().services["web"]
    assert (service.grace, service.path, service.stop_signal) == (10.0, "/", "SIGTERM")
    assert service.ready == Probe(path="/ready")


def test_only_choices_are_written_down():
    """What has only one choice may be left out, and the model names it all the same."""
    manifest = shop('[jobs.a]\ncommand = "x"\n[[smoke]]\nname = "s"\nget = "/s"\n')
    assert manifest.services["web"].build == "app"
    assert manifest.jobs["a"].build == "app"
    assert manifest.smoke[0].service == "web"


def test_a_request_goes_to_the_service_with_the_longest_prefix():
    """A smoke request without service asks the one that the router would choose."""
    api = '[services.api]\ncommand = "x"\nport = 1\npath = "/api/"\n'
    steps = [("/api/x?q=/", "api"), ("/api", "api"), ("/apix", "web"), ("/", "web")]
    text = "".join(f'[[smoke]]\nname = "{path}"\nget = "{path}"\n' for path, _ in steps)
    assert [step.service for step in shop(api + text).smoke] == [service for _, service in steps]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ('"500ms"', 0.5),
        ('"30s"', 30.0),
        ('"10m"', 600.0),
        ('"1h"', 3600.0),
        ("7", 7.0),
        ("0.5", 0.5),
        ('"1m30s"', 90.0),
    ],
)
def test_durations_are_read_as_seconds(written, seconds):
    """A duration is a text with units or a number of seconds."""
    assert load_text(SHOP + f"grace = {written}").services["web"].grace == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [('"512MB"', 512_000_000), ('"1GiB"', 2**30), ("8388608", 8388608), ('"1.5 GB"', 1_500_000_000)],
)
def test_sizes_are_read_as_bytes(written, size):
    """MB counts thousands, MiB counts 1024."""
    service = load_text(SHOP + f"resources = {{ memory = {written} }}").services["web"]
    assert service.resources == Resources(memory=size)


def test_probes_volumes_and_strategies_have_a_short_form():
    """A text stands for the table with that one key."""
    manifest = load_text(
        SHOP
        + 'health = { path = "/health", status = 204, json = { status = "ok" }, within = "5m" }\n'
        + 'volumes = { a = "/srv/a", b = { env = "B_DIR" } }\n'
        + '[environments.stage]\nstrategy = "recreate"\nrequires = { passed = "local" }\n[environments.local]\n'
    )
    web = manifest.services["web"]
    assert web.health == Probe(path="/health", status=(204,), json={"status": "ok"}, within=300.0)
    assert web.volumes == {"a": Volume(path="/srv/a"), "b": Volume(env="B_DIR")}
    assert manifest.environments["stage"].strategy == Strategy(kind="recreate")
    assert manifest.environments["stage"].requires.passed == ("local",)


def test_smoke_methods_become_method_and_path():
    """``post = "/login"`` is a request; captured values are there for later steps."""
    manifest = shop(
        '[secrets]\nrequired = ["PW"]\n'
        '[[smoke]]\nname = "login"\npost = "/login"\njson = { p = "{{ PW }}" }\ncapture = { token = "t" }\n'
        '[[smoke]]\nname = "me"\nget = "/me?t={{token}}"\nauth = { bearer = "token" }\n'
        "expect = { status = [200, 204] }\n"
    )
    assert manifest.smoke[0].method == "POST"
    assert manifest.smoke[1] == SmokeStep(
        name="me",
        service="web",
        method="GET",
        path="/me?t={{token}}",
        auth=Auth(bearer="token"),
        expect=Expect(status=(200, 204)),
    )


def test_a_manifest_may_hold_jobs_alone():
    """A project without services is a manifest too."""
    manifest = load_text('[project]\nname = "x"\n[build.app]\nbundle = "uv.lock"\n[jobs.run]\ncommand = "x"\n')
    assert list(manifest.jobs) == ["run"]


def test_a_size_is_a_resource_profile():
    """The keys of a size are limits."""
    assert shop('[sizes.large]\ncpu = 4\nmemory = "1GiB"\n').sizes["large"].resources == Resources(
        cpu=4.0, memory=2**30
    )


@pytest.mark.parametrize("write", ["TOKEN", "API_KEY", "DB_PASSWORD", "SECRET"])
def test_a_value_that_looks_like_a_secret_is_warned_of_by_name_only(write):
    """A secret-looking variable stops nothing, but it is named; its value is not."""
    checked = check_text(SHOP + f'[env]\n{write} = "hunter2"\n[environments.local]\n')
    assert checked.manifest is not None
    (warning,) = checked.warnings
    assert warning.key == f"env.{write}"
    assert "hunter2" not in str(warning)


def test_a_url_with_a_password_is_warned_of():
    """A value is judged by its form too."""
    checked = check_text(SHOP + '[environments.local]\nenv = { BROKER = "amqp://me:pw@broker" }\n')
    assert [warning.key for warning in checked.warnings] == ["environments.local.env.BROKER"]


def test_a_variable_that_lading_gives_is_warned_of():
    """What has no effect is said."""
    checked = check_text(SHOP + '[env]\nPORT = "1"\n[environments.local]\n')
    assert [warning.key for warning in checked.warnings] == ["env.PORT"]


def test_notes_come_once_for_several_environments():
    """What this version does not do is noted where it stands, once."""
    checked = check_text(SHOP + 'user = "app"\n[environments.local]\n[environments.stage]\n')
    assert [(note.line, note.key) for note in checked.notes] == [(12, "services.web.user")]


def test_production_without_smoke_is_warned_of():
    """An empty suite passes nothing, and one learns of it before the deployment."""
    checked = check_text(SHOP + "[environments.production]\n")
    assert [warning.key for warning in checked.warnings] == ["environments.production"]


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("production", "", ["environments.production.domain"]),
        ("live", 'tier = "production"\n', ["environments.live.domain"]),
        ("production", 'tls = { acme = "ops@example.org" }\n', []),
        ("production", 'tier = "stage"\n', []),
        ("stage", "", []),
    ],
)
def test_a_domain_of_production_without_tls_is_warned_of(name, more, told):
    """Who visits production by name does so by plain HTTP, unless somebody sees to a certificate."""
    smoke = '[[smoke]]\nname = "status"\nget = "/"\n'
    checked = check_text(SHOP + smoke + f'[environments.{name}]\ndomain = "example.org"\n{more}')
    assert checked.problems == ()
    assert [warning.key for warning in checked.warnings] == told


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("http://s3.example.org:9000", ["environments.stage.outputs.endpoint"]),
        ("http://127.0.0.1:9000", []),
        ("https://s3.example.org", []),
    ],
)
def test_a_store_without_tls_is_warned_of(endpoint, told):
    """Outputs that leave the machine in the clear are worth a second look."""
    table = f'[environments.stage.outputs]\nstore = "s3://kept/shop/"\nendpoint = "{endpoint}"\n'
    checked = check_text(SHOP + table)
    assert checked.problems == ()
    assert [warning.key for warning in checked.warnings] == told
    store = checked.manifest.environments["stage"].outputs
    assert (store.bucket, store.key("a", "b"), store.url("shop/a")) == ("kept", "shop/a/b", "s3://kept/shop/a")
    assert store.secrets == ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def test_a_missing_file_has_a_code_of_its_own(tmp_path):
    """No manifest is not the same as a wrong one."""
    for path in (tmp_path / "lading.toml", tmp_path / "x" / "lading.toml"):
        with pytest.raises(LadingError) as caught:
            load(path)
        assert (caught.value.code, caught.value.exit_status) == ("manifest-missing", 2)


def test_what_is_no_regular_file_is_refused(tmp_path):
    """A directory, a pipe, a device, a link to itself and an impossible path give one clear error each."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (
        tmp_path,
        tmp_path / "pipe",
        Path("/dev/zero"),
        tmp_path / "loop",
        Path("a\0b"),
        tmp_path / ("x" * 300),
    ):
        with pytest.raises(LadingError) as caught:
            load(path)
        assert caught.value.code == "manifest-invalid", path
        assert "cannot be read" in caught.value.happened


def test_check_reads_a_file_as_load_does(tmp_path):
    """The same file gives the same manifest."""
    path = tmp_path / "lading.toml"
    path.write_text(SHOP)
    assert check(path).manifest == load(path)


def test_an_enormous_file_is_refused_unread(tmp_path):
    """The size is bounded before anything is parsed."""
    path = tmp_path / "lading.toml"
    path.write_bytes(b"#" * 10_000_000)
    with pytest.raises(LadingError, match="larger than 256 KiB"):
        load(path)
    assert "larger than 256 KiB" in str(complaint("# é\n" * 60_000))


def test_many_problems_are_cut_off_with_their_number():
    """A file full of nonsense does not flood the terminal."""
    details = complaint("\n".join(f"k{number} = 1" for number in range(2000))).details
    assert len(details) == 501
    assert details[-1].endswith("and 1501 more problems")


def test_hostile_nesting_is_refused():
    """Deep lists, tables and dotted keys end in a message, quickly."""
    for text in (
        "x = " + "\n".join("[" * 50_000),
        "x = " + "{a=" * 1300,
        ".".join("a" * 2000) + " = 1",
        "[" + ".".join("a" * 2000) + "]",
        "\n".join(".".join("a" * 2000) + f".k{number} = 1" for number in range(60)),
    ):
        assert complaint(text).exit_status == 2


def test_a_number_beyond_pythons_limit_is_refused(monkeypatch):
    """The interpreter's own limit on digits is no traceback."""
    import sys

    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert "number that is too long" in str(complaint("x = " + "9" * 700))
    finally:
        sys.set_int_max_str_digits(before)
