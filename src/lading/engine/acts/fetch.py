"""Verify the release's bytes and lay its layers out on the host."""

from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.plan import Fetch


def act(context: Context, step: Fetch) -> Done:
    """Lay out every layer, then verify blobs and trees; laid-out layers of an earlier release are used again."""
    layers = [layer for artifact in step.release.artifacts for layer in artifact.layers]
    for layer in layers:
        context.world.store.lay_out(layer)
    context.world.store.verify(step.release)
    size = sum(layer.size for layer in layers) / 1e6
    return Done(text=f"{len(layers)} layers verified, {size:.1f} MB", facts={"layers": len(layers)})
