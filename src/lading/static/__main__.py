"""Serve a directory: ``python -m lading.static --ready PATH DIRECTORY``; PORT and HOST say where."""

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from lading.static.directory import Directory
from lading.static.server import Server

KEEP_ALIVE = 5  # seconds; longer than the router keeps connections that nobody uses


def main() -> None:
    """Serve until asked to end."""
    parser = argparse.ArgumentParser(prog="lading.static", description="Serve the files of a directory.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--ready", required=True, help="the path that answers once files are served")
    given = parser.parse_args()
    directory = Directory(given.directory)
    if not len(directory):
        sys.exit(f"{given.directory} holds no file to serve")
    sys.stdout.write(f"serving {len(directory)} files\n")
    uvicorn.run(
        Server(directory, given.ready),
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


if __name__ == "__main__":
    main()
