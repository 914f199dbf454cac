"""What a URL says of where something is, without who one is there."""

from urllib.parse import urlsplit


def endpoint(value: str) -> str:
    """Return ``scheme://host:port`` of a URL, and its path; empty for what is none. User, password, query and fragment
    are left out: they may be secret.
    """
    scheme, separator, _ = value.strip().partition("://")
    if not separator or not scheme.replace("+", "").replace("-", "").isalnum():
        return ""
    try:
        parts = urlsplit(value.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{f':{port}' if port is not None else ''}{parts.path.rstrip('/')}"
