"""The suite of docs/smoke.md, carried out for real on a program that it fits."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents import RealAgent, ended
from tests.support_agent import commit

pytestmark = pytest.mark.system

GUIDE = Path(__file__).parents[2] / "docs" / "smoke.md"
BLOCK = re.compile(r"^```(toml|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)

# What the guide takes for granted: a program on the standard library alone, so that nothing has to be installed.
MAIN = """
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path != "/status" or self.headers.get("Authorization") == "Bearer a-token"
        answers = {"/health": {"status": "up"}, "/ready": {"database": "ok"}, "/status": {"status": "ok"}}
        self.answer(200 if known else 401, answers[self.path] if known else {})

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = given == {"user": "smoke", "password": os.environ["SMOKE_PASSWORD"]}
        self.answer(200 if known else 401, {"access_token": "a-token"} if known else {})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
REPORT = """
import json
import os
from pathlib import Path

members, failed = 3, 0
{line}"""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RealAgent]:
    """An agent, and a project whose manifest is put together from the guide."""
    project = tmp_path / "club"
    project.mkdir()
    blocks = [(kind, text) for kind, text in BLOCK.findall(GUIDE.read_text())]
    tables = "\n".join(text for kind, text in blocks if kind == "toml").replace("uvicorn main:app", "python main.py")
    head = '[project]\nname = "club"\n[build.app]\nbundle = "requirements.txt"\n'
    (project / "lading.toml").write_text(f"{head}{tables}\n[environments.local]\n")
    (line,) = (text for kind, text in blocks if kind == "python")
    (project / "main.py").write_text(MAIN)
    (project / "report.py").write_text(REPORT.format(line=line).replace('"failed": 0', '"failed": failed'))
    (project / "requirements.txt").write_text("")
    commit(project, "first", "v1.0.0")
    made = RealAgent(tmp_path / "home", project)
    with ended([made]):
        yield made


def test_the_guides_suite_passes_and_catches(agent: RealAgent) -> None:
    """The guide's checks pass on a program that is well, and keep out one whose job ended with 0 and did half."""
    assert agent.lading("secrets", "set", "local", "SMOKE_PASSWORD", typed="let-me-in").exit == 0
    told = agent.lading("deploy", "local")
    assert (told.exit, told.outcome) == (0, "succeeded"), told.result
    report = agent.project / "report.py"
    report.write_text(report.read_text().replace("3, 0", "3, 2"))
    commit(agent.project, "half", "v1.1.0")
    told = agent.lading("deploy", "local")
    assert (told.exit, told.outcome) == (4, "unwound")
    assert "the report is whole" in told.error["doing"]
    assert told.error["happened"] == "report.json.failed is 2, expected 0"
    assert subprocess.run(["grep", "-r", "let-me-in", agent.home], capture_output=True, check=False).stdout == b""
