"""What every Secrets store must keep, as tests: subclass it and give a ``secrets`` fixture, empty at first."""

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.secrets import Secrets

STAGE = "cashback/stage"
PRODUCTION = "cashback/production"


def refusal(secrets: Secrets, environment: str, name: str, version: int) -> LadingError:
    """Return the error that reading a secret must raise."""
    try:
        secrets.get(environment, name, version)
    except LadingError as error:
        return error
    raise AssertionError(f"{name} version {version} of {environment} was there")


class SecretsConformance:
    """The promises of the Secrets port."""

    def test_nothing_is_there_at_first(self, secrets: Secrets) -> None:
        """An environment nobody wrote to has no secrets, and asking for it creates none."""
        assert dict(secrets.versions(STAGE)) == {}
        assert dict(secrets.all_values()) == {}

    def test_what_was_put_is_got(self, secrets: Secrets) -> None:
        """A stored value comes back unchanged, line ends, quotes and other scripts included."""
        value = " two\nlines\r\n\"quoted\" 'so' = # ключ 🔑 "
        assert dict(secrets.put(STAGE, {"JWT_KEY": Secret(value)})) == {"JWT_KEY": 1}
        assert secrets.get(STAGE, "JWT_KEY", 1).reveal() == value

    def test_a_new_value_gets_the_next_version_and_earlier_ones_stay(self, secrets: Secrets) -> None:
        """Changing a secret keeps its earlier versions, so that a rollback finds what it was pinned to."""
        secrets.put(STAGE, {"JWT_KEY": Secret("first value")})
        assert dict(secrets.put(STAGE, {"JWT_KEY": Secret("second value")})) == {"JWT_KEY": 2}
        assert secrets.get(STAGE, "JWT_KEY", 1).reveal() == "first value"
        assert secrets.get(STAGE, "JWT_KEY", 2).reveal() == "second value"
        assert dict(secrets.versions(STAGE)) == {"JWT_KEY": 2}

    def test_an_unchanged_value_keeps_its_version(self, secrets: Secrets) -> None:
        """Putting the current value again changes nothing."""
        secrets.put(STAGE, {"A": Secret("value a"), "B": Secret("value b")})
        assert dict(secrets.put(STAGE, {"A": Secret("value a"), "B": Secret("value c")})) == {"A": 1, "B": 2}

    def test_other_names_are_left_alone(self, secrets: Secrets) -> None:
        """Putting one name neither changes nor removes another."""
        secrets.put(STAGE, {"A": Secret("value a")})
        secrets.put(STAGE, {"B": Secret("value b")})
        assert dict(secrets.versions(STAGE)) == {"A": 1, "B": 1}

    def test_environments_are_apart(self, secrets: Secrets) -> None:
        """One environment's secret is not there in another, nor in another project's of the same name."""
        secrets.put(STAGE, {"JWT_KEY": Secret("stage only")})
        assert dict(secrets.versions(PRODUCTION)) == {}
        assert refusal(secrets, PRODUCTION, "JWT_KEY", 1).code == "secret-missing"
        assert refusal(secrets, "other/stage", "JWT_KEY", 1).code == "secret-missing"

    def test_an_empty_value_is_missing(self, secrets: Secrets) -> None:
        """An empty value counts as missing, and the version before it stays readable."""
        secrets.put(STAGE, {"JWT_KEY": Secret("value")})
        secrets.put(STAGE, {"JWT_KEY": Secret("")})
        assert dict(secrets.versions(STAGE)) == {}
        assert refusal(secrets, STAGE, "JWT_KEY", 2).code == "secret-missing"
        assert secrets.get(STAGE, "JWT_KEY", 1).reveal() == "value"

    def test_versions_that_never_were_are_missing(self, secrets: Secrets) -> None:
        """Versions count from 1; 0, negative and future ones are not there."""
        secrets.put(STAGE, {"JWT_KEY": Secret("value")})
        for version in (-1, 0, 2):
            assert refusal(secrets, STAGE, "JWT_KEY", version).code == "secret-missing"

    def test_errors_name_the_place_and_no_value(self, secrets: Secrets) -> None:
        """An error names environment, secret and version, and shows no value of any secret."""
        secrets.put(STAGE, {"JWT_KEY": Secret("hunter2-hunter2")})
        text = str(refusal(secrets, STAGE, "JWT_KEY", 7))
        assert "JWT_KEY" in text
        assert STAGE in text
        assert "7" in text
        assert "hunter2" not in text

    def test_all_values_are_known_for_redaction(self, secrets: Secrets) -> None:
        """Every value of every environment and version is listed, empty ones excepted."""
        secrets.put(STAGE, {"A": Secret("old a"), "EMPTY": Secret("")})
        secrets.put(STAGE, {"A": Secret("new a")})
        secrets.put(PRODUCTION, {"A": Secret("production a")})
        assert sorted(value.reveal() for value in secrets.all_values().values()) == ["new a", "old a", "production a"]

    def test_the_store_shows_no_value(self, secrets: Secrets) -> None:
        """Printing the store or what it returns shows no value."""
        secrets.put(STAGE, {"A": Secret("hunter2-hunter2")})
        shown = f"{secrets!r} {secrets.versions(STAGE)!r} {secrets.all_values()!r} {secrets.get(STAGE, 'A', 1)!r}"
        assert "hunter2" not in shown
