"""What is on disk and cannot be read just now is not taken for nothing: the next change would make it true."""

from pathlib import Path

import pytest

from lading.model.environment import Backend, Routes, ServiceRoute
from lading.model.errors import LadingError
from lading.router.file import RouteFile
from lading.router.identity import read_json
from lading.router.render import Surroundings, render
from lading.router.room import Room

WEB = ServiceRoute(service="web", backends=(Backend(instance="w", address="127.0.0.1:1"),))
SHOP = Routes(environment="shop/stage", generation="r1", port=7300, services=(WEB,))


def test_routes_that_cannot_be_read_are_not_forgotten(tmp_path: Path) -> None:
    """Neither none nor older ones are in force then: the error says which file, and that nothing was touched."""
    (tmp_path / "routes" / "routes.yml").mkdir(parents=True)  # reading it fails, whoever asks
    (tmp_path / "routes.good").write_bytes(render({SHOP.environment: SHOP}, Surroundings())[0])
    with pytest.raises(LadingError, match=r"read .*routes\.yml") as refused:
        RouteFile(tmp_path).routes()
    assert refused.value.code == "router-failed"
    assert refused.value.now == "the routes in force are untouched"


def test_routes_broken_by_hand_are_those_last_confirmed(tmp_path: Path) -> None:
    """A file that is missing or no longer ours is replaced by the last good one; without that, none are in force."""
    file = RouteFile(tmp_path)
    assert file.routes() == {}
    file.confirm(render({SHOP.environment: SHOP}, Surroundings())[0])
    assert file.routes() == {SHOP.environment: SHOP}
    (tmp_path / "routes").mkdir()
    (tmp_path / "routes" / "routes.yml").write_text("broken")
    assert file.routes() == {SHOP.environment: SHOP}


def test_only_a_file_that_is_not_there_or_not_whole_holds_nothing(tmp_path: Path) -> None:
    """What the file system refuses to give is raised."""
    assert read_json(tmp_path / "none.json") == {}
    (tmp_path / "half.json").write_text('{"shop/stage": 73')
    assert read_json(tmp_path / "half.json") == {}
    with pytest.raises(IsADirectoryError):
        read_json(tmp_path)


def test_a_room_that_cannot_read_what_it_is_told_looks_again(tmp_path: Path) -> None:
    """Else everybody who waits in it would be turned away."""
    room = Room(tmp_path, "shop~stage", 8.0)
    room._told.mkdir()
    room._look()
    assert not room._open.is_set()
    room._told.rmdir()
    room._told.write_text('{"/": ["127.0.0.1:1"]}')
    room._look()
    assert room._open.is_set()
    assert room._places == {"/": ["127.0.0.1:1"]}
