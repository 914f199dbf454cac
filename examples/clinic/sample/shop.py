"""A small patient: what every release of the clinic is tried on."""

API_KEY = "0123456789abcdef0123"  # so that there is something to find


def price(text):
    # TODO: read prices without running them
    try:
        return eval(text)
    except:
        return 0
