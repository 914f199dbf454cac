"""Serve a directory: ``python -m lading.static --ready PATH DIRECTORY``; PORT and HOST say where.

Never as root: whoever starts it as root says by ``--user`` whose it is to be. It becomes that before it listens, once
all its code is loaded and it stands in the directory, so that user need not be able to pass the directories above.
"""

import argparse
import os
import sys
from pathlib import Path

import anyio
import uvicorn

from lading.static.directory import Directory
from lading.static.server import Server
from lading.static.user import become

KEEP_ALIVE = 5  # seconds; longer than the router keeps connections that nobody uses


def main() -> None:
    """Serve until asked to end."""
    parser = argparse.ArgumentParser(prog="lading.static", description="Serve the files of a directory.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--ready", required=True, help="the path that answers once files are served")
    parser.add_argument("--user", type=int, help="the number of the user and group to become, where it starts as root")
    given = parser.parse_args()
    if os.geteuid() == 0 and not given.user:
        sys.exit("files are not served as root: name another user's number by --user")
    os.chdir(given.directory)
    directory = Directory(Path())
    if not len(directory):
        sys.exit(f"{given.directory} holds no file to serve")
    server = _server(directory, given.ready)
    if given.user is not None:
        try:
            become(given.user)
        except OSError as error:
            sys.exit(f"files are not served as root, and it cannot become user {given.user}: {error.strerror}")
    sys.stdout.write(f"serving {len(directory)} files\n")
    sys.stdout.flush()
    server.run()


def _server(directory: Directory, ready: str) -> uvicorn.Server:
    """Return the server with all its code loaded: the user it becomes may be unable to reach any of it."""
    config = uvicorn.Config(
        Server(directory, ready),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http="h11",
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        proxy_headers=False,
    )
    config.load()
    config.get_loop_factory()
    anyio.run(_open_once)
    return uvicorn.Server(config)


async def _open_once() -> None:
    """Open a file as answers do: what this takes is loaded when it is first asked for."""
    async with await anyio.open_file(os.devnull):
        pass


if __name__ == "__main__":
    main()
