"""``rawline predict`` shows, draws and prints what a model answers, and one bad picture costs one line."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines import cli, draw, pictures, predict, predict_wire, show
from pipelines.register import registry
from stages.core import images
from stages.core.errors import DataError, InfrastructureError
from stages.core.text import escaped

CARD = {"task": "detect", "classes": ["cat", "dog"], "recipe": {"seed": 1, "preprocess": {}}}
BOXES = {
    "boxes": np.array([[10.0, 20.0, 60.0, 50.0]]),
    "labels": np.array([2]),
    "names": ["dog"],
    "scores": np.array([0.875]),
}


@pytest.fixture
def model(monkeypatch):
    """A model that finds one dog in every picture but ``bad.png``."""

    def answers(name, paths, min_score, trust):
        yield CARD
        for path in paths:
            bad = path.name == "bad.png"
            yield predict.Result(
                path, None if bad else {"width": 80, "height": 60, **BOXES}, f"{path} is missing" if bad else ""
            )

    monkeypatch.setattr(predict, "predict", answers)


def run(*words: str) -> int:
    try:
        cli.main(["predict", *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_bad_picture_costs_one_line_and_the_exit_status(model, capsys):
    """The others are answered; the fault names its file on the error stream; the status is 1."""
    assert run("models:/m@champion", "a.png", "bad.png", "c.png") == 1
    told = capsys.readouterr()
    assert told.err == "rawline: bad.png is missing\n"
    assert "a.png" in told.out
    assert "c.png" in told.out
    assert "0.875" in told.out


def test_json_is_json(model, capsys):
    """The output parses, answers and fault in the order given, numbers as the table has them."""
    assert run("models:/m@champion", "a.png", "bad.png", "--json") == 1
    good, bad = json.loads(capsys.readouterr().out)
    found = {"boxes": [[10, 20, 60, 50]], "labels": [2], "names": ["dog"], "scores": [0.875]}
    assert good == {"picture": "a.png", "width": 80, "height": 60, **found}
    assert bad == {"picture": "bad.png", "error": "bad.png is missing"}


def test_a_box_is_drawn_where_it_lies():
    """The outline has the class's colour at the box's edges and the inside is untouched."""
    image = np.zeros((600, 800, 3), np.uint8)
    answer = {
        "boxes": np.array([[100.0, 200.0, 300.0, 400.0]]),
        "labels": np.array([2]),
        "names": ["dog"],
        "scores": np.array([0.9]),
    }
    drawn = draw.draw(image, "detect", ["cat", "dog"], answer)
    assert drawn.shape == image.shape
    for y, x in ((300, 100), (300, 299), (399, 200)):
        assert tuple(drawn[y, x]) == draw.colour(1)
    assert not drawn[210:390, 110:290].any()
    assert not drawn[:150].any()


def test_masks_tint_their_pixels_alone():
    """Background pixels stay as they are; each class and object has its own tint."""
    image = np.full((600, 600, 3), 128, np.uint8)
    mask = np.zeros((600, 600), np.uint8)
    mask[300:400, 300:400], mask[400:500, 400:500] = 1, 2
    areas = {"background": 0.9, "cat": 0.05, "dog": 0.05}
    drawn = draw.draw(image, "segment", ["background", "cat", "dog"], {"mask": mask, "areas": areas})
    assert (drawn[550] == 128).all()
    assert len({tuple(drawn[y, y]) for y in (250, 350, 450)}) == 3
    answer = {**BOXES, "masks": mask[None] == 1, "boxes": np.array([[300.0, 300, 400, 400]])}
    assert (draw.draw(image, "instance", ["cat", "dog"], answer)[450, 450] == 128).all()


def test_a_small_picture_is_enlarged_by_whole_pixels():
    """A 60 x 80 picture is drawn six times as large, so that names can be read."""
    drawn = draw.draw(np.zeros((60, 80, 3), np.uint8), "classify", ["cat", "dog"], {"scores": {"cat": 0.1, "dog": 0.9}})
    assert drawn.shape == (360, 480, 3)


def test_pictures_of_one_name_are_drawn_to_two_files():
    """Two folders with an ``a.png`` each do not overwrite one another."""
    taken: dict[str, int] = {}
    names = [show.free_name(Path(p), taken) for p in ("x/a.png", "y/a.jpg", "b.png", "x/a-2.png", "z/a.png", "Z/A.png")]
    assert names[:3] == ["a.png", "a-2.png", "b.png"]
    assert len({name.casefold() for name in names}) == len(names)


def test_an_unknown_model_is_one_line_with_the_nearest(monkeypatch, capsys):
    """A wrong name offers the registered model and alias that was probably meant."""
    monkeypatch.setattr(predict, "names", lambda: ["models:/scenes-classify@champion", "models:/scenes-detect@challenger"])
    assert run("scenes-detct", "a.png") != 0
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "did you mean 'models:/scenes-detect@challenger'?" in line
    problem = predict._problem("models:/scenes-clasify@champion", "refused", "RESOURCE_DOES_NOT_EXIST", "text")
    assert isinstance(problem, DataError)
    assert "did you mean 'models:/scenes-classify@champion'?" in str(problem)
    assert isinstance(predict._problem("models:/m/1", "refused", "INTERNAL_ERROR", "a\nb"), InfrastructureError)


def test_a_server_out_of_reach_offers_no_names(monkeypatch):
    """The nearest names are a help, not a second fault."""

    def unreachable():
        raise InfrastructureError("gone")

    monkeypatch.setattr(registry, "reachable", unreachable)
    assert predict.names() == []


def test_a_dead_model_process_is_one_line():
    """A worker that ends without an answer is reported with its status."""
    with predict._worker("/nowhere", 0.5, trust=False) as worker:
        worker.process.kill()
        worker.process.wait()
        with pytest.raises(InfrastructureError, match="status -9"):
            worker.next()


def test_a_folder_that_is_no_model_does_not_load(tmp_path, monkeypatch):
    """An ``MLmodel`` that is no model: one line that says so."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    (tmp_path / "MLmodel").write_text("nonsense")
    with pytest.raises((DataError, InfrastructureError)) as caught:
        list(predict.predict(str(tmp_path), [Path("a.png")], 0.5))
    assert "\n" not in str(caught.value)


def test_camera_files_are_drawn_too(tmp_path):
    """A camera file is developed at its full size and drawn, where the shared one is at hand."""
    file = Path("../shared/data/raw/DC0010S.KDC")
    if not file.exists():
        pytest.skip("the camera files of ../shared/data/raw are absent")
    preprocess = json.loads(json.dumps(_recipe()))
    card = {"task": "classify", "classes": ["cat", "dog"], "recipe": preprocess}
    answer = {"width": 1, "height": 1, "label": "cat", "scores": {"cat": 0.7, "dog": 0.3}}
    show._draw(card, predict.Result(file, answer), tmp_path / "out.png")
    drawn = images.read_image(tmp_path / "out.png")
    assert min(drawn.shape[:2]) >= 400
    assert 20 < drawn.mean() < 235


def _recipe() -> dict:
    from stages.core import params  # noqa: PLC0415 - this test alone needs it

    return {"seed": 7, "preprocess": params.read()["preprocess"]}


FORMS = {  # address: own in the project's own MLflow, own elsewhere
    "models:/scenes-detect@champion": (True, True),
    "models:/scenes-detect/3": (True, True),
    "models:/scenes-detect/latest": (True, True),
    "models:/m-like a name/3": (True, True),
    "models:/m-0123456789abcdef0123456789abcdef": (True, False),
    "models:/anything": (True, False),
    "runs:/0123456789abcdef/model": (True, False),
    "models:/m-0123?x/3": (False, False),
    "models:/m-0123?@champion": (False, False),
    "models:/m-0123/": (False, False),
    "models:/m/3/deep": (False, False),
    "models:/": (False, False),
    "runs:/": (False, False),
    "models://elsewhere/m/1": (False, False),
    "runs://profile/0123/model": (False, False),
    "RUNS:/0123/model": (False, False),
    "file:/elsewhere/model": (False, False),
    "mlflow-artifacts:/0/model": (False, False),
    "s3://bucket/model": (False, False),
    "https://host/model": (False, False),
    "tracking/artifacts/1/models/m-0123/artifacts": (True, True),
    "data/finetuned/classify": (False, False),  # asked about where it holds a packed model; a trained one brings no code
    "downloads/model": (False, False),
    "../elsewhere": (False, False),
    "/elsewhere": (False, False),
}


@pytest.mark.parametrize("where", ["own", "own by name", "another file", "server"])
@pytest.mark.parametrize("name", FORMS)
def test_who_is_trusted_is_one_rule_for_all_addresses(name, where, tmp_path, monkeypatch):
    """What anybody may have logged is asked about wherever MLflow is not the project's own; a version is a decision."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path / "project"))
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uris = {"own by name": "sqlite:///x.db", "another file": f"sqlite:///{tmp_path}/x.db", "server": "http://h:5000"}
    if where in uris:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uris[where])
    assert predict.is_own(name) == FORMS[name][where not in ("own", "own by name")]


@pytest.mark.parametrize("name", FORMS)
def test_an_address_is_read_as_mlflow_reads_it(name):
    """Whatever MLflow takes for a logged model is never taken for a version of the registry."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - this test alone needs it
    from mlflow.store.artifact.utils.models import _parse_model_uri  # noqa: PLC0415

    try:
        found = _parse_model_uri(name)
    except MlflowException:
        found = None
    assert bool(predict._VERSION.fullmatch(name)) == bool(found and found.name and "?" not in name and "//" not in name)


EVIL = "a\x1b[2J\nb\udcff.png"


def test_a_file_s_name_does_not_steer_the_terminal(monkeypatch, tmp_path, capsys):
    """Table, faults and JSON write out what a name holds besides letters; it can be read, and each fault is one line."""

    def answers(name, paths, min_score, trust):
        yield CARD
        for path in paths:
            yield predict.Result(path, {"width": 80, "height": 60, **BOXES})
            yield predict.Result(path, None, f"{path} is missing")

    monkeypatch.setattr(predict, "predict", answers)
    assert run("models:/m@champion", EVIL) == 1
    told = capsys.readouterr()
    assert told.err == "rawline: a\\x1b[2J\\nb\\udcff.png is missing\n"
    assert "\x1b[2J" not in told.out
    assert "\\x1b[2J" in told.out
    for given in (Path(EVIL), tmp_path / EVIL):
        for fault in (f"{given.resolve()} is missing", f"{given} is missing", predict_wire.printable(str(given.resolve()))):
            assert predict._named(given, fault).startswith(escaped(str(given)))
            assert predict._named(given, fault).isprintable()
    assert predict._named(Path("a.png"), f"{Path('a.png').resolve()} is\nbroken") == "a.png is broken"


def test_an_empty_folder_is_called_one(monkeypatch, tmp_path):
    """Whether the model is packed or of the working tree; a name that is too long is met where it is read."""
    card = {"recipe": {}, "task": "classify", "classes": []}
    monkeypatch.setattr("stages.core.checkpoint.load", lambda *_: SimpleNamespace(card=card))
    _, result = predict._trained(tmp_path, pictures.given([str(tmp_path)]), 0.5)
    assert result.fault == f"{tmp_path} holds no pictures"
    for path, word in ((tmp_path, "holds no pictures"), (Path("x" * 300), "cannot be read")):
        with pytest.raises(DataError, match=word):
            predict._Worker(None, None, None).ask(path)
