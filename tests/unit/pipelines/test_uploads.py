"""A slow server gets time and each file once; a dead one costs no patience."""

from pathlib import Path

import pytest
from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException

from pipelines.record import sender, uploads
from pipelines.record.journal import Journal
from pipelines.record.uploads import SlowError

LATE = "API request to http://h failed with exception HTTPConnectionPool(host='h', port=1): Read timed out. (read timeout=1)"


class Client:
    """A server that answers too late; after ``needed`` lists or limits long enough the file is there."""

    def __init__(self, *, lists: int = 10**6, limit: float = 10**6, size: int | None = None) -> None:
        self.lists, self.limit, self.size = lists, limit, size
        self.limits: list[float] = []
        self.listed = 0
        self.path: Path | None = None

    def log_artifact(self, _run: str, path: str, _folder: str | None) -> None:
        """Take a file, too late unless the limit is long enough."""
        self.path = Path(path)
        self.limits.append(uploads.base_s())
        if uploads.base_s() < self.limit:
            raise MlflowException(LATE)

    def list_artifacts(self, _run: str, folder: str | None) -> list[FileInfo]:
        """List the file once it has arrived."""
        self.listed += 1
        assert self.path is not None
        name = f"{folder}/{self.path.name}" if folder else self.path.name
        size = self.path.stat().st_size if self.size is None else self.size
        return [FileInfo(name, False, size)] if self.listed >= self.lists else []


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small file; a request has one second."""
    monkeypatch.setenv(uploads.LIMIT, "1")
    monkeypatch.setattr(uploads, "LOOK_S", 0.001)
    (tmp_path / "a.bin").write_bytes(b"abc")
    return tmp_path / "a.bin"


def test_a_file_whose_answer_came_too_late_is_not_sent_again(file: Path) -> None:
    """The list shows it after a while: one upload."""
    client = Client(lists=3)
    uploads.send(client, "run", file, "outs")
    assert client.limits == [1.0]
    assert client.listed == 3


def test_an_earlier_file_of_the_same_size_is_not_taken_for_this_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something was sent to the same place before, only its own bytes count as arrived."""
    monkeypatch.setattr(uploads, "_arrives", lambda is_there, _: is_there())
    held = [b"old", b"old", b"abc"]
    client = Client(lists=0)
    monkeypatch.setattr(client, "download_artifacts", lambda *words: _download(held.pop(0), *words), raising=False)
    uploads.send(client, "run", file, "outs", again=True)
    assert client.limits == [1.0, 2.0, 4.0]
    client = Client(lists=0)
    uploads.send(client, "run", file, "outs")
    assert client.limits == [1.0], "nothing lay there before: path and size tell"


def _download(content: bytes, _run: str, place: str, to: str) -> str:
    target = Path(to) / Path(place).name
    target.write_bytes(content)
    return str(target)


def test_limits_grow_with_each_try_and_with_the_size(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as long each time, and a second more for each megabyte; the caller's limit is as before."""
    monkeypatch.setattr(uploads, "_arrives", lambda *_: False)
    client = Client(limit=4)
    uploads.send(client, "run", file, "")
    assert client.limits == [1.0, 2.0, 4.0]
    file.write_bytes(bytes(3 * uploads.RATE))
    client = Client(limit=4)
    uploads.send(client, "run", file, "")
    assert client.limits == [4.0]
    assert uploads.base_s() == 1.0


def test_three_tries_are_the_bound(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the line names the file; half a file of that name does not count."""
    monkeypatch.setattr(uploads, "_arrives", lambda is_there, _: is_there())
    client = Client(lists=0, size=1)
    with pytest.raises(SlowError, match=r"MLflow is slow: a.bin did not arrive within 7 s"):
        uploads.send(client, "run", file, "")
    assert len(client.limits) == uploads.TRIES


@pytest.mark.parametrize("text", ["Connection refused", "401 Unauthorized", "ConnectTimeoutError: ConnectTimeout"])
def test_a_dead_server_costs_no_patience(file: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """One try, no look at its list."""
    client = Client()
    monkeypatch.setattr(client, "log_artifact", lambda *_: (_ for _ in ()).throw(MlflowException(text)))
    with pytest.raises(MlflowException, match=text):
        uploads.send(client, "run", file, "")
    assert client.listed == 0


def test_small_files_of_a_folder_go_first(tmp_path: Path) -> None:
    """With the folder that each belongs to."""
    (tmp_path / "plots/deep").mkdir(parents=True)
    (tmp_path / "plots/big.png").write_bytes(bytes(9))
    (tmp_path / "plots/deep/small.csv").write_bytes(b"1")
    found = [(path.name, folder) for path, folder in uploads.parts(tmp_path / "plots", "outs")]
    assert found == [("small.csv", "outs/plots/deep"), ("big.png", "outs/plots")]


def test_what_goes_to_a_place_a_second_time_is_known(tmp_path: Path) -> None:
    """The same name in the same folder, kept before in this journal; sending the first one once more is no second."""
    (tmp_path / "plots").mkdir()
    for name in ("dvc.lock", "params.yaml", "plots/a.png"):
        (tmp_path / name).write_text(name)
    journal = Journal(tmp_path / "spool/execution.jsonl")
    for name, folder in (("dvc.lock", ""), ("params.yaml", ""), ("dvc.lock", "end"), ("dvc.lock", ""), ("plots", "")):
        journal.keep(tmp_path / name, folder)
    journal.keep(tmp_path / "plots/a.png", "plots")
    found = [sender._is_second(journal, event) for event, _ in journal.events()]
    assert found == [False, False, False, True, False, True]
