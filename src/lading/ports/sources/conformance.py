"""What every adapter of SecretSources must keep, as tests: subclass it and give a ``bench`` fixture."""

from typing import Protocol

from lading.model.environment_table import SecretSource
from lading.model.errors import LadingError
from lading.ports.sources import SecretSources

STAGE = "cashback/stage"
OTHER = "cashback/production"
CANARY = "canary-4711-canary"


class Bench(Protocol):
    """An adapter with sources made for it; all that ``make`` gives is allowed to :data:`STAGE` and to nobody else."""

    sources: SecretSources

    def make(self, value: str) -> SecretSource:
        """Return a source that gives the value, a new one each time."""
        ...

    def change(self, source: SecretSource, value: str) -> None:
        """Let the source give another value from now on."""
        ...

    def was_asked(self, source: SecretSource) -> bool:
        """Tell whether anybody got as far as to ask the source."""
        ...


def refusal(bench: Bench, environment: str, **sources: SecretSource) -> LadingError:
    """Return the error that fetching must raise."""
    try:
        bench.sources.fetch(environment, sources)
    except LadingError as error:
        return error
    raise AssertionError(f"{', '.join(sources)} came")


class SourcesConformance:
    """The promises of the SecretSources port."""

    def test_the_value_comes_as_it_is(self, bench: Bench) -> None:
        """Spaces, quotes, line ends within and other scripts stay."""
        value = " two\nlines \"quoted\" 'so' $HOME `x` = # ключ 🔑 "
        assert bench.sources.fetch(STAGE, {"KEY": bench.make(value)})["KEY"].reveal() == value

    def test_one_line_end_is_left_out(self, bench: Bench) -> None:
        """Programs end their output with a line end, which is no part of the value."""
        assert bench.sources.fetch(STAGE, {"KEY": bench.make("value\n")})["KEY"].reveal() == "value"

    def test_the_present_value_comes(self, bench: Bench) -> None:
        """A value that was changed elsewhere is seen at the next call."""
        source = bench.make("before")
        bench.sources.fetch(STAGE, {"KEY": source})
        bench.change(source, "after")
        assert bench.sources.fetch(STAGE, {"KEY": source})["KEY"].reveal() == "after"

    def test_all_come_or_each_that_does_not_is_named(self, bench: Bench) -> None:
        """An empty value is none; everything that is wrong is said at once, and nothing that is right."""
        error = refusal(bench, STAGE, GOOD=bench.make(CANARY), ONE=bench.make(""), TWO=bench.make("\n"))
        assert error.code == "secret-source"
        assert "ONE" in str(error)
        assert "TWO" in str(error)
        assert "GOOD" not in str(error)

    def test_what_is_not_allowed_is_not_touched(self, bench: Bench) -> None:
        """Another environment gets nothing of what is allowed to one, and its source is not asked."""
        source = bench.make(CANARY)
        error = refusal(bench, OTHER, KEY=source)
        assert (error.code, "not allowed" in str(error)) == ("secret-source", True)
        assert not bench.was_asked(source)

    def test_no_value_is_shown(self, bench: Bench) -> None:
        """Neither an error nor what is returned shows a value."""
        found = bench.sources.fetch(STAGE, {"KEY": bench.make(CANARY)})
        error = refusal(bench, STAGE, KEY=bench.make(CANARY), BAD=bench.make(""))
        assert CANARY not in f"{found!r} {error} {bench.sources!r}"

    def test_nothing_asked_is_nothing_got(self, bench: Bench) -> None:
        """Without sources nothing is done."""
        assert dict(bench.sources.fetch(OTHER, {})) == {}
