"""Every failure Lading reports: what was being done, what happened, what is true now, what to do next.

The table :data:`CODES` is the single source of error codes and exit statuses; the documentation and the
command line are generated from and checked against it.
"""

from typing import Any, Final, NamedTuple

DONE: Final = 0
UNEXPECTED: Final = 1
BAD_INPUT: Final = 2
REFUSED: Final = 3
UNWOUND: Final = 4
ROLLED_BACK: Final = 5
BUSY: Final = 6
UNREACHABLE: Final = 7
STUCK: Final = 8
JOB_FAILED: Final = 9
JOB_STATUS: Final = 150  # added to a job's own exit status, so that it is none of ours, nor a shell's

EXIT_STATUSES: Final[dict[int, str]] = {
    DONE: "done",
    UNEXPECTED: "unexpected error",
    BAD_INPUT: "bad usage or manifest",
    REFUSED: "refused by policy",
    UNWOUND: "unwound: the old release serves",
    ROLLED_BACK: "cut over, then rolled back: the old release serves",
    BUSY: "environment busy",
    UNREACHABLE: "agent unreachable",
    STUCK: "stuck: the undo itself failed; an alert was raised",
    JOB_FAILED: "a job failed without an exit status of its own: time limit, signal, stopped, not what was expected",
}


class Code(NamedTuple):
    """One row of the error table: the exit status and what the code means, for the documentation."""

    exit_status: int
    meaning: str


CODES: Final[dict[str, Code]] = {
    "unexpected": Code(
        UNEXPECTED, "Something happened that Lading did not foresee; the traceback is in the agent's log."
    ),
    "journal": Code(UNEXPECTED, "The agent's journal cannot be read or written, or a newer Lading wrote it."),
    "usage": Code(BAD_INPUT, "The command line's words do not fit together."),
    "manifest-missing": Code(BAD_INPUT, "No lading.toml was found in this directory or above it."),
    "manifest-exists": Code(BAD_INPUT, "There is a lading.toml already, and lading init never overwrites one."),
    "manifest-invalid": Code(BAD_INPUT, "The manifest has problems; all of them are listed with their places."),
    "not-supported": Code(BAD_INPUT, "The manifest asks for something this version does not do yet."),
    "unknown-environment": Code(BAD_INPUT, "The manifest or the agent has no environment of that name."),
    "unknown-release": Code(BAD_INPUT, "No release of that version is known to the agent."),
    "unknown-rollout": Code(BAD_INPUT, "The agent's journal has no rollout of that number."),
    "unknown-run": Code(BAD_INPUT, "The agent's journal has no run of a job of that number."),
    "unknown-job": Code(BAD_INPUT, "The release that the environment serves has no job of that name."),
    "unknown-output": Code(BAD_INPUT, "The run of a job left no file of that name, or it is not kept any more."),
    "no-virtualenv": Code(
        BAD_INPUT, "The project has no virtual environment of its own that its programs could run in."
    ),
    "source-dirty": Code(BAD_INPUT, "The work tree has uncommitted changes, and releases are built from commits."),
    "source-invalid": Code(BAD_INPUT, "The project is not a git repository with a commit, or the export failed."),
    "version-taken": Code(BAD_INPUT, "The version already names another digest; a version is never re-pointed."),
    "unpinned": Code(BAD_INPUT, "A dependency is not pinned by version and hash, so the build could change by itself."),
    "secret-in-source": Code(BAD_INPUT, "The artifact would carry a secret: an environment file or a known value."),
    "stack-refused": Code(BAD_INPUT, "A compose file asks for what a stack beside a project may not have."),
    "build-failed": Code(BAD_INPUT, "The build did not produce an artifact."),
    "migration-heads": Code(BAD_INPUT, "The migrations end in several heads, so there is no one schema to bring up."),
    "secret-missing": Code(REFUSED, "A required secret is missing or empty in the environment, or a placeholder."),
    "secret-source": Code(REFUSED, "A secret's command, variable or file gave no value, or is not allowed."),
    "secrets-unusable": Code(REFUSED, "An environment's secrets, or the key to them, cannot be read or written."),
    "policy": Code(REFUSED, "The receiving agent's policy does not take this release."),
    "bill": Code(REFUSED, "The release's bill is missing, untrusted, too old, revoked or tampered with."),
    "loosening": Code(REFUSED, "The request would loosen the receiving agent's policy."),
    "not-local": Code(REFUSED, "Only environments of tier local are brought up, taken down or worked on this way."),
    "isolation": Code(REFUSED, "The environment's policy does not accept the runtime's isolation."),
    "no-compose": Code(REFUSED, "The host cannot run stacks: there is no compose plugin, or the agent is not root."),
    "no-engine": Code(REFUSED, "The release is an image, and the host has no container engine that answers."),
    "platform": Code(REFUSED, "The artifact was built for another platform, C library or Python version."),
    "nothing-to-return-to": Code(REFUSED, "The environment has no earlier release to roll back to."),
    "preflight": Code(UNWOUND, "A condition for starting was not met; nothing had been touched."),
    "egress": Code(UNWOUND, "What programs may reach is to be restricted, and this host cannot do that."),
    "artifact-corrupt": Code(UNWOUND, "Stored bytes do not match their digest."),
    "no-space": Code(UNWOUND, "The disk is full."),
    "start-failed": Code(UNWOUND, "An instance could not be started or exited at once."),
    "engine-failed": Code(UNWOUND, "The container engine refused what it was asked, or did not do it."),
    "port-taken": Code(UNWOUND, "A port that is needed is taken by another program."),
    "health-failed": Code(UNWOUND, "An instance's health check did not pass in time."),
    "ready-failed": Code(UNWOUND, "An instance's ready check did not pass in time."),
    "smoke-failed": Code(UNWOUND, "A smoke check did not see what it expects."),
    "router-failed": Code(UNWOUND, "The router did not confirm the new routes."),
    "database-failed": Code(UNWOUND, "A database is not usable."),
    "migration-failed": Code(UNWOUND, "A migration failed; the database is as it was before."),
    "step-failed": Code(UNWOUND, "A step of the plan failed."),
    "cancelled": Code(UNWOUND, "The rollout was cancelled on request."),
    "watch-failed": Code(ROLLED_BACK, "The new release exceeded its error budget while it was watched."),
    "busy": Code(BUSY, "Another rollout holds the environment."),
    "agent-unreachable": Code(UNREACHABLE, "No agent answers at that address."),
    "agent-refused": Code(UNREACHABLE, "An agent answers, but does not speak this client's version of the interface."),
    "stack-failed": Code(UNEXPECTED, "A stack did not come up, or did not stop; what serves is untouched."),
    "host-failed": Code(
        UNEXPECTED,
        "A step of setting a host up failed; what was done before it stays, and what served goes on serving.",
    ),
    "registry-failed": Code(
        UNEXPECTED, "A registry refused what it was asked, or could not be reached; what served goes on serving."
    ),
    "store-failed": Code(
        UNEXPECTED, "An object store refused what it was asked, or could not be reached; files stay where they are."
    ),
    "job-failed": Code(JOB_FAILED, "A job was run and failed; its own exit status N is given on as 150 + N."),
    "stuck": Code(STUCK, "The undo failed for good; the old release serves and somebody has to look."),
}


class LadingError(Exception):
    """A failure with a code and four sentences; ``str`` gives them in the order a reader needs.

    ``doing`` names what was under way, ``happened`` what went wrong (with the place), ``now`` what is
    still true (what serves, what was left untouched) and ``hint`` the next step. ``details`` are further
    lines, such as the last output of an instance. None of them may hold a secret.
    """

    def __init__(
        self,
        code: str,
        *,
        doing: str = "",
        happened: str,
        now: str = "",
        hint: str = "",
        details: tuple[str, ...] = (),
    ) -> None:
        self.code = code
        self.doing = doing
        self.happened = happened
        self.now = now
        self.hint = hint
        self.details = details
        super().__init__(str(self))

    @property
    def exit_status(self) -> int:
        """The exit status of a command that ends with this error."""
        return CODES[self.code].exit_status

    def __str__(self) -> str:
        head = f"{self.doing}: {self.happened}" if self.doing else self.happened
        lines = [head, *(f"  {line}" for line in self.details)]
        if self.now:
            lines.append(f"  {self.now}")
        if self.hint:
            lines.append(f"  next:    {self.hint}")
        return "\n".join(lines)

    def to_plain(self) -> dict[str, Any]:
        """Return the error as JSON-ready data, as the API and the journal carry it."""
        return {
            "code": self.code,
            "doing": self.doing,
            "happened": self.happened,
            "now": self.now,
            "hint": self.hint,
            "details": list(self.details),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "LadingError":
        """Rebuild an error from :meth:`to_plain`; an unknown code of a newer agent becomes ``unexpected``."""
        code = plain.get("code", "unexpected")
        return cls(
            code if code in CODES else "unexpected",
            doing=plain.get("doing", ""),
            happened=plain.get("happened", ""),
            now=plain.get("now", ""),
            hint=plain.get("hint", ""),
            details=tuple(plain.get("details", ())),
        )
