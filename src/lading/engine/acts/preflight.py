"""Check what must hold before anything is touched."""

from lading.engine import resolving
from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.edge import check_edge
from lading.model.data_steps import Dump, Rehearse
from lading.model.errors import LadingError
from lading.model.plan import Preflight
from lading.model.release import Artifact, Platform, Release

# Free bytes kept for the journal and the logs, so that even a failed rollout can be recorded.
RESERVE = 64 * 1024 * 1024

# Laid-out layers are about this many times larger than their compressed blobs.
UNPACKED = 5

# What a database is copied to before it is migrated: one to rehearse on, one to judge that by, one to come back to,
# and room for what the migration itself writes, or a restore does.
COPIES = 4


def act(context: Context, step: Preflight) -> Done:
    """Check secrets, platform, disk and databases; everything that is wrong is said at once."""
    problems = [*_missing_secrets(step), *_platform(context, step.release)]
    problems += [*_disk(context, step.release), *_room(context, step.release)]
    if problems:
        code = problems[0][0]
        raise LadingError(
            code,
            doing=f"preflight of {step.release.version} for {step.configuration.environment}",
            happened="; ".join(text for _, text, _ in problems),
            now=f"nothing was touched, {context.serving_now()}",
            hint=problems[0][2],
        )
    check_edge(context.world, context.key, step.configuration, context.record().port)
    _require_egress(context)
    for name, database in step.release.manifest.databases.items():
        if database.has_server:
            continue  # its own step asks it
        context.world.databases.check(context.rollout.project, context.rollout.environment, name, database)
    free = context.world.store.free_bytes() / 1e9
    wanted = len(step.configuration.secret_versions)
    return Done(text=f"disk {free:.0f} GB · secrets {wanted}/{wanted}", facts={"free_bytes": int(free * 1e9)})


def _require_egress(context: Context) -> None:
    """Raise ``egress`` when an instance or job is to be restricted and this host cannot do that."""
    unit = context.rollout.plan.unit
    if unit is not None and any(spec.egress is not None for spec in (*unit.instances, *unit.jobs)):
        context.world.runtime.require_egress()


def _copies(context: Context) -> int:
    """Return the bytes for the copies of databases that the plan migrates."""
    rollout = context.rollout
    rehearsed = [step.database for step in rollout.plan.steps if isinstance(step, Rehearse)]
    sizes = (context.world.databases.size(rollout.project, rollout.environment, name) for name in rehearsed)
    return sum(sizes) * COPIES + sum(_dump(context, step) for step in rollout.plan.steps if isinstance(step, Dump))


def _dump(context: Context, step: Dump) -> int:
    """Return the bytes that a dump takes at most; 0 for a server that is down, which is started after this."""
    try:
        return context.world.servers.size(resolving.url_of(context.world, context.key, step.login))
    except LadingError as error:
        if error.code != "database-failed":
            raise
        return 0


def _missing_secrets(step: Preflight) -> list[tuple[str, str, str]]:
    required = dict.fromkeys((*step.release.manifest.secrets.required, *step.configuration.table.needed_secrets))
    missing = [name for name in required if name not in step.configuration.secret_versions]
    if not missing:
        return []
    environment = step.configuration.environment
    one = f"lading secrets set {environment} {missing[0]}"
    hint = one if len(missing) == 1 else f"lading secrets edit {environment}"
    return [("secret-missing", f"missing secrets: {', '.join(missing)}", hint)]


def _platform(context: Context, release: Release) -> list[tuple[str, str, str]]:
    here = context.world.runtime.platform()
    return [
        (
            "platform",
            f"{artifact.name} was built for {_words(artifact.platform)}, this host is {_words(here)}",
            "build on a machine like this host, or install the Python version it was built for",
        )
        for artifact in release.artifacts
        if not _fits(artifact, here)
    ]


def _fits(artifact: Artifact, here: Platform) -> bool:
    built = artifact.platform
    if artifact.kind == "files":
        return True
    if artifact.kind == "image":
        # It brings its own C library and its own Python.
        return (built.system, built.machine) == (here.system, here.machine)
    same = (built.system, built.machine, built.python) == (here.system, here.machine, here.python)
    return same and _libc_fits(built.libc, here.libc)


def _libc_fits(built: str, here: str) -> bool:
    name, _, version = built.partition(" ")
    name_here, _, version_here = here.partition(" ")
    if name != name_here:
        return False
    # A C library runs what was linked against an older one, never against a newer one.
    return _numbers(version) <= _numbers(version_here)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _words(platform: Platform) -> str:
    return f"{platform.system}/{platform.machine} {platform.libc} Python {platform.python}".strip()


def _disk(context: Context, release: Release) -> list[tuple[str, str, str]]:
    layers = [layer for artifact in release.artifacts for layer in artifact.layers]
    missing = sum(layer.size for layer in layers if not context.world.store.has(layer.digest))
    needed = RESERVE + missing * (1 + UNPACKED) + _copies(context)
    free = context.world.store.free_bytes()
    if free >= needed:
        return []
    return [
        (
            "no-space",
            f"{free / 1e6:.0f} MB free where releases and databases lie, {needed / 1e6:.0f} MB needed",
            "free some disk space, then deploy again",
        )
    ]


def _room(context: Context, release: Release) -> list[tuple[str, str, str]]:
    """Look at the disk of the runtime, such as that of a container engine, before anything is put there."""
    room = context.world.runtime.room(release)
    if room is None or room.free >= room.needed + RESERVE:
        return []
    needed = (room.needed + RESERVE) / 1e6
    hint = f"no container uses these images: docker rmi {' '.join(room.could_go)}" if room.could_go else ""
    return [
        (
            "no-space",
            f"{room.free / 1e6:.0f} MB free for images at {room.place}, {needed:.0f} MB needed",
            hint or "free some disk space there (docker system df), then deploy again",
        )
    ]
