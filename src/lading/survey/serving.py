"""Decides how the web service is started and asked: server, command, port, health, ready, Host header."""

from typing import NamedTuple

from lading.survey.apps import ASGI, TITLES
from lading.survey.commands import dissect, joined, listening, server_of
from lading.survey.layout import Row, inline, text
from lading.survey.values import App, Place, Route, Survey

OWN_PATHS = {"streamlit": "/_stcore/health", "gradio": "/"}  # what tells readiness without any route of the program
ANSWERS = {"fastapi": "/openapi.json", "litestar": "/schema/openapi.json"}
USUAL_PORT = {"flask": 5000, "streamlit": 8501, "gradio": 7860}
ANY_ANSWER = (200, 204, 301, 302, 303, 307, 308, 401, 403, 404, 405)  # that the program gives one is all one knows
LOCAL = ("127.0.0.1", "localhost", "*")
ASGI_SERVERS = ("uvicorn", "hypercorn", "granian", "daphne")
WSGI_SERVERS = ("gunicorn", "waitress")
BRINGS = {"fastapi[standard]": "uvicorn", "fastapi[all]": "uvicorn", "uvicorn[standard]": "uvicorn",
          "litestar[standard]": "uvicorn", "fastapi-cli": "uvicorn"}  # fmt: skip


class Start(NamedTuple):
    """The web service's command, why it is so, and the package that has yet to be added for it."""

    command: str
    reason: str
    missing: str = ""


def start_of(survey: Survey) -> Start | None:
    """Return how the web service starts, None where nothing says so."""
    app = survey.app
    if survey.web is not None:
        parts = dissect(survey.web.command)
        server = server_of(parts.words)
        if server is not None:
            reason = f"{survey.web.place}; the runtime says where to listen"
            return Start(joined(listening(parts.words, server)), reason, _missing(survey, server))
        return Start(joined(parts.words), f"{survey.web.place}; it must listen at HOST and PORT")
    if app is None:
        return None
    if app.framework in ("streamlit", "gradio"):
        return _script(survey, app)
    return _served(survey, app)


def _script(survey: Survey, app: App) -> Start:
    context = survey.dependencies.context
    path = app.place.file.removeprefix("" if context == "." else f"{context}/")
    reason = f"{app.place}  {TITLES[app.framework]}"
    if app.framework == "streamlit":
        return Start(joined(listening(["streamlit", "run", path], "streamlit")), reason)
    # No shell reads the command, and Gradio reads variables only.
    variables = "GRADIO_SERVER_NAME={host} GRADIO_SERVER_PORT={port}"
    return Start(f"env {variables} python {path}", reason)


def _served(survey: Survey, app: App) -> Start:
    packages = survey.dependencies.packages
    brought = packages | {server for package, server in BRINGS.items() if package in packages}
    asgi = app.framework in ASGI
    servers = (*ASGI_SERVERS, "gunicorn") if asgi else WSGI_SERVERS
    server = next((name for name in servers if name in brought), None)
    if server is None and app.framework == "django" and "uvicorn" in brought:
        server = "uvicorn"
    missing = "" if server else "uvicorn" if asgi else "gunicorn"
    words = _words(server or missing, app, asgi=asgi)
    reason = f"{app.place}  {_seen(app)}"
    if server == "uvicorn" or missing == "uvicorn":
        reason += "; the runtime says where to listen"
    return Start(joined(words), reason, missing)


def _seen(app: App) -> str:
    title = TITLES.get(app.framework, "Django")
    if app.factory:
        return f"{title}, made by {app.name}()"
    return f"{app.name} = {title}(…)" if title != "Django" else f"Django's {app.name}"


def _words(server: str, app: App, *, asgi: bool) -> list[str]:
    target = f"{app.module}:{app.name}"
    if app.framework == "django" and server == "uvicorn":
        target = target.replace(".wsgi:", ".asgi:")
    factory = ["--factory"] if app.factory else []
    if server == "waitress":
        words = ["waitress-serve", *(["--call"] if app.factory else []), target]
        return listening(words, "waitress-serve")
    if server == "gunicorn":
        worker = ["--worker-class", "uvicorn.workers.UvicornWorker"] if asgi else []
        return listening(["gunicorn", *worker, f"{target}()" if app.factory else target], "gunicorn")
    if server == "granian":
        return listening(["granian", "--interface", "asgi", *factory, target], "granian")
    return listening([server, *(factory if server == "uvicorn" else []), target], server)


def _missing(survey: Survey, server: str) -> str:
    packages = survey.dependencies.packages
    brought = packages | {name for package, name in BRINGS.items() if package in packages}
    package = "waitress" if server == "waitress-serve" else server
    return package if server in (*ASGI_SERVERS, "gunicorn", "waitress-serve") and package not in brought else ""


def port_row(survey: Survey) -> Row:
    """Return the service's port and where it is from."""
    if survey.port is not None:
        return Row("port", str(survey.port[0]), survey.port[1])
    return Row(
        "port", str(USUAL_PORT.get(_framework(survey), 8000)), "the usual one; each instance gets one of its own"
    )


def host_of(survey: Survey) -> str:
    """Return the Host header that probes have to send, empty where their own is taken."""
    hosts = survey.hosts.hosts if survey.hosts is not None else None
    if not hosts or any(host in LOCAL for host in hosts):
        return ""
    return hosts[0].removeprefix(".")


class Probes(NamedTuple):
    """The rows of health and ready, the smoke step's path and status, and what is not sure about them."""

    rows: tuple[Row, ...]
    smoke: tuple[Row, ...]
    doubts: tuple[str, ...]


def probes_of(survey: Survey) -> Probes:
    """Return how the web service is asked whether it lives, is ready, and works."""
    host = host_of(survey)
    health = survey.health
    rows = [Row("health", _probe(health.path, host), f"{health.place}: the process is up")] if health else []
    target, reason = _readiness(survey, health)
    doubts = [] if survey.ready is not None or _framework(survey) in OWN_PATHS else [_undecided(health)]
    status = () if target != "" else ANY_ANSWER
    rows.append(Row("ready", _probe(target or "/", host, status), reason))
    return Probes(tuple(rows), tuple(_smoke(survey, target, host)), tuple(doubts))


def _framework(survey: Survey) -> str:
    return survey.app.framework if survey.app is not None else ""


def _undecided(health: Route | None) -> str:
    if health is not None:
        return "no ready route was found: one that asks the database tells Lading when requests may come"
    return "no health or ready route was found: /health and /ready that answer 200 tell Lading how the program is"


def _readiness(survey: Survey, health: Route | None) -> tuple[str, str]:
    """Return the path that tells readiness, empty for none, and the reason."""
    if _framework(survey) in OWN_PATHS:
        return OWN_PATHS[_framework(survey)], f"{TITLES[_framework(survey)]} brings it"
    if survey.ready is not None:
        return survey.ready.path, f"{survey.ready.place}: requests may come"
    if health is not None:
        return health.path, "no ready route was found; better one that asks the database"
    if survey.front is not None:
        return survey.front.path, f"{survey.front.place}: no ready route was found, so this page has to answer"
    framework = _framework(survey)
    if framework in ANSWERS and survey.tells_openapi:
        return ANSWERS[framework], f"no ready route was found; {TITLES[framework]} answers here by itself"
    return "", "nothing was found that answers, so that any answer comes is all that is asked"


def _probe(path: str, host: str, status: tuple[int, ...] = ()) -> str:
    if not host and not status:
        return text(path)
    pairs = [("path", text(path))]
    pairs += [("status", str(list(status)))] if status else []
    pairs += [("host", text(host))] if host else []
    return inline(pairs)


def _smoke(survey: Survey, target: str, host: str) -> list[Row]:
    # Any other page may be slow, a stream, or not what everybody may see.
    front = survey.front if survey.front is not None and survey.front.path == "/" else None
    if _framework(survey) in ("streamlit", "gradio"):
        front = Route(path="/", place=Place("the page itself"))
    path, place = (
        (front.path, f"{front.place}") if front is not None else (target or "/", "the path that tells readiness")
    )
    rows = [
        Row(
            "name",
            text("the front page answers" if path == "/" else f"{path} answers"),
            "add what matters most to your users",
        ),
        Row("get", text(path), place),
    ]
    if host:
        rows.append(Row("headers", inline([("Host", text(host))]), "the program takes no other Host header"))
    expected = "200" if target or front is not None else str(list(ANY_ANSWER))
    rows.append(Row("expect", inline([("status", expected)]), "what it answers; json = { … } asks for more"))
    return rows
