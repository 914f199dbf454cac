"""How a runtime says that an instance could not be started."""

from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError


def start_failed(spec: InstanceSpec, happened: str, *, hint: str = "", details: tuple[str, ...] = ()) -> LadingError:
    """Return the error that says why an instance could not be started."""
    return LadingError(
        "start-failed",
        doing=f"starting {spec.label} of {spec.version} in {spec.project}/{spec.environment}",
        happened=happened,
        now="nothing of it runs; what served before is untouched",
        hint=hint,
        details=details,
    )
