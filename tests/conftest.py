"""Settings that hold for every test."""

import hypothesis

# A shared machine may stall for longer than any deadline; pytest's own time limit still holds.
hypothesis.settings.register_profile("lading", deadline=None)
hypothesis.settings.load_profile("lading")
