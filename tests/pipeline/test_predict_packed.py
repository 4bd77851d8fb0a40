"""``rawline predict`` runs packed models in a process of their own: many pictures, and nobody else's code unasked."""

import json
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import yaml

from pipelines import pictures, predict, predict_worker, show
from stages.core.errors import DataError
from tests.pipeline.test_models_side_by_side import model


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A packed model among the record's artefacts, which answers every file with the word of its code."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path / "project"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return model(tmp_path / "project/tracking/artifacts", "word")


def files(folder: Path, num: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for n in range(num):
        (folder / f"{n:05d}.png").write_bytes(b"png")
    return sorted(folder.iterdir())


@pytest.mark.slow
def test_more_pictures_than_a_command_line_holds(packed: Path, tmp_path: Path) -> None:
    """5,000 pictures, given one by one as their turn comes, are answered in order; what never ends is refused."""
    paths = files(tmp_path / "pictures", 5000)
    paths[7:7] = [Path("/dev/zero"), tmp_path / "missing.png", tmp_path]
    taken: list[Path] = []

    def given() -> Iterator[Path]:
        for path in paths:
            taken.append(path)
            yield path

    results = predict.predict(str(packed), given(), 0.5)
    card = next(results)
    assert isinstance(card, dict)
    assert not taken
    for number, result in enumerate(results):
        assert isinstance(result, predict.Result)
        assert taken == paths[: number + 1] if number < 20 else result.path == paths[number]
        assert (result.answer is None) == (7 <= number < 10), result.fault
        if result.answer:
            assert result.answer["label"].startswith("word")
    assert len(taken) == 5003


def test_json_is_whole_and_streams(packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An entry is printed before the next picture is asked for, and the list is closed where the source fails."""
    paths = files(tmp_path / "pictures", 3)

    def given() -> Iterator[Path]:
        yield paths[0]
        assert '"label": "word word word"' in capsys.readouterr().out
        yield from paths[1:]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show.show(str(packed), given(), min_score=0.5, folder=None, as_json=True)
    rest = json.loads("[" + capsys.readouterr().out.lstrip(","))
    assert [Path(one["picture"]).name for one in rest] == ["00001.png", "00002.png"]


@pytest.mark.parametrize(
    "place", ["project/downloads/model", "project/data/raw/model", "project/tracking/artifacts/../model"]
)
def test_a_download_within_the_project_is_from_elsewhere(packed: Path, place: str, tmp_path: Path) -> None:
    """The project's folder holds more than its own models: what registration did not put there is asked for."""
    folder = tmp_path / place
    folder.parent.mkdir(parents=True, exist_ok=True)
    assert predict.is_own(str(packed))
    packed.rename(folder)
    with pytest.raises(DataError, match="--trust"):
        list(predict.predict(str(folder), [tmp_path / "a.png"], 0.5))


def test_a_model_from_elsewhere_runs_only_when_somebody_says_so(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal it needs the flag, with one a yes; the line says whose code would run; nothing has run before."""
    elsewhere = packed.rename(tmp_path / "elsewhere")
    (elsewhere / "served.py").write_text(
        (elsewhere / "served.py").read_text() + f"\nPath({str(tmp_path / 'ran')!r}).touch()\n"
    )
    (path,) = files(tmp_path / "pictures", 1)
    for name in (str(elsewhere), "http://127.0.0.1:9/model", "s3://bucket/model", "models://other/m/1", elsewhere.as_uri()):
        with pytest.raises(DataError, match=r"not of this project's registry or record.*--trust") as caught:
            list(predict.predict(name, [path], 0.5))
        assert name in str(caught.value)
    monkeypatch.setattr(sys, "stdin", type("Terminal", (StringIO,), {"isatty": lambda _: True})("n\n"))
    with pytest.raises(DataError, match="was not run"):
        list(predict.predict(str(elsewhere), [path], 0.5))
    assert not (tmp_path / "ran").exists()
    _, result = predict.predict(str(elsewhere), [path], 0.5, trust=True)
    assert isinstance(result, predict.Result)
    assert result.answer is not None
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("change", ["flavour", "loader", "pickle", "task"])
def test_a_package_of_another_form_is_not_loaded(packed: Path, change: str, tmp_path: Path) -> None:
    """A package in the project's own place that MLflow would unpickle, or load by other code, is named and refused."""
    content = yaml.safe_load((packed / "MLmodel").read_text())
    flavor = content["flavors"]["python_function"]
    if change == "flavour":
        content["flavors"]["sklearn"] = {"pickled_model": "model.pkl"}
    elif change == "loader":
        flavor["loader_module"] = "mlflow.sklearn"
    elif change == "pickle":
        flavor["python_model"] = "python_model.pkl"
    else:
        content["metadata"] = {}
    (packed / "MLmodel").write_text(yaml.safe_dump(content))
    with pytest.raises(predict_worker.Foreign):
        predict_worker.check_form(packed)
    with pytest.raises(DataError, match="no model that rawline packed") as caught:
        list(predict.predict(str(packed), [tmp_path / "a.png"], 0.5))
    assert "\n" not in str(caught.value)


def test_folders_patterns_and_lists_are_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder gives what lies below it, a pattern what it matches, - what standard input says; the rest stays as it is."""
    (tmp_path / "sub").mkdir()
    found = [*files(tmp_path / "sub", 2), *files(tmp_path / "[odd]", 1)]
    (tmp_path / "sub" / "notes.txt").touch()
    assert list(pictures.given([str(tmp_path / "sub")])) == found[:2]
    assert list(pictures.given([str(tmp_path / "*" / "*.png")])) == sorted(found)
    assert list(pictures.given([str(found[2])])) == [found[2]]
    assert list(pictures.given([str(tmp_path / "no*.png"), "missing.png"])) == [tmp_path / "no*.png", Path("missing.png")]
    monkeypatch.setattr(sys, "stdin", StringIO("a b.png\n\nc.png"))
    assert list(pictures.given(["-"])) == [Path("a b.png"), Path("c.png")]
