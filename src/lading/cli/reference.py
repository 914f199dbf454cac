"""Writes the reference pages from the very tables that the program runs by: ``python -m lading.cli.reference``."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from lading.cli.base import global_options
from lading.cli.examples import EXAMPLES
from lading.cli.main import INTERRUPTED, cli
from lading.doctor.kinds import KINDS
from lading.model.errors import CODES, EXIT_STATUSES, JOB_STATUS
from lading.model.remedies import REMEDIES
from lading.model.rollout import EXIT_OF_OUTCOME

_GLOBAL = {option.name for option in global_options()}

_OUTCOMES = {
    "succeeded": "the new release serves (or already did)",
    "refused": "nothing was opened: policy, bill, usage or a busy environment; the error says which",
    "unwound": "it failed before the cutover; the old release serves, nothing is left of the new one",
    "cancelled": "somebody turned it back; the old release serves",
    "rolled_back": "it had been given requests, all or a share, and was taken back; the old release serves",
    "stuck": "even the way back failed; the old release serves, an alert is raised, somebody has to look",
}


def cli_page() -> str:
    """Return the page of all commands, as their help says it."""
    parts = [
        "# Commands",
        "",
        "This page is made from the program's own help: `python -m lading.cli.reference`.",
        "",
        "Every command takes the global options, before or after its name:",
        "",
        *_options(global_options()),
        "",
        "What a command prints for scripts with `--json`, and every exit status: [errors](errors.md).",
    ]
    with click.Context(cli, info_name="lading") as root:
        for name in cli.list_commands(root):
            command = cli.get_command(root, name)
            assert command is not None
            parts += _command(command, ["lading", name], root)
    return "\n".join(parts) + "\n"


def _command(command: click.Command, path: list[str], parent: click.Context) -> Iterator[str]:
    with click.Context(command, info_name=path[-1], parent=parent) as context:
        yield from ("", f"{'#' * len(path)} {' '.join(path)}", "")
        usage = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
        yield from (f"`{' '.join([*path, *usage])}`", "", _paragraphs(command.help or ""))
        own = [parameter for parameter in command.params if parameter.name not in _GLOBAL]
        options = [parameter for parameter in own if isinstance(parameter, click.Option)]
        if options:
            yield from ("", *_options(options))
        examples = EXAMPLES.get(" ".join(path[1:]), ())
        if examples:
            yield from ("", "```sh", *examples, "```")
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                verb = command.get_command(context, name)
                assert verb is not None
                yield from _command(verb, [*path, name], context)


def _paragraphs(text: str) -> str:
    import inspect

    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _options(options: "list[click.Option] | list[click.Parameter]") -> Iterator[str]:
    context = click.Context(click.Command("lading"))
    for option in options:
        record = option.get_help_record(context)
        if record is not None:
            yield f"- `{record[0]}`: {' '.join(record[1].split())}"


def errors_page() -> str:
    """Return the page of exit statuses, outcomes and error codes."""
    parts = [
        "# Exit statuses and errors",
        "",
        "This page is made from the program's own tables: `python -m lading.cli.reference`.",
        "",
        "## Exit statuses",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| {status} | {meaning} |" for status, meaning in EXIT_STATUSES.items()),
        f"| {INTERRUPTED} | interrupted by Ctrl-C: what was accepted (a rollout, a run) goes on, what came before is "
        "given up |",
        f"| {JOB_STATUS} + N | `lading run`: the job ended with its own exit status N (255 for any from "
        f"{255 - JOB_STATUS} on) |",
        "",
        "`lading attest` ends with the exit status of the command it ran. `lading doctor` ends with 1 when it found a",
        "problem, `lading diff --exit-code` when it found a difference.",
        "",
        "## Outcomes of a rollout",
        "",
        "| outcome | exit status | meaning |",
        "|---|---|---|",
        *(f"| `{outcome}` | {EXIT_OF_OUTCOME[outcome]} | {meaning} |" for outcome, meaning in _OUTCOMES.items()),
        "",
        "A refusal ends with the exit status of its error: 3 by policy, 6 when busy, 2 for bad input.",
        "`lading rollback` and `lading cancel` that turn a running rollout back end with 0: the old release serves.",
        "",
        "## Error codes",
        "",
        "Every error has a code, and says what was being done, what happened, what is true now and what to do next.",
        "`lading explain CODE` prints the row of a code. With `--json` it is the last line of the output:",
        '`{"error": {"code", "doing", "happened", "now", "hint", "details"}}`.',
        "",
        "| code | exit status | meaning |",
        "|---|---|---|",
        *(f"| `{code}` | {row.exit_status} | {row.meaning} |" for code, row in CODES.items()),
        "",
        "## Output for scripts",
        "",
        'With `--json` every line is a JSON object: first the events as `{"event": …}`, last the result.',
        "",
        "| command | result |",
        "|---|---|",
        '| `release` | `{"release": {"version", "digest", "kind"}}` |',
        '| `deploy`, `promote`, `rollback`, `cancel`, `follow` | `{"rollout": {"id", "environment", "release", '
        '"previous", "outcome", "seconds", "lost_requests", "requests", "steps"}}` |',
        '| `status` | `{"environments": [{"name", "release", "digest", "url", "instances": [...]}]}` |',
        "",
        'A rollout that was refused has `"id": null`; one that did not succeed has an `"error"` beside `"rollout"`.',
        "These keys are stable; further keys may be added to environments, instances and events.",
    ]
    return "\n".join(parts) + "\n"


def doctor_page() -> str:
    """Return the page of everything that ``lading doctor`` may find."""
    parts = [
        "# Doctor",
        "",
        "This page is made from the program's own table: `python -m lading.cli.reference`.",
        "",
        "`lading doctor` looks for what is wrong here, in the project, and at the agents of its environments. It",
        "starts and changes nothing, and works also where no agent runs or one does not answer: then it looks at the",
        "agent's home from here, if that is on this machine. Every finding comes with its remedy. The exit status is",
        "0 when nothing is wrong and 1 when there is a problem; a warning should be known and does not count, unless",
        'with `--strict`. `--json` gives `{"doctor": {"healthy", "findings": [{"where", "code", "level", "subject",',
        '"text", "remedy"}]}}`.',
        "",
        "| code | level | meaning | remedy |",
        "|---|---|---|---|",
        *(
            f"| `{code}` | {kind.level} | {kind.meaning} | {kind.remedy or '–'} |"
            for code, kind in KINDS.items()
            if code != "ok"
        ),
    ]
    return "\n".join(parts) + "\n"


def remedies() -> str:
    """Return a section for every error code: what it means, what is still true, what to do."""
    lacking = [code for code in CODES if code not in REMEDIES]
    assert not lacking, f"add a row to REMEDIES in lading/model/remedies.py for: {', '.join(lacking)}"
    parts = []
    for code, row in CODES.items():
        remedy = REMEDIES[code]
        parts += [
            f"### `{code}`",
            "",
            f"{row.meaning} Exit status {row.exit_status}.",
            "",
            f"- still true: {remedy.still}",
            f"- to do: {remedy.do}",
            "",
        ]
    return "\n".join(parts)


def filled(text: str, part: str) -> str:
    """Return a page with what stands between its two marks ``<!-- made … -->`` and ``<!-- end -->`` made anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "the page has a mark where its made part begins"
    assert end, "and one where it ends"
    return f"{before}{begin}\n\n{part}\n{end}{after}"


BEGIN, END = "<!-- made by python -m lading.cli.reference -->", "<!-- end -->"
PARTS = {"troubleshooting.md": remedies}
PAGES = {"cli.md": cli_page, "errors.md": errors_page, "doctor.md": doctor_page}


def main() -> int:
    """Write the pages into the directory of the first argument (``docs`` unless given)."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    for name, page in PAGES.items():
        (directory / name).write_text(page())
    for name, part in PARTS.items():
        (directory / name).write_text(filled((directory / name).read_text(), part()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
