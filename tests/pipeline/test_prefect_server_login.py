"""The shared Prefect server lets its owner alone in, and no second server works over its database."""

import base64
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME, temporary_settings

from pipelines import prefect_keeper, prefect_server, services
from pipelines.record import locks
from stages.core.errors import InfrastructureError
from tests.pipeline.prefect_users import WAIT_S, User, own_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a PREFECT_HOME of its own, and see that no server of it is left."""
    yield from own_home(tmp_path, monkeypatch)


def test_the_login_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    """All places of one PREFECT_HOME have the same, whoever comes first, as user:word; nobody else may read it."""
    folders = [tmp_path / "rawline" / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        found = {*pool.map(prefect_server.login, folders * 8)}
    (login,) = found
    user, _, word = login.partition(":")
    assert user == "rawline"
    assert len(word) >= 24
    assert (tmp_path / "rawline" / "login").stat().st_mode & 0o777 == 0o600
    assert prefect_server.login(tmp_path / "elsewhere" / "three") != login


@pytest.mark.parametrize("torn", [b"", b"\n", b"rawline:", b"rawline", b"\x00" * 32, b"\xff:\xff", b"rawline:abc"])
def test_a_file_that_holds_no_login_is_written_anew(torn: bytes, tmp_path: Path) -> None:
    """An empty one would start the server without; everyone who comes is told the new one."""
    (tmp_path / "rawline").mkdir()
    file = tmp_path / "rawline" / "login"
    file.write_bytes(torn)
    found = {prefect_server.login(tmp_path / "rawline" / name) for name in ("one", "two")}
    (login,) = found
    assert len(login.removeprefix("rawline:")) >= 24
    assert file.read_text() == login
    assert file.stat().st_mode & 0o777 == 0o600


def answer(url: str, method: str = "POST", **headers: str) -> tuple[int, dict[str, str]]:
    """Ask a server, and return status and headers, whatever the status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b"{}" if method == "POST" else None
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        url, body, headers={"Content-Type": "application/json", **named}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as found:  # noqa: S310
            return found.status, {name.lower(): value for name, value in found.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}


@pytest.mark.long
def test_the_shared_server_answers_its_owner_alone(tmp_path: Path, home: Path) -> None:
    """Another user, a foreign page and a name that was bound to loopback get nothing; the login gets everything."""
    user = User(services.free_port(4370), tmp_path)
    api = user.api()
    (folder,) = (found.parent for found in home.glob("rawline/*/server.json"))
    login = {"Authorization": f"Basic {base64.b64encode(prefect_server.login(folder).encode()).decode()}"}
    wrong = {"Authorization": f"Basic {base64.b64encode(b'rawline:x').decode()}"}
    for what in ("flow_runs/filter", "deployments/filter", "flows/filter"):
        for stranger in ({}, wrong, {"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            assert answer(f"{api}/{what}", **stranger)[0] == 401
        assert answer(f"{api}/{what}", **login)[0] == 200
    asking = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    for origin, allowed in (("http://evil.example", False), (api.removesuffix("/api"), True)):
        _, told = answer(f"{api}/flow_runs/filter", "OPTIONS", Origin=origin, **asking)
        assert ("access-control-allow-origin" in told) is allowed
    assert answer(f"{api}/health", "GET")[0] == 200
    assert (home / "prefect.db").stat().st_mode & 0o077 == 0
    user.leave()


def test_a_second_server_over_one_database_is_refused_in_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One PREFECT_HOME in two networks: who comes second starts nothing, and is told what to set."""
    database = home / "prefect.db"
    monkeypatch.setattr(prefect_server, "ANSWER_S", 0.0)
    with temporary_settings({PREFECT_HOME: home}):
        monkeypatch.setattr(prefect_server, "database", lambda: database)
        with locks.locked(Path(f"{database}.rawline.lock")), pytest.raises(InfrastructureError) as caught:
            prefect_keeper.keep(prefect_server.place(), 4390, prefect_server.database())
    assert "prefect.db is in use" in str(caught.value)
    assert "PREFECT_HOME" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite+aiosqlite:////home/me/.prefect/prefect.db", Path("/home/me/.prefect/prefect.db")),
        ("sqlite+aiosqlite:////srv/a%20b.db", Path("/srv/a%20b.db")),
        ("sqlite+aiosqlite:///:memory:", None),
        ("postgresql+asyncpg://me:secret@db/prefect", None),
    ],
)
def test_a_database_of_one_file_is_known(url: str, file: Path | None) -> None:
    """Only what lies in one file is kept to one server: a database server takes any number."""
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}):
        assert prefect_server.database() == file
