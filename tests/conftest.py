"""Settings that hold for every test."""

import signal

import hypothesis

# Whoever starts the tests in the background of a script has made their programs deaf to Ctrl-C: many tests type it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine may stall for longer than any deadline; pytest's own time limit still holds.
hypothesis.settings.register_profile("lading", deadline=None)
hypothesis.settings.load_profile("lading")
