"""What a program is told that no plan holds: secrets by version, and what is made of them."""

from lading.engine.world import World
from lading.model import server
from lading.model.environment import InstanceSpec, Login
from lading.model.errors import LadingError
from lading.model.secret import Secret


def secrets_of(world: World, environment: str, spec: InstanceSpec) -> dict[str, Secret]:
    """Return the variables of an instance that hold secrets, in the versions its unit pinned.

    ``environment`` is ``project/name``. Raise ``secret-missing``, and ``database-failed`` where a database's server has
    no address now.
    """
    found = {
        variable: world.secrets.get(environment, name, version) for variable, (name, version) in spec.secrets.items()
    }
    for variable, told in spec.told.items():
        value = world.secrets.get(environment, told.secret, told.version)
        try:
            found[variable] = server.fill(told.template, value, _host(world, told.server) if told.server else "")
        except ValueError as error:
            raise _no_url(environment, told.secret, str(error)) from None
    return found


def url_of(world: World, environment: str, login: Login) -> Secret:
    """Return the URL under which the agent reaches a database's server; raise ``database-failed`` when it is down."""
    password = world.secrets.get(environment, login.secret, login.version)
    try:
        return server.url_of(login, password, _host(world, login.server) if login.server else "")
    except ValueError as error:
        raise _no_url(environment, login.secret, str(error)) from None


def _host(world: World, name: str) -> str:
    state = world.runtime.look(name)
    if state is None or not state.running:
        raise LadingError(
            "database-failed",
            doing=f"asking for the address of {name}",
            happened="it does not run" + (f": {state.ended}" if state is not None and state.ended else ""),
            hint="lading doctor",
        )
    return state.address.rpartition(":")[0]


def _no_url(environment: str, secret: str, why: str) -> LadingError:
    name = environment.partition("/")[2]
    return LadingError(
        "database-failed",
        doing=f"reading the URL of a database of {environment}",
        happened=f"the secret {secret} is no URL of a database: {why}",
        hint=f"lading secrets set {name} {secret}, such as postgresql://USER:PASSWORD@HOST:5432/NAME",
    )
