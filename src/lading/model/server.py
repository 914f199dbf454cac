"""A database that has a server: what its parts are called, and how programs are told of it.

A definition gives templates, which hold no secret; what stands in braces is filled in when a program is started, from
the password that Lading made, or from the whole URL that somebody stored as a secret.
"""

import re
from urllib.parse import quote, unquote, urlsplit

from lading.model.environment import Login, Told
from lading.model.manifest import Database
from lading.model.secret import Secret

PORT = 5432
SCHEME = "postgresql"
VERSION = "17"  # of the server, unless the manifest names one
# May do everything on a server that Lading runs; no project's role can be called so.
ADMIN = "lading-admin"
DOMAIN = "internal"  # kept for private use; with a dot in it, a name is asked for as it stands

_FIELD = re.compile(r"\{(scheme|rest|host|port|user|password|name)\}")


def role_of(project: str) -> str:
    """Return what a project's role and its database are called on a server of its own."""
    return re.sub(r"[^a-z0-9_]", "_", project.lower())


def host_of(name: str) -> str:
    """Return the name under which containers find a database's server."""
    return f"{name}.{DOMAIN}"


def password_name(name: str) -> str:
    """Return the name of the secret that is a database's password; no user's secret can be called so."""
    return f"database {name}"


def admin_of(name: str) -> str:
    """Return what stands for the administrator of a database's server where passwords are named."""
    return f"{name} admin"


def is_password(secret: str) -> bool:
    """Tell whether a secret is the password of a database that Lading runs."""
    return " " in secret


def image_of(database: Database) -> str:
    """Return the image of a database's server."""
    return f"postgres:{database.version or VERSION}"


def major_of(image: str | None) -> str:
    """Return the major version that an image's tag names: data of one cannot be read by another."""
    return re.split(r"[.-]", (image or "").rpartition(":")[2])[0]


def login_of(project: str, name: str, version: int, server: str) -> Login:
    """Return how the server that Lading runs for a database is reached."""
    role = role_of(project)
    return Login(secret=password_name(name), version=version, server=server, user=role, name=role)


def admin_login(project: str, name: str, version: int, server: str) -> Login:
    """Return how Lading itself reaches the server that it runs for a database, to do what programs may not."""
    secret = password_name(admin_of(name))
    return Login(secret=secret, version=version, server=server, user=ADMIN, name=role_of(project))


def told(database: Database, login: Login, host: str) -> dict[str, Told]:
    """Return the variables that tell programs of a database: its URL and its parts, from one definition.

    ``host`` is what stands for its server's name; ``{host}`` leaves it to the moment of the start.
    """
    scheme = database.url_scheme
    if login.server:
        scheme = scheme or SCHEME
        whole = f"{scheme}://{login.user}:{{password}}@{host}:{PORT}/{login.name}"
        parts = {"host": host, "port": str(PORT), "user": login.user, "password": "{password}", "name": login.name}
    else:
        whole = f"{scheme or '{scheme}'}://{{rest}}"
        parts = {part: f"{{{part}}}" for part in ("host", "port", "user", "password", "name")}
    templates = {} if database.env is None else {database.env: whole}
    templates |= {variable: parts[part] for variable, part in database.env_parts.items()}
    return {
        variable: Told(
            template=template,
            secret=login.secret,
            version=login.version,
            server=login.server if "{host}" in template else "",
        )
        for variable, template in templates.items()
    }


def fill(template: str, value: Secret, host: str = "") -> Secret:
    """Return a template with what stands in braces filled in: from a password and a host, or from a whole URL."""
    fields = fields_of(value.reveal()) if "://" in value.reveal() else {"password": value.reveal(), "host": host}
    return Secret(_FIELD.sub(lambda found: fields.get(found[1], ""), template))


def fields_of(url: str) -> dict[str, str]:
    """Return the parts of a URL; raise ValueError, which repeats nothing of it, for one that lacks some."""
    scheme, _, rest = url.strip().partition("://")
    parts = urlsplit(url.strip())
    try:
        port = parts.port or PORT
    except ValueError:
        # Without its text, which may be a piece of a password that was not quoted.
        raise ValueError("its port is no number") from None
    if not parts.hostname:
        raise ValueError("it names no host")
    if not parts.path.lstrip("/"):
        raise ValueError("it names no database")
    return {
        "scheme": scheme,
        "rest": rest,
        "host": parts.hostname,
        "port": str(port),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "name": unquote(parts.path.lstrip("/")),
    }


def why_no_url(value: str) -> str:
    """Say why a text is no URL of a database, without repeating it; empty where it is one."""
    if "://" not in value:
        return "it is no URL"
    try:
        fields_of(value)
    except ValueError as error:
        return str(error)
    return ""


def url_of(login: Login, password: Secret, host: str) -> Secret:
    """Return the URL under which the agent itself reaches a server."""
    if not login.server:
        if why := why_no_url(password.reveal()):
            raise ValueError(why)
        return fill(f"{SCHEME}://{{rest}}", password)
    user, name = quote(login.user, safe=""), quote(login.name, safe="")
    return fill(f"{SCHEME}://{user}:{{password}}@{{host}}:{PORT}/{name}", password, host)
