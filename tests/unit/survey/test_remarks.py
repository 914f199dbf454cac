"""What a Dockerfile does badly is found by rule and line; a good one is left in peace."""

import pytest

from lading.survey.remarks import remarks

GOOD = """
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv==0.8.3
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev
FROM python:3.11-slim
COPY --from=build /app /app
USER 10001
CMD ["uvicorn", "shop:app"]
"""


def test_a_good_one_is_left_in_peace() -> None:
    """Two stages, versions, a lock, a user, words to start: nothing to say."""
    assert remarks(GOOD) == []
    assert remarks("") == []
    assert remarks("# nothing but a comment\nRUN true\n") == []


@pytest.mark.parametrize(
    ("before", "after", "rule", "line"),
    [
        ("USER 10001\n", "", "runs-as-root", 0),
        ("USER 10001", "USER root:root", "runs-as-root", 8),
        ("USER 10001", "USER 10001\nUSER 0", "runs-as-root", 9),
        ("FROM python:3.11-slim\n", "FROM python\n", "base-not-pinned", 6),
        ("FROM python:3.11-slim\n", "FROM reg:5000/team/base:latest\n", "base-not-pinned", 6),
        ("--frozen ", "", "no-lock", 5),
        ("uv==0.8.3", "uv", "no-lock", 3),
        ("uv sync --frozen --no-dev", "apt-get update && npm install", "no-lock", 5),
        ("uv sync --frozen --no-dev", "yarn install", "no-lock", 5),
        ('CMD ["uvicorn", "shop:app"]', "CMD uvicorn shop:app", "shell-as-pid-1", 9),
        ('CMD ["uvicorn", "shop:app"]', 'ENTRYPOINT ["/bin/sh", "-c", "uvicorn shop:app"]', "shell-as-pid-1", 9),
        ("USER 10001", "USER 10001\nENV API_TOKEN=abc123", "secret-in-image", 9),
        ("USER 10001", "USER 10001\nENV A=1 DB_PASSWORD='x y'", "secret-in-image", 9),
        ("USER 10001", "USER 10001\nARG NPM_TOKEN", "secret-in-image", 9),
    ],
)
def test_each_slip_is_found_where_it_is(before: str, after: str, rule: str, line: int) -> None:
    """One remark a slip, with the line and what helps, and never a value."""
    (found,) = remarks(GOOD.replace(before, after))
    assert (found.rule, found.line) == (rule, line)
    assert found.remedy
    assert "abc123" not in str(found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM python:3.11-slim\n", "FROM python@sha256:0123\n"),
        ("FROM python:3.11-slim\n", "ARG BASE=python\nFROM $BASE\n"),
        ("uv sync --frozen --no-dev", "pip install --upgrade pip && pip install -r requirements.txt"),
        ("uv sync --frozen --no-dev", "npm ci && npm install -g pnpm"),
        ("uv sync --frozen --no-dev", "pip install ."),
        ('CMD ["uvicorn", "shop:app"]', "CMD exec uvicorn shop:app"),
        ('CMD ["uvicorn", "shop:app"]', 'CMD ["sh", "-c", "alembic upgrade head && exec uvicorn shop:app"]'),
        ('CMD ["uvicorn", "shop:app"]', 'ENTRYPOINT ["python"]\nCMD app.py'),
        ("USER 10001", "USER root\nRUN chown 10001 /srv\nUSER 10001\nENV TOKEN_FILE=/run/token"),
    ],
)
def test_what_only_looks_bad_is_not_told(before: str, after: str) -> None:
    """A rule that cries wolf is switched off by whoever reads it."""
    assert remarks(GOOD.replace(before, after)) == []


def test_a_stage_has_what_it_builds_on() -> None:
    """The user of a stage that another one begins with counts for that one too."""
    text = 'FROM python:3.11-slim AS base\nUSER 10001\nFROM base\nCMD ["python"]\n'
    assert remarks(text) == []
