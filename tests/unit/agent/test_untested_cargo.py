"""Untested cargo does not enter: what requests, manifests and records of releases try to get past the policy."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lading.model.environment_table import Environment, ObjectStore
from lading.model.errors import LadingError
from lading.model.manifest import Volume
from lading.model.release import Artifact, Release
from lading.ports.store.memory import make_layer
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import ENVIRONMENT
from tests.recovery.releases import PROJECT
from tests.support_agent import MemoryAgent as Interface


@pytest.fixture
def agent() -> MemoryAgent:
    """An agent that has one release, which passed nowhere, and the secret it needs in every environment."""
    agent = MemoryAgent()
    agent.house.release("v1.0.0")
    return agent


def _ask(agent: MemoryAgent, environment: str, **more: Any) -> None:
    agent.world.secrets.put(f"{PROJECT}/{environment}", {"TOKEN": agent.world.secrets.get(_KEY, "TOKEN", 1)})
    agent.request("deploy", "v1.0.0", environment=environment, **more)


_KEY = f"{PROJECT}/{ENVIRONMENT}"


def _refused(agent: MemoryAgent, code: str, environment: str = "production", **more: Any) -> LadingError:
    with pytest.raises(LadingError) as refused:
        _ask(agent, environment, **more)
    assert refused.value.code == code, refused.value
    assert agent.world.journal.rollouts() == []
    return refused.value


def test_an_untested_release_is_refused_by_production(agent: MemoryAgent) -> None:
    """What passed nowhere does not enter."""
    _refused(agent, "policy", table=Environment())


def test_a_dry_run_is_never_carried_out(agent: MemoryAgent) -> None:
    """A request that says it changes nothing opens no rollout, least of all one that nobody judged."""
    _refused(agent, "usage", table=Environment(), dry_run=True)


@pytest.mark.parametrize("tier", ["local", "stage"])
@pytest.mark.parametrize("name", ["production", "prod"])
def test_production_is_production_from_its_first_rollout(agent: MemoryAgent, name: str, tier: Any) -> None:
    """A manifest cannot take production's policy away by giving it another tier before anything served there."""
    error = _refused(agent, "loosening", name, table=Environment(tier=tier))
    assert 'tier = "production"' in error.hint


def test_an_environment_may_be_called_less_where_nothing_is_demanded(agent: MemoryAgent) -> None:
    """The tier of an environment that demands nothing by its name is the manifest's to choose."""
    _ask(agent, "review", table=Environment(tier="local"))
    assert agent.world.journal.rollouts()[0].environment == "review"


@pytest.mark.parametrize("name", ["..", "a/b", "Production", "production\n", "", "q" * 65, "produ\u0441tion"])
def test_names_that_are_none_are_refused(agent: MemoryAgent, name: str) -> None:
    """Environment names become paths and names of instances, so an agent takes no others than a manifest may hold."""
    with pytest.raises(LadingError) as refused:
        agent.request("deploy", "v1.0.0", environment=name)
    assert refused.value.code == "usage"


def test_no_environment_can_name_an_instance_of_another(agent: MemoryAgent) -> None:
    """Of two environments none has a name by which its instances could pass for the other's."""
    _refused(agent, "usage", "production-r12-x", table=Environment())


@pytest.mark.parametrize(
    "table",
    [
        Environment(replicas={"web": 0}),
        Environment(port=0),
        Environment(env={"A=B": "1"}),
        Environment(outputs=ObjectStore(store="s3://kept/../other")),
        Environment(outputs=ObjectStore(store="s3://kept", endpoint="file:///etc")),
        Environment(outputs=ObjectStore(store="s3://kept", secret_key="not a name")),
    ],
)
def test_a_table_that_no_manifest_could_hold_is_refused(agent: MemoryAgent, table: Environment) -> None:
    """With no instance there would be nothing to check; other values no program could get."""
    _refused(agent, "usage", "review", table=table)


def test_what_is_not_done_is_refused_by_the_agent_too(agent: MemoryAgent) -> None:
    """An environment that asks for what is not done yet is not served to everybody because a client did not look."""
    error = _refused(agent, "not-supported", "review", table=Environment(backup={"every": 60.0}))
    assert "backup" in str(error)


@pytest.mark.parametrize("name", ["PYTHONPATH", "PATH", "LD_PRELOAD"])
def test_a_configuration_does_not_choose_the_code(agent: MemoryAgent, name: str) -> None:
    """What decides which code runs cannot be set by an environment: a tested digest is what runs there."""
    error = _refused(agent, "usage", "review", table=Environment(env={name: "/srv/untested"}))
    assert "the same everywhere" in error.happened


# records of releases


def _evil(good: Release, interface: Interface) -> Artifact:
    """Return the release's artifact with the source of another."""
    layer, blob = make_layer("source", {"evil": b"evil"})
    interface.world.store.put(layer.digest, iter([blob]))
    artifact = good.artifacts[0]
    return msgspec.structs.replace(artifact, layers=(artifact.layer("environment"), layer))


def _taken(interface: Interface, record: Release) -> LadingError:
    with pytest.raises(LadingError) as refused:
        interface.service.releases.take_over(record.project, record.version, record)
    assert interface.world.journal.release(record.project, record.version) is None
    return refused.value


@pytest.fixture
def interface(tmp_path: Path) -> Interface:
    """An agent that takes releases over."""
    return Interface(tmp_path)


@pytest.fixture
def record(interface: Interface) -> Release:
    """The record of a true release, under a version that is not taken."""
    return msgspec.structs.replace(interface.house.release("v1.0.0"), version="v9.0.0")


def test_a_true_record_is_taken_over(interface: Interface, record: Release) -> None:
    """The record that the tests below forge is fine as it is."""
    assert interface.service.releases.take_over(PROJECT, "v9.0.0", record) == record


def test_a_tested_digest_does_not_bring_other_layers(interface: Interface, record: Release) -> None:
    """An artifact's digest is that of the layers it lists: a bill for one release lets no other bytes in."""
    forged = msgspec.structs.replace(record, artifacts=(_evil(record, interface),))
    assert forged.digest == record.digest
    assert _taken(interface, forged).code == "artifact-corrupt"


def test_of_two_artifacts_of_one_name_none_is_taken(interface: Interface, record: Release) -> None:
    """The digest of one cannot hide the other."""
    evil = msgspec.structs.replace(_evil(record, interface), digest=record.artifacts[0].digest)
    for artifacts in ((evil, *record.artifacts), (*record.artifacts, evil)):
        assert _taken(interface, msgspec.structs.replace(record, artifacts=artifacts)).code == "artifact-corrupt"


def test_of_two_layers_of_one_role_none_is_taken(interface: Interface, record: Release) -> None:
    """The digest of one cannot hide the other."""
    artifact = record.artifacts[0]
    doubled = (_evil(record, interface).layer("source"), *artifact.layers)
    forged = msgspec.structs.replace(record, artifacts=(msgspec.structs.replace(artifact, layers=doubled),))
    assert _taken(interface, forged).code == "artifact-corrupt"


def test_a_version_is_never_pointed_elsewhere(interface: Interface, record: Release) -> None:
    """A known version keeps its digest, whatever another record says."""
    manifest = msgspec.structs.replace(record.manifest, env={"A": "B"})
    other = interface.service.releases.take_over(PROJECT, "v9.0.0", record)
    changed = msgspec.structs.replace(record, version="v9.0.0", manifest=manifest)
    with pytest.raises(LadingError) as refused:
        interface.service.releases.take_over(PROJECT, "v9.0.0", changed)
    assert refused.value.code == "artifact-corrupt"
    assert interface.service.releases.get(PROJECT, "v9.0.0") == other


def test_a_secret_does_not_choose_the_code(interface: Interface, record: Release) -> None:
    """Nor can a secret, whose value every environment has of its own."""
    secrets = msgspec.structs.replace(record.manifest.secrets, optional=("PYTHONPATH",))
    manifest = msgspec.structs.replace(record.manifest, secrets=secrets)
    assert _taken(interface, msgspec.structs.replace(record, manifest=manifest)).code == "usage"


@pytest.mark.parametrize("name", ["../../etc", "/etc", "..", "a b", "A"])
def test_a_manifest_from_elsewhere_names_no_paths(interface: Interface, record: Release, name: str) -> None:
    """Names of a release's manifest become directories that root makes: others than a manifest may hold are refused."""
    service = msgspec.structs.replace(record.manifest.services["web"], volumes={name: Volume(env="DATA")})
    manifest = msgspec.structs.replace(record.manifest, services={"web": service})
    assert _taken(interface, msgspec.structs.replace(record, manifest=manifest)).code == "usage"
