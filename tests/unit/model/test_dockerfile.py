"""What a Dockerfile says before it is built."""

import pytest

from lading.model.dockerfile import base_images, frontend, instructions, only_buildkit

TEXT = """\
# syntax=docker/dockerfile:1
ARG BASE=python:3.11-slim
FROM python:3.11-slim AS build
# a comment
RUN --mount=type=cache,target=/root/.cache \\
    # a comment between
    pip install \\
    flask
FROM build AS test
FROM --platform=linux/amd64 nginx:alpine
COPY --from=build /a /b
COPY --link --chmod=755 run.sh /
RUN <<EOF
echo hello
EOF
FROM scratch
"""


def test_instructions_are_joined_and_numbered() -> None:
    """Continued lines are one instruction, known by its first line; comments are none."""
    found = dict(instructions(TEXT))
    assert found[2] == "ARG BASE=python:3.11-slim"
    assert found[5].split() == ["RUN", "--mount=type=cache,target=/root/.cache", "pip", "install", "flask"]
    assert 4 not in found


def test_base_images_are_those_of_others() -> None:
    """Own stages and scratch are nothing that must be fetched."""
    assert base_images(TEXT) == ("python:3.11-slim", "nginx:alpine")


def test_what_only_buildkit_can_do_is_named_by_line() -> None:
    """Every such place is named at once."""
    assert only_buildkit(TEXT) == ["5  RUN --mount", "12  COPY --link", "12  COPY --chmod", "13  a here-document"]


def test_an_ordinary_dockerfile_needs_no_buildkit() -> None:
    """What the classic builder can do is not complained of, whatever its arguments look like."""
    assert only_buildkit("FROM a\nRUN x --mount=1\nCOPY --from=b --chown=1:1 c d\nRUN echo $((1<<2))\n") == []


@pytest.mark.parametrize(
    ("text", "image"),
    [
        (TEXT, "docker/dockerfile:1"),
        ("# escape=`\n# syntax = docker/dockerfile:1.7\nFROM a", "docker/dockerfile:1.7"),
        ("FROM a\n# syntax=late\n", ""),
        ("# only words\nFROM a", ""),
    ],
)
def test_a_frontend_is_what_the_first_lines_say(text: str, image: str) -> None:
    """Directives stand above everything else; later ones are comments."""
    assert frontend(text) == image
