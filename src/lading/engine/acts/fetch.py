"""Verify the release's bytes and make them ready to be started on the host."""

from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.plan import Fetch


def act(context: Context, step: Fetch) -> Done:
    """Lay out every layer of bundles and mounted files, verify blobs and trees, and hand images to the runtime.

    What an earlier release laid out or handed over is used again.
    """
    for artifact in step.release.artifacts:
        for layer in artifact.layers if artifact.kind != "image" else ():
            context.world.store.lay_out(layer)
    context.world.store.verify(step.release)
    context.world.runtime.prepare(step.release)
    layers = [layer for artifact in step.release.artifacts for layer in artifact.layers]
    size = sum(layer.size for layer in layers) / 1e6
    return Done(text=f"{len(layers)} layers verified, {size:.1f} MB", facts={"layers": len(layers)})
