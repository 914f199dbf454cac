"""What the application promises, asked over HTTP."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cashback import RELEASE, auth, report
from cashback.database import Database, database_from
from cashback.main import make_app
from cashback.settings import Settings, from_environment
from starlette.testclient import TestClient

SMOKE_TOKEN = "smoke-token-for-tests"
KEY = "a key of at least 16 characters"
OPERATOR = {"Authorization": f"Bearer {SMOKE_TOKEN}"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'cashback.db'}"


@pytest.fixture
def client(url: str) -> Iterator[TestClient]:
    app = make_app(Settings(database_url=url, jwt_key=KEY, smoke_token=SMOKE_TOKEN))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def buy(client: TestClient, reference: str, **more: Any) -> Any:
    return client.post("/api/v1/purchases", json={"reference": reference, "amount_cents": 1999, **more})


def an_offer(client: TestClient, **more: Any) -> int:
    merchant = client.post("/api/v1/merchants", json={"name": "Bakery"}).json()["id"]
    offer = {"merchant_id": merchant, "title": "Five percent", "basis_points": 500, **more}
    return int(client.post("/api/v1/offers", json=offer).json()["id"])


def balance(client: TestClient, owner: str) -> int:
    return {wallet["owner"]: wallet["balance_cents"] for wallet in client.get("/api/v1/wallets").json()}[owner]


class TestSystem:
    def test_health_asks_no_database(self, client: TestClient, tmp_path: Path) -> None:
        """The process is up even when its database is not."""
        damage(tmp_path / "cashback.db", "DROP TABLE payouts")
        assert client.get("/health").json() == {"status": "ok"}

    def test_ready_needs_the_tables(self, client: TestClient, tmp_path: Path) -> None:
        """Ready says so, and says what is missing when it is not."""
        assert client.get("/ready").json() == {"database": "ok"}
        damage(tmp_path / "cashback.db", "DROP TABLE payouts")
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()) == (503, {"database": "tables are missing: payouts"})

    def test_every_answer_names_its_release(self, client: TestClient, tmp_path: Path) -> None:
        """The header is on good answers, refusals, errors and WebSockets alike."""
        answers = [
            client.get(path) for path in ("/health", "/nothing", "/api/v1/system/status", "/api/v1/slow?seconds=0")
        ]
        damage(tmp_path / "cashback.db", "DROP TABLE merchants")
        answers.append(client.get("/api/v1/merchants"))
        assert [answer.status_code for answer in answers] == [200, 404, 401, 200, 500]
        assert [answer.headers.get_list("x-release") for answer in answers] == [[RELEASE]] * 5

    @pytest.mark.parametrize("body", [{"json": None}, {"data": None}])
    def test_login_gives_a_token_that_opens_status(self, client: TestClient, body: dict[str, Any]) -> None:
        """A form and JSON both log in; the token is taken afterwards."""
        given = {key: {"user": "smoke", "password": SMOKE_TOKEN} for key in body}
        token = client.post("/api/v1/login", **given).json()["access_token"]
        answer = client.get("/api/v1/system/status", headers={"Authorization": f"Bearer {token}"})
        assert answer.json() == {"status": "ok", "version": RELEASE, "user": "smoke"}

    def test_the_smoke_token_itself_opens_status(self, client: TestClient) -> None:
        """A check that cannot log in may send the secret itself."""
        assert client.get("/api/v1/system/status", headers=OPERATOR).status_code == 200

    def test_who_is_unknown_stays_out(self, client: TestClient) -> None:
        """An unknown user, a wrong password, a forged and a spoilt token: 401 each; half a login: 422."""
        for user, password in (("nobody", "a password"), ("smoke", "a password")):
            assert client.post("/api/v1/login", json={"user": user, "password": password}).status_code == 401
        forged = auth.make_token("smoke", "another key of 16 characters")
        for token in (forged, forged + "x", "no token", ""):
            answer = client.get("/api/v1/system/status", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        for body in ("", "[]", '{"user": "smoke"}'):
            sent = client.post("/api/v1/login", content=body, headers={"content-type": "application/json"})
            assert sent.status_code == 422

    def test_users_are_added_by_users(self, client: TestClient) -> None:
        """Only who is known adds a user, who then logs in; a name is taken once."""
        anna = {"user": "anna", "password": "correct horse"}
        assert client.post("/api/v1/users", json=anna).status_code == 401
        assert client.post("/api/v1/users", json=anna, headers=OPERATOR).status_code == 201
        assert client.post("/api/v1/users", json=anna, headers=OPERATOR).status_code == 409
        assert client.post("/api/v1/login", data=anna).status_code == 200
        assert client.post("/api/v1/login", data={**anna, "password": "wrong horse"}).status_code == 401

    def test_a_token_ends(self) -> None:
        """A token is good for an hour."""
        token = auth.make_token("anna", KEY, now=1000.0)
        assert [auth.user_of(token, KEY, now=now) for now in (1000.0, 4599.0, 4600.0)] == ["anna", "anna", None]

    def test_the_documentation_is_off_unless_asked_for(self, client: TestClient, url: str) -> None:
        """Nobody finds the interactive documentation in production."""
        assert {client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}
        shown = make_app(Settings(database_url=url, jwt_key=KEY, smoke_token=SMOKE_TOKEN, docs=True))
        with TestClient(shown) as open_client:
            assert open_client.get("/openapi.json").json()["info"]["version"] == RELEASE


class TestMoney:
    def test_a_purchase_credits_its_cashback(self, client: TestClient) -> None:
        """Five percent of 19.99 is 0.99, rounded down, in the buyer's wallet."""
        offer = an_offer(client)
        answer = buy(client, "r1", owner="anna", offer_id=offer)
        assert (answer.status_code, answer.json()["cashback_cents"]) == (201, 99)
        assert buy(client, "r2", owner="anna").json()["cashback_cents"] == 0
        assert balance(client, "anna") == 99

    def test_an_offer_has_its_limit(self, client: TestClient) -> None:
        """No purchase gives back more than the offer's limit."""
        offer = an_offer(client, limit_cents=50)
        assert buy(client, "r1", offer_id=offer).json()["cashback_cents"] == 50

    def test_a_reference_is_taken_once(self, client: TestClient) -> None:
        """A purchase sent twice is one purchase; the second answer is 409 and the first is found."""
        offer = an_offer(client)
        assert [buy(client, "r1", owner="anna", offer_id=offer).status_code for _ in range(2)] == [201, 409]
        assert balance(client, "anna") == 99
        assert client.get("/api/v1/purchases/r1").json()["amount_cents"] == 1999
        assert client.get("/api/v1/purchases/r2").status_code == 404

    def test_purchases_at_once_lose_nothing(self, client: TestClient) -> None:
        """Writers from many threads, and a second process's connections, all get through."""
        offer = an_offer(client)
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda n: buy(client, f"r{n}", owner="anna", offer_id=offer).status_code, range(40)))
        assert codes == [201] * 40
        assert balance(client, "anna") == 40 * 99

    def test_a_payout_never_takes_more_than_there_is(self, client: TestClient) -> None:
        """A wallet cannot go below zero, and nobody is paid from a wallet that is not there."""
        buy(client, "r1", owner="anna", offer_id=an_offer(client))
        pay = [client.post("/api/v1/payouts", json={"owner": "anna", "amount_cents": cents}) for cents in (60, 60)]
        assert [answer.status_code for answer in pay] == [201, 409]
        assert balance(client, "anna") == 39
        assert client.post("/api/v1/payouts", json={"owner": "ben", "amount_cents": 1}).status_code == 404
        assert [payout["amount_cents"] for payout in client.get("/api/v1/payouts").json()] == [60]

    def test_what_cannot_be_is_refused(self, client: TestClient) -> None:
        """Doubles are 409, what is missing is 404 or 409, what makes no sense is 422."""
        an_offer(client)
        assert client.post("/api/v1/merchants", json={"name": "Bakery"}).status_code == 409
        orphan = {"merchant_id": 99, "title": "x", "basis_points": 1}
        assert client.post("/api/v1/offers", json=orphan).status_code == 409
        assert [client.post("/api/v1/wallets", json={"owner": "anna"}).status_code for _ in range(2)] == [201, 409]
        assert buy(client, "r1", offer_id=99).status_code == 404
        assert buy(client, "r1", amount_cents=0).status_code == 422

    def test_lists_come_in_pages(self, client: TestClient) -> None:
        """A list goes on after the last id that was seen."""
        for number in range(5):
            buy(client, f"r{number}")
        first = client.get("/api/v1/purchases", params={"limit": 3}).json()
        rest = client.get("/api/v1/purchases", params={"after": first[-1]["id"]}).json()
        assert [purchase["reference"] for purchase in first + rest] == ["r0", "r1", "r2", "r3", "r4"]
        assert len(client.get("/api/v1/merchants").json() + client.get("/api/v1/offers").json()) == 0


class TestStreams:
    def test_a_slow_answer_ends_with_its_end(self, client: TestClient) -> None:
        """Whoever reads it can tell a whole answer from a cut one; none takes longer than ten seconds."""
        lines = client.get("/api/v1/slow", params={"seconds": 0.25}).text.split()
        assert (lines[:2], lines[-1], lines.count(".")) == (["start", RELEASE], "end", 3)
        assert client.get("/api/v1/slow", params={"seconds": 11}).status_code == 422

    def test_events_end_with_an_end(self, client: TestClient) -> None:
        """An event stream counts, names its release and says when it is over."""
        answer = client.get("/api/v1/events", params={"seconds": 0.1})
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert [line for line in answer.text.split("\n") if line.startswith("event")] == ["event: tick", "event: end"]
        assert RELEASE in answer.text

    def test_echo(self, client: TestClient) -> None:
        """Every text comes back."""
        with client.websocket_connect("/api/v1/echo") as socket:
            assert (b"x-release", RELEASE.encode()) in (socket.extra_headers or [])
            for text in ("one", "zwei ✓"):
                socket.send_text(text)
                assert socket.receive_text() == text


class TestReport:
    def test_it_sums_up(self, client: TestClient, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The report agrees with what was bought and paid out, and goes where it is told to."""
        buy(client, "r1", owner="anna", offer_id=an_offer(client))
        client.post("/api/v1/payouts", json={"owner": "anna", "amount_cents": 60})
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("LADING_OUTPUTS", str(tmp_path / "outputs"))
        assert report.main([]) == 0
        assert json.loads((tmp_path / "outputs" / "summary.json").read_text()) == {
            "status": "ok",
            "release": RELEASE,
            "wallets": 1,
            "balance_cents": 39,
            "purchases": 1,
            "cashback_cents": 99,
            "payouts": 1,
            "paid_cents": 60,
        }

    def test_money_from_nowhere_is_noticed(self, client: TestClient, url: str, tmp_path: Path) -> None:
        """When the sums do not agree, the report says so and fails."""
        buy(client, "r1", owner="anna", offer_id=an_offer(client))
        damage(tmp_path / "cashback.db", "UPDATE wallets SET balance_cents = 1000")
        done = run("-m", "cashback.report", "--out", str(tmp_path), DATABASE_URL=url)
        assert (done.returncode, json.loads((tmp_path / "summary.json").read_text())["status"]) == (1, "mismatch")


class TestStart:
    def test_two_processes_may_start_at_once(self, url: str) -> None:
        """Both find or make the same tables; neither fails."""
        program = "import sys; from cashback.database import database_from; print(database_from(sys.argv[1]).problem())"
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(lambda _: run("-c", program, url), range(3)))
        assert [(each.returncode, each.stdout) for each in done] == [(0, "None\n")] * 3, done

    def test_what_is_missing_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process without its configuration ends at once and names the variable."""
        given = {"DATABASE_URL": "sqlite:////x", "JWT_KEY": KEY, "SMOKE_TOKEN": "t"}
        for name in given:
            for other, value in given.items():
                monkeypatch.setenv(other, "" if other == name else value)
            with pytest.raises(SystemExit, match=name):
                from_environment()
        monkeypatch.setenv("SMOKE_TOKEN", "t")
        monkeypatch.setenv("JWT_KEY", "short")
        with pytest.raises(SystemExit, match="JWT_KEY is shorter"):
            from_environment()

    def test_settings_show_no_secret(self) -> None:
        """Printing the settings prints no secret."""
        assert KEY not in repr(Settings(database_url="x", jwt_key=KEY, smoke_token=SMOKE_TOKEN))

    @pytest.mark.parametrize("url", ["postgresql://localhost/x", "sqlite://", "sqlite:///:memory:"])
    def test_only_an_sqlite_file_will_do(self, url: str) -> None:
        """A database that would forget, or that the application cannot speak to, is refused at the start."""
        with pytest.raises(SystemExit, match="SQLite file"):
            Database(url)

    def test_an_unreachable_database_is_a_problem(self, tmp_path: Path) -> None:
        """What cannot be opened is reported, not raised."""
        (tmp_path / "bad.db").write_text("not a database, by far not one")
        assert "unreachable" in str(Database(f"sqlite:///{tmp_path / 'bad.db'}").problem())
        assert database_from(f"sqlite:///{tmp_path / 'good.db'}").problem() is None


def damage(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    place = Path(__file__).parents[1]
    return subprocess.run(
        [sys.executable, *words], cwd=place, env=variables, capture_output=True, text=True, timeout=60
    )
