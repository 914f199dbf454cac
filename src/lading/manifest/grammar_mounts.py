"""What services and jobs have mounted: volumes, and files of the release's own source."""

from lading.manifest import words
from lading.manifest.kinds import Kind
from lading.manifest.tables import Either, Key, MapOf, Table
from lading.model.manifest import Volume


def named(item: Kind, what: str) -> MapOf:
    """Return a table from names of one's own to values."""
    return MapOf(item, f"tables such as {what}", names=words.NAME_PATTERN, name_rule=words.NAME_RULE)


VOLUMES = named(
    Either(
        words.ABSOLUTE,
        Table(
            (
                Key(
                    "env",
                    words.VARIABLE,
                    "The variable that tells the program the directory.",
                    example='"RECEIPTS_DIR"',
                ),
                Key(
                    "path", words.ABSOLUTE, "Where a container finds the directory mounted.", example='"/srv/receipts"'
                ),
            ),
            Volume,
        ),
        lambda path: Volume(path=path),
        should='an absolute path such as "/srv/receipts", or a table such as { env = "RECEIPTS_DIR" }',
    ),
    '{ receipts = { env = "RECEIPTS_DIR" } }',
)

FILES = MapOf(
    Either(
        words.ABSOLUTE,
        Table(
            (
                Key("env", words.VARIABLE, "The variable that tells the program the path.", example='"CONFIG_DIR"'),
                Key("path", words.ABSOLUTE, "Where a container finds it mounted.", example='"/app/config"'),
            ),
            Volume,
        ),
        lambda path: Volume(path=path),
        should='an absolute path such as "/app/config", or a table such as { env = "CONFIG_DIR" }',
    ),
    'a table such as { "config" = "/app/config" }',
    names=words.SOURCE_PATTERN,
    name_rule=words.SOURCE_RULE,
    label="SOURCE",
)
