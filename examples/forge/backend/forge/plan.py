"""From answers to a plan: the files of a workspace, in the order in which they are written."""

import json
from typing import Any

START = {
    "service": 'async def app(scope, receive, send):\n    """Answer every request."""\n    raise NotImplementedError\n',
    "command": 'def main() -> None:\n    """Do what the command is for."""\n    raise NotImplementedError\n',
    "library": '"""What others import."""\n',
}


def plan(answers: dict[str, Any]) -> list[dict[str, str]]:
    """Return every file with its content; the same answers give the same plan."""
    package = answers["name"].replace("-", "_")
    about = answers["about"] or f"The {answers['kind']} {answers['name']}."
    files = {
        "README.md": f"# {answers['name']}\n\n{about}\n",
        "pyproject.toml": f'[project]\nname = {json.dumps(answers["name"])}\nversion = "0.1.0"\n',
        f"{package}/__init__.py": f'"""{about}"""\n'.replace("\\", "\\\\"),
        f"{package}/main.py": START[answers["kind"]],
    }
    if answers["tests"]:
        files[f"tests/test_{package}.py"] = (
            f"import {package}\n\n\ndef test_it_is_there():\n    assert {package}.__doc__\n"
        )
    return [{"path": path, "content": content} for path, content in files.items()]
