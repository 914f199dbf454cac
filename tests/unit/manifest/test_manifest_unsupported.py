"""What this version does not do is refused by name."""

import pytest

from lading.manifest import load_text, refuse_unsupported, unsupported
from lading.manifest.grammar import MANIFEST
from lading.manifest.kinds import Kind
from lading.manifest.reference import keys
from lading.manifest.tables import MapOf
from lading.manifest.unsupported import RULES
from lading.model.errors import LadingError

HEAD = '[project]\nname = "shop"\n[build.app]\nbundle = "uv.lock"\n[services.web]\ncommand = "x"\nport = 8000\n'
STAGE = "[environments.stage]\n"
IMAGE = HEAD.replace('bundle = "uv.lock"', 'dockerfile = "Dockerfile"')

CASES = {
    "services.web.entrypoint": HEAD + 'entrypoint = "/bin/x"\n' + STAGE,
    "services.cache.image": HEAD + '[services.cache]\nimage = "redis:7"\n' + STAGE,
    "services.web.files.config": HEAD + 'files = { config = "/app/config" }\n' + STAGE,
    "services.web.egress": HEAD + "egress = []\n" + STAGE,
    "services.web.aliases": HEAD + 'aliases = ["backend"]\n' + STAGE,
    "services.web.user": HEAD + 'user = "10001"\n' + STAGE,
    "services.web.home": HEAD + 'home = "/tmp"\n' + STAGE,
    "services.web.relax": HEAD + 'relax = ["read-only"]\n' + STAGE,
    "services.web.volumes.data": HEAD + 'volumes = { data = "/srv/data" }\n' + STAGE,
    "jobs.settle.egress": HEAD + '[jobs.settle]\ncommand = "x"\negress = ["a.example:443"]\n' + STAGE,
    "jobs.settle.volumes.data": HEAD + '[jobs.settle]\ncommand = "x"\nvolumes = { data = "/srv" }\n' + STAGE,
    "policy": HEAD + '[policy]\ngates = ["ci/tests"]\n' + STAGE,
    "environments.stage.host": HEAD + STAGE + 'host = "https://example.org"\n',
    "environments.stage.egress.web": HEAD + STAGE + "egress = { web = [] }\n",
    "environments.stage.backup": HEAD + STAGE + 'backup = { every = "1h" }\n',
    "environments.stage.requires.restore_tested_within": HEAD + STAGE + 'requires = { restore_tested_within = "7d" }\n',
}


@pytest.mark.parametrize("key", CASES)
def test_each_thing_is_named_and_nothing_else(key):
    """One line for what is asked for, with what to do instead."""
    manifest = load_text(CASES[key])
    (problem,) = unsupported(manifest, "stage")
    assert problem.key == key
    assert problem.text
    assert problem.remedy
    with pytest.raises(LadingError) as caught:
        refuse_unsupported(manifest, "stage")
    assert (caught.value.code, caught.value.exit_status) == ("not-supported", 2)
    assert key in str(caught.value)


def test_every_rule_has_a_case():
    """No rule stands untested, and each names a key of the grammar."""
    covered = {tuple(key.split(".")) for key in CASES}
    for rule in RULES:
        steps = rule.key.split(".")
        assert any(
            len(case) == len(steps) and all(step in ("*", part) for step, part in zip(steps, case, strict=True))
            for case in covered
        ), rule.key
        assert _known(MANIFEST, steps), rule.key


def _known(kind: Kind, steps: list[str]) -> bool:
    if steps[-1] == "*":
        steps = steps[:-1]
    names = {tuple("*" if part.isupper() else part for part in path.split(".")) for path, _ in keys()}
    return tuple(steps) in names


def test_what_is_supported_is_not_refused():
    """Approvals, replicas, resources, a local agent's socket and volumes by variable all work."""
    manifest = load_text(
        HEAD
        + 'volumes = { data = { env = "DATA", path = "/srv/data" } }\n'
        + 'files = { config = { env = "CONFIG" } }\n'
        + '[jobs.settle]\ncommand = "x"\nschedule = "@daily"\n'
        + STAGE
        + 'host = "unix:///run/lading/agent.sock"\nreplicas = { web = 2 }\nresources = { web = { cpu = 1 } }\n'
        + 'strategy = { watch = "10s" }\nrequires = { approvals = 1, gates = ["ci/tests"], max_age = "1d" }\n'
        + "[environments.production]\n"
    )
    assert unsupported(manifest, "stage") == []
    assert unsupported(manifest, "production") == []


def test_other_environments_do_not_matter():
    """Deploying to stage is not stopped by what production asks for."""
    manifest = load_text(HEAD + STAGE + '[environments.production]\nhost = "https://example.org"\n')
    assert unsupported(manifest, "stage") == []
    assert len(unsupported(manifest, "production")) == 1


def test_an_unknown_environment_is_said_to_be_unknown():
    """The error names those that there are."""
    with pytest.raises(LadingError, match="it has: stage") as caught:
        unsupported(load_text(HEAD + STAGE), "prod")
    assert caught.value.code == "unknown-environment"


def test_map_kinds_are_walked():
    """The reference reaches tables behind names of one's own."""
    assert isinstance(MANIFEST.keys["services"].kind, MapOf)
    assert any(path == "environments.NAME.databases.NAME.url" for path, _ in keys())


def test_what_is_not_built_here_is_a_container_too():
    """A backing service may have everything that containers have."""
    cache = '[services.cache]\nimage = "redis:7"\nvolumes = { cache = "/data" }\naliases = ["redis"]\nuser = "999"\n'
    assert not unsupported(load_text(IMAGE + cache + STAGE), "stage")


@pytest.mark.parametrize("key", ["entrypoint", "aliases", "user", "home", "relax", "volumes.data", "files.config"])
def test_what_containers_can_do_is_taken_where_there_is_one(key):
    """What means nothing to a plain process is refused there, and taken where the service runs an image."""
    asked = CASES[f"services.web.{key}"].removeprefix(HEAD)
    assert not unsupported(load_text(IMAGE + asked), "stage")
