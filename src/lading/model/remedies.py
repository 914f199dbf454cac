"""For every error code what is still true and what to do: a person at night reads it by ``lading explain CODE``.

Commands stand in backticks; the documentation shows them as code, the terminal without.
"""

from typing import Final, NamedTuple


class Remedy(NamedTuple):
    """What is still true when an error of a code was told, and what to do about it."""

    still: str
    do: str


_UNTOUCHED = "Nothing was changed; what serves goes on serving."
_NOT_BUILT = "No release was made; what serves is untouched."
_UNWOUND = "The release before never stopped serving; nothing of the candidate is left."

REMEDIES: Final[dict[str, Remedy]] = {
    "unexpected": Remedy(
        "What serves goes on serving; a rollout that an agent had accepted ends in the new or the old release.",
        "See `lading status`. It is a mistake of Lading: keep the lines it printed and the end of `agent.log`, "
        "and report what you did.",
    ),
    "journal": Remedy(
        "Router and instances go on without the journal; no rollout begins, one that runs waits.",
        "See that `journal.db` in the agent's home is readable and its disk is not full. A journal of a newer Lading "
        "needs that version again.",
    ),
    "usage": Remedy(_UNTOUCHED, "Read the command's help: it ends with examples. `lading --help` shows the road."),
    "manifest-missing": Remedy(_UNTOUCHED, "Go to the project's directory, or name it with `-C DIR`."),
    "manifest-exists": Remedy(
        "The manifest that is there was left as it is.",
        "`lading init --print` shows a fresh draft beside it; `lading init --force` writes it and keeps a copy of the "
        "old one.",
    ),
    "manifest-invalid": Remedy(
        _UNTOUCHED, "Mend every place that is listed, then `lading check`. Each key is in the manifest's page."
    ),
    "not-supported": Remedy(
        _UNTOUCHED, "Do what the error says instead. `lading check` lists all that a manifest asks for too early."
    ),
    "unknown-environment": Remedy(
        _UNTOUCHED, "Use a name that the error lists, or add a table `[environments.NAME]` to the manifest."
    ),
    "unknown-release": Remedy(
        _UNTOUCHED,
        "Build it where its commit is checked out: `lading release`. With several agents, see that you ask the one "
        "that has it.",
    ),
    "unknown-rollout": Remedy(_UNTOUCHED, "`lading history ENVIRONMENT` has the numbers."),
    "unknown-run": Remedy(_UNTOUCHED, "`lading runs ENVIRONMENT` has the numbers of runs of jobs."),
    "unknown-job": Remedy(
        _UNTOUCHED,
        "Use a name that the error lists: jobs are those of the release that serves. One that was added since comes "
        "with the next `lading deploy ENVIRONMENT`.",
    ),
    "unknown-output": Remedy(
        _UNTOUCHED,
        "`lading outputs ENVIRONMENT RUN` lists what a run left. Files of the last 20 runs of each job are kept, and "
        "all where the environment has an object store for them.",
    ),
    "store-failed": Remedy(
        "What serves was not touched, and no object in the store was replaced. Files of runs that are not in their "
        "store yet stay on the host, however many later runs have followed, and are tried again by themselves.",
        "Mend what the store says: bucket, endpoint, the rights of its key (list the bucket, put and get objects), or "
        "the secrets that hold it. `lading outputs ENVIRONMENT RUN --send` tries again at once.",
    ),
    "job-failed": Remedy(
        "What serves was not touched. What the job did before it failed stands: Lading takes nothing of it back.",
        "`lading runs ENVIRONMENT --follow RUN` shows all that it wrote, `lading outputs ENVIRONMENT RUN` what it "
        "left. When it is mended, run it again: nothing runs it again by itself.",
    ),
    "source-dirty": Remedy(
        _NOT_BUILT, "Commit or stash what is listed. For a look at uncommitted work there is `lading up`."
    ),
    "source-invalid": Remedy(
        _NOT_BUILT, "The project must be a git repository with a commit. Where a tag points elsewhere, check it out."
    ),
    "version-taken": Remedy(
        "The version stands for what it stood for before, wherever it serves.",
        "Tag the commit with a new version. A tag was moved after a release was made of it.",
    ),
    "unpinned": Remedy(
        _NOT_BUILT, "Run the command that the error prints; it pins every dependency. `uv` came with Lading."
    ),
    "secret-in-source": Remedy(
        _NOT_BUILT,
        "Take the file or value out of the commit, and replace the secret: the history of git still has it. "
        "`lading secrets edit ENVIRONMENT` stores values.",
    ),
    "stack-refused": Remedy(
        "The stack is as it was; what serves is untouched.",
        "Change every place that is listed: images with a fixed tag, volumes of its own, nothing of the host.",
    ),
    "no-compose": Remedy(
        "The stack is as it was; what serves is untouched.",
        "On the agent's host, as root: install Docker's compose plugin of version 2 or later, such that "
        "`docker compose version` answers.",
    ),
    "stack-failed": Remedy(
        "Rollouts and stacks do not touch each other; what of the stack runs goes on, its volumes stay.",
        "The error shows the last lines. `lading stack status ENVIRONMENT` says what runs; `lading stack up` may be "
        "called again at any time.",
    ),
    "build-failed": Remedy(
        _NOT_BUILT,
        "The last lines of `uv` are in the error. A package index of your own is taken from the usual settings of pip "
        "and uv.",
    ),
    "migration-heads": Remedy(
        _NOT_BUILT,
        "Two branches each added a migration. Join them (`alembic merge heads`, `manage.py makemigrations --merge`), "
        "commit, and release again.",
    ),
    "secret-missing": Remedy(
        _UNTOUCHED, "Give the environment all that are named: `lading secrets edit ENVIRONMENT`. Then the same again."
    ),
    "secret-source": Remedy(
        "Programs that run keep their values, and the values that were fetched before are kept: a rollback needs no "
        "source.",
        "The error says for each name what its source answered. Try the command on the agent's host, as the agent's "
        "user. What is not allowed is allowed in `agent.toml`, by who runs the agent.",
    ),
    "secrets-unusable": Remedy(
        "Programs that run keep their values; nothing that needs a secret is started.",
        "The error names the file. See its owner and mode, and that `secrets` in the agent's home came with its key.",
    ),
    "policy": Remedy(
        "The environment serves what it served; its policy stands.",
        "The error says what the release lacks, nearly always a pass elsewhere: `lading deploy stage VERSION`. "
        "`lading policy show ENVIRONMENT` has all that is demanded.",
    ),
    "bill": Remedy(
        "The environment serves what it served.",
        "`lading bill VERSION` says what does not count and why. Agents that do not know each other: "
        "`lading trust show --on stage`, then `lading trust add stage KEY --on production`. "
        "Too old or revoked: let it pass again, `lading deploy stage VERSION --again`.",
    ),
    "loosening": Remedy(
        "The stricter policy or tier stands.",
        "A manifest only tightens. An admin loosens with a reason: `lading policy set ENVIRONMENT --reason WHY`.",
    ),
    "no-virtualenv": Remedy(
        "Nothing was started.",
        "Make one in the project's directory with the command of the message, which installs what is pinned; or "
        "activate the one that is meant.",
    ),
    "not-local": Remedy(
        _UNTOUCHED, "Name an environment of tier local; to stage and production a release goes by `lading deploy`."
    ),
    "isolation": Remedy(
        _UNTOUCHED,
        "If you accept plain processes there, say so once: `lading policy allow production no-isolation --reason WHY`.",
    ),
    "no-engine": Remedy(
        "What serves goes on serving; with live-restore that holds for containers too while their engine is away.",
        "Do what the error says: install the engine, start it, or let the agent's user reach its socket. "
        "`docker info` must answer on the agent's host.",
    ),
    "platform": Remedy(
        _UNTOUCHED,
        "Build on a machine like the host, or install the Python version there that the error names.",
    ),
    "nothing-to-return-to": Remedy(
        _UNTOUCHED, "Deploy the release you want by its version; `lading history ENVIRONMENT` names them."
    ),
    "preflight": Remedy("Nothing had been touched.", "Mend the condition that is named, then the same command again."),
    "egress": Remedy(
        "Nothing was started without its restriction; what serves goes on serving, and what is restricted stays so.",
        "Rules need an agent that runs as root, `iptables`, and a container engine that uses it. `gate.log` in "
        "`docker/egress` of the agent's home says more. Bundles cannot be restricted: build an image.",
    ),
    "artifact-corrupt": Remedy(
        _UNWOUND, "Build the release again from its commit, `lading release VERSION`, and have a look at the disk."
    ),
    "no-space": Remedy(
        "What serves goes on serving. A rollout that cannot write waits, and goes on by itself once there is space.",
        "Free some space; what takes it in the agent's home is told above.",
    ),
    "start-failed": Remedy(
        _UNWOUND,
        "`lading logs ENVIRONMENT --rollout N` has what it wrote. `there is no program`: add the package that brings "
        "it to the requirements.",
    ),
    "engine-failed": Remedy(
        _UNWOUND,
        "The engine's own words stand in the error. `docker info`, `docker system df` and the engine's log say more; "
        "then the same command again.",
    ),
    "port-taken": Remedy(
        "Other environments are untouched.",
        "`ss -ltnp` shows who has it. Free it, or set another `port` in the environment's table.",
    ),
    "health-failed": Remedy(
        _UNWOUND,
        "`the instance exited`: `lading logs ENVIRONMENT --rollout N` has its traceback. Else see the path of `health` "
        "and its `within`.",
    ),
    "ready-failed": Remedy(
        _UNWOUND,
        "Read the instance's lines in the error. Usual causes: a variable or secret that this environment lacks "
        "(`lading diff local stage`), a database without its tables, a program that refuses the Host header (give "
        "`ready` a `host`), a start that takes longer than `within`.",
    ),
    "smoke-failed": Remedy(
        _UNWOUND,
        "The text says what came and what was expected. Passed on the candidate and failed through the router: look "
        "at paths, `strip_prefix`, the domain, redirects.",
    ),
    "router-failed": Remedy(
        "The routes are those of before; the router goes on by them.",
        "The same command again. If it stays so, `agent.log` has what the router said.",
    ),
    "database-failed": Remedy(
        "The data is as it was.",
        "The error names the database and what it said. See its directory's owner, the disk, and that its file is one.",
    ),
    "migration-failed": Remedy(
        "The database is as it was before, with all that was acknowledged; the release before serves on it.",
        "The last lines of the migration are in the error. It can be tried as often as you like: mend it, commit, "
        "and release it under a new version.",
    ),
    "step-failed": Remedy(_UNWOUND, "The error names the step and what it met; mend that, then the same again."),
    "cancelled": Remedy(_UNWOUND, "Nothing: somebody asked for it. `lading history ENVIRONMENT` says who."),
    "watch-failed": Remedy(
        "The release before serves again; its instances had stayed up.",
        "`lading logs ENVIRONMENT --rollout N` has what the new instances wrote while real requests failed.",
    ),
    "busy": Remedy(
        "The other rollout goes on and ends by itself.",
        "Wait, look on with `lading follow ENVIRONMENT`, or turn it back: `lading cancel ENVIRONMENT`. There is no "
        "lock to remove.",
    ),
    "agent-unreachable": Remedy(
        "What the agent serves goes on serving without it.",
        "`lading agent start`. Is it the right home and user? `lading agent status` prints the home. On another "
        "machine: `lading host doctor ssh://root@HOST`; `ssh` itself must get there without asking anything.",
    ),
    "agent-refused": Remedy(
        _UNTOUCHED, "Install the same version on both sides, then `lading agent stop` and `lading agent start`."
    ),
    "host-failed": Remedy(
        "The steps before it are done, none after it; what was served goes on being served.",
        "The last lines of the step are in the error. Mend what they say; the same command goes on from there, and "
        "`lading host doctor ssh://root@HOST` looks at all of it.",
    ),
    "registry-failed": Remedy(
        _UNTOUCHED,
        "`docker login HOST` as the agent's user, on the machine of the agent that says so: the one that builds must "
        "write to the repository, the one that is deployed to must read it. Without `registry` in the build, the image "
        "is sent to the host instead.",
    ),
    "stuck": Remedy(
        "What served before still serves; nothing is taken away, and nothing more is changed by itself.",
        "`lading status` shows the cause beside ALERT. Mend it, then deploy the release that should serve: "
        "`lading deploy ENVIRONMENT VERSION`.",
    ),
}
