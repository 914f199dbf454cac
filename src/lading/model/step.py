"""What every step of a plan is, and how it prints itself."""

from typing import ClassVar

import msgspec

from lading.model.environment import InstanceSpec


class StepBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """Base of all steps."""

    critical: ClassVar[bool] = True
    undo_text: ClassVar[str] = ""

    @property
    def kind(self) -> str:
        """The step's kind, as shown and journaled."""
        return str(type(self).__struct_config__.tag)

    @property
    def subject(self) -> str:
        """Whom the step is about: instances, a service, a database."""
        return ""

    @property
    def detail(self) -> str:
        """What changes, in a few words."""
        return ""

    def __str__(self) -> str:
        return f"~ {self.kind:<14} {self.subject:<16} {self.detail}".rstrip()


def labels(specs: tuple[InstanceSpec, ...]) -> str:
    """Return the names by which people know the instances."""
    return " ".join(spec.label for spec in specs)
