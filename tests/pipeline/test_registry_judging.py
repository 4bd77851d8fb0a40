"""A registered model judged on the present test data shows what ``evaluate`` would have found, whatever its own recipe was.

The model tells classes by the colours of the made shapes, so that its answers are good and every error of the way shows.
"""

import re
import shutil
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines import run_stage
from pipelines.register import evidence, judging, package, rivals
from pipelines.register.judgement import Evidence, Unjudged
from stages import audit, evaluate
from stages.core import artefacts, checkpoint, dataset, digests, files
from stages.core.errors import DataError, InfrastructureError
from stages.core.stage import Job, Note
from stages.maths import geometry
from stages.parts.cameras import _prepared
from tests.factories import COLOURS, make_dataset
from tests.judging import FOUND, run
from tests.pipeline import chain_project
from tests.pipeline import registry_project as project

TASKS = ("classify", "detect", "instance", "segment")
METRICS = {"classify": "accuracy", "detect": "map50", "instance": "map50", "segment": "miou"}
CHECKPOINT = f"""
import json
from pathlib import Path
from types import SimpleNamespace
import cv2, numpy as np
COLOURS = np.array({COLOURS[:3]!r})

def load(folder, which="best", device="auto"):
    card = json.loads((Path(folder) / "model.json").read_text())
    return SimpleNamespace(card=card, predict=lambda images: [answer(card, image) for image in images])

def answer(card, image):
    task = card["task"]
    assert list(image.shape[:2]) == card["size_px"], "it is given pictures that it was not trained for"
    distance = np.abs(image[:, :, None].astype(int) - COLOURS).sum(-1)
    found = np.where(distance.min(-1) < 60, distance.argmin(-1) + 1, 0)
    if task == "segment":
        return {{"mask": found.astype(np.uint8)}}
    counts = np.array([(found == k + 1).sum() for k in range(3)]) + 1.0
    if task == "classify":
        return {{"scores": (counts / counts.sum()).astype(np.float32)}}
    boxes, labels, scores, masks = [], [], [], []
    for k in range(3):
        num, marked, stats, _ = cv2.connectedComponentsWithStats((found == k + 1).astype(np.uint8))
        for number in range(1, num):
            x, y, w, h, area = (int(v) for v in stats[number])
            if area >= 12:
                boxes.append([x, y, x + w, y + h]); labels.append(k + 1)
                scores.append(min(0.99, area / 1000 + 0.3)); masks.append(marked == number)
    given = {{"boxes": np.array(boxes, np.float32).reshape(-1, 4), "labels": np.array(labels, int),
             "scores": np.array(scores, np.float32)}}
    empty = np.zeros((0, *found.shape), bool)
    return given | ({{"masks": np.array(masks) if masks else empty}} if task == "instance" else {{}})
"""


def colour_code(holder: Path, plain=package.code) -> Path:
    """Travel with the model that looks at colours."""
    folder = plain(holder)
    (folder / "core" / "checkpoint.py").write_text(CHECKPOINT)
    return folder


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A project with originals of 96 px and a registry."""
    found = project.start(tmp_path, monkeypatch)
    monkeypatch.setattr(package, "code", colour_code)
    module = types.ModuleType("colours")
    exec(CHECKPOINT, module.__dict__)  # noqa: S102 - the text above
    monkeypatch.setattr(checkpoint, "load", module.load)
    make_dataset(artefacts.ACQUIRED, num_images=36, size_px=96, split_shares=(0.3, 0.1, 0.6))
    return found


def preprocess(**changes: Any) -> None:
    """Run the stage on the originals."""
    raw = yaml.safe_load((chain_project.HOME / "params.yaml").read_text())
    raw["preprocess"] |= changes
    module, job = run_stage.load_job("preprocess", None, raw, Path("work"))
    for _ in module.run(job):
        pass


def train(task: str) -> None:
    """Leave a model that was trained on the pictures as they are prepared now."""
    data = dataset.read(artefacts.PREPROCESSED)
    card = {"task": task, "classes": list(getattr(data.info, checkpoint.CLASSES[task])), "size_px": [64, 64]}
    card["recipe"] = files.read_json(artefacts.PREPROCESSED / "recipe.json")
    artefacts.finetuned(task).mkdir(parents=True, exist_ok=True)
    (artefacts.finetuned(task) / "best.safetensors").write_text("weights")
    files.write_json(artefacts.finetuned(task) / "model.json", card)


def evaluated(task: str) -> Evidence:
    """Run ``evaluate`` and return the evidence."""
    given = {**FOUND, "min_score": 0.4} if task in ("detect", "instance") else {}
    for _ in evaluate.run(Job(evaluate.Params(num_bootstraps=200, num_worst=2, **given), {}, 7, Path("work"), task)):
        pass
    judged = {digests.MODEL: digests.model(artefacts.finetuned(task))} | project.ground(task, audit=True)
    files.write_json(artefacts.audit_metrics(task), {"verdict": "PASS", **judged})
    return evidence.collect(task, METRICS[task])


def published(client, task: str, found: Evidence | None = None) -> str:
    """Put the model of the folder into the registry by hand, with given evidence or that of today; return its version."""
    folder = Path(f"package-{task}").resolve()
    told = found or evidence.collect(task, METRICS[task])
    packed = package.Package(task, artefacts.finetuned(task), told.to_json(), "card", {"task": task})
    package.save(packed, folder)
    client.create_registered_model(f"shapes-{task}")
    return str(client.create_model_version(f"shapes-{task}", source=folder.as_uri()).version)


def test_tables_of_another_model_are_refused(client, monkeypatch):
    """One model's figures and another's answers, put back, would be judged as one: neither gate nor audit has it."""
    preprocess(size_px=64, fit="letterbox")
    train("classify")
    better = evaluated("classify")
    kept, there = Path("kept"), artefacts.evaluated("classify")
    shutil.copytree(there, kept)
    (artefacts.finetuned("classify") / "best.safetensors").write_text("worse")
    one = {"scores": np.array([0.8, 0.1, 0.1], np.float32)}
    card = files.read_json(artefacts.finetuned("classify") / "model.json")
    worse_model = types.SimpleNamespace(card=card, predict=lambda images: [one for _ in images])
    monkeypatch.setattr(checkpoint, "load", lambda *_: worse_model)
    worse = evaluated("classify")
    assert worse.figure.value != better.figure.value
    assert np.mean([*worse.outcomes.values()]) == pytest.approx(worse.figure.value, abs=1e-6)
    shutil.rmtree(there)
    shutil.copytree(kept, there)
    told = r"^data/evaluated/classify holds other tables than the figures in data/metrics/evaluate_classify.json are of; "
    for read in (lambda: evidence.collect("classify", "accuracy"), lambda: run(audit, "classify")):
        with pytest.raises(DataError, match=told):
            read()
    (there / "worst.png").unlink(missing_ok=True)  # for people alone
    place = artefacts.evaluate_metrics("classify")
    files.write_json(place, files.read_json(place) | {digests.TABLES: digests.tables(kept)})
    evidence.collect("classify", "accuracy")
    files.write_json(place, {key: value for key, value in files.read_json(place).items() if key != digests.TABLES})
    with pytest.raises(DataError, match="does not say of which tables its figures are; make it again: rawline repro"):
        evidence.collect("classify", "accuracy")


def test_a_package_names_no_place_of_the_machine_that_packed_it(client):
    """Whoever takes a model learns nothing of folders and users; it loads wherever it lies."""
    preprocess(size_px=64, fit="letterbox")
    train("classify")
    evaluated("classify")
    published(client, "classify")
    texts = [path for path in Path("package-classify").rglob("*") if path.suffix in {"", ".json", ".yaml", ".txt", ".yml"}]
    told = {path.name: path.read_text(encoding="utf-8") for path in texts if path.is_file()}
    assert "MLmodel" in told
    for place in (Path(package.__file__).parents[2], Path.cwd(), Path.home()):
        assert not [name for name, text in told.items() if str(place) in text], place


@pytest.mark.parametrize("task", TASKS)
def test_the_champion_on_its_own_preparation_is_judged_as_evaluate_does(client, task):
    """Same pictures, same model: figure, classes and what pairs two models are those of the stage, to the last digit."""
    preprocess(size_px=64, fit="letterbox")
    train(task)
    own = evaluated(task)
    version = published(client, task)
    found = judging.judge(client, f"shapes-{task}", version, task, METRICS[task])
    assert isinstance(found, Evidence), found
    assert found.figure.value == own.figure.value > 0.2
    assert (found.outcomes, found.replicates, found.about) == (own.outcomes, own.replicates, own.about)
    assert found.measured["settings"] == ({**FOUND, "min_score": 0.4} if task in {"detect", "instance"} else {})
    assert {k: f.value for k, f in found.classes.items()} == {k: f.value for k, f in own.classes.items()}
    assert found.outcomes or found.replicates


@pytest.mark.slow
@pytest.mark.parametrize(
    "task", ["detect", "segment", *(pytest.param(t, marks=pytest.mark.long) for t in ("classify", "instance"))]
)
def test_a_champion_of_another_recipe_is_judged_in_the_present_pixels(client, task):
    """Trained at 64 px stretched, judged at 80 px letterboxed: boxes and masks lie where the truth is."""
    preprocess(size_px=64, fit="stretch")
    train(task)
    before = evaluated(task)
    version = published(client, task)
    preprocess(size_px=80, fit="letterbox")
    found = judging.judge(client, f"shapes-{task}", version, task, METRICS[task])
    assert isinstance(found, Evidence), found
    assert found.test_data == evidence.test_data() != before.test_data
    assert found.figure.value == pytest.approx(before.figure.value, abs=0.08)
    assert found.figure.value > 0.2


def test_stored_evidence_counts_only_on_the_same_test_data(client, monkeypatch):
    """On the same data nothing is predicted again; with another picture in the split the champion answers anew."""
    preprocess(size_px=64, fit="stretch")
    train("classify")
    own = evaluated("classify")
    version = published(client, "classify")
    asked = []
    monkeypatch.setattr(judging, "judge", lambda *words: asked.append(words) or Unjudged("a test"))

    def rival(found: Evidence):
        way = rivals.of(client, "shapes-classify", version, "classify", found)
        notes = []
        while True:
            try:
                notes.append(next(way))
            except StopIteration as end:
                return end.value, notes

    same, notes = rival(own)
    assert (same.evidence, notes, asked) == (own, [], [])
    make_dataset(artefacts.ACQUIRED, num_images=36, size_px=96, split_shares=(0.3, 0.1, 0.6), seed=5)
    preprocess(size_px=64, fit="stretch")
    other, notes = rival(evaluated("classify"))
    assert other.evidence == Unjudged("a test")
    assert [type(note) for note in notes] == [Note]
    assert len(asked) == 1


SIDES = st.integers(30, 90)


@given(SIDES, SIDES, st.sampled_from(["stretch", "letterbox"]), st.sampled_from(["srgb", "packed_raw"]))
def test_the_way_to_the_present_pixels_undoes_the_way_back(width, height, fit, output):
    """What a model of the present recipe would say, told in the original's pixels, comes back as it was said."""
    at = geometry.place(width, height, fit, 64, _prepared.CELLS[output])
    boxes = np.array([[3.0, 4.0, 9.0, 20.0], [10.0, 2.0, 30.0, 8.0]])
    told = {"boxes": geometry.boxes_back(geometry.boxes_to(boxes, at), at), "width": width, "height": height}
    found = judging.brought(told, {"output": output, "fit": fit, "size_px": 64})
    assert set(found) == {"boxes"}
    assert np.allclose(found["boxes"], geometry.boxes_to(boxes, at), atol=1e-6)
    full = np.ones((height, width), np.uint8)
    brought = judging.brought(
        {"mask": full, "masks": full[None].astype(bool), "width": width, "height": height},
        {"output": output, "fit": fit, "size_px": 64},
    )
    assert np.array_equal(brought["mask"], geometry.place_mask(full, at, 0))
    assert np.array_equal(brought["masks"][0], brought["mask"].astype(bool))
    none = {"masks": np.zeros((0, height, width), bool), "width": width, "height": height}
    assert judging.brought(none, {"output": output, "fit": fit, "size_px": 64})["masks"].shape == (0, *brought["mask"].shape)


@pytest.mark.parametrize(("spoil", "reason"), [
    (lambda card: {**card, "classes": ["disc", "square"]}, r"it knows the classes \['disc', 'square'\], the test data has"),
    (lambda card: {**card, "task": "segment"}, "it is a model for segment, not for classify"),
])  # fmt: skip
def test_what_cannot_be_judged_is_named(client, spoil, reason):
    """Other classes, another task: one line, and no model runs."""
    preprocess(size_px=64, fit="stretch")
    train("classify")
    own = evaluated("classify")
    card = artefacts.finetuned("classify") / "model.json"
    files.write_json(card, spoil(files.read_json(card)))
    version = published(client, "classify", own)
    found = judging.judge(client, "shapes-classify", version, "classify", "accuracy")
    assert isinstance(found, Unjudged)
    assert re.search(reason, found.reason), found.reason


def test_a_model_that_does_not_load_or_brings_no_code_is_named(client, monkeypatch):
    """Whatever its code raises, and a package without code, end in one line; the project's own code never answers."""
    preprocess(size_px=64, fit="stretch")
    train("classify")
    evaluated("classify")
    version = published(client, "classify")
    code = Path("package-classify/code/stages")
    (code / "core" / "checkpoint.py").write_text("raise RuntimeError('made for\\nanother torch')")
    found = judging.judge(client, "shapes-classify", version, "classify", "accuracy")
    assert found == Unjudged("version 1: it does not answer: RuntimeError: made for another torch")
    code.rename(code.with_name("gone"))
    found = judging.judge(client, "shapes-classify", version, "classify", "accuracy")
    assert found == Unjudged("version 1: it does not answer: RuntimeError: its package brings no code")


@pytest.mark.parametrize("end", ["signal", "time", "memory"])
def test_a_champion_whose_process_was_ended_may_be_judged_another_time(client, monkeypatch, end):
    """Too little memory or time on this machine now is nothing that its model is to blame for."""
    preprocess(size_px=64, fit="stretch")
    train("classify")
    evaluated("classify")
    version = published(client, "classify")
    texts = {
        "signal": "import os\nos.kill(os.getpid(), 9)",
        "time": "import time\ntime.sleep(600)",
        "memory": "raise RuntimeError('CUDA out of memory')",
    }
    if end == "time":
        monkeypatch.setattr(judging, "LIMIT_S", 0.5)
    Path("package-classify/code/stages/core/checkpoint.py").write_text(texts[end])
    with pytest.raises(InfrastructureError, match=r"the champion.*move the alias by hand"):
        judging.judge(client, "shapes-classify", version, "classify", "accuracy")


def test_the_old_champion_is_beaten_on_the_new_test_data(client):
    """The whole way: after the test split changed, the new model becomes champion; the weak first one is allowed."""
    preprocess(size_px=64, fit="stretch")
    train("classify")
    evaluated("classify")
    rules = {"min_quality": 0.1, "judged_by": "value", "max_class_drop": None, "allow_degenerate": True}
    assert project.register(**rules).tags["gate"] == "champion"
    make_dataset(artefacts.ACQUIRED, num_images=45, size_px=96, split_shares=(0.3, 0.1, 0.6), seed=5)
    preprocess(size_px=64, fit="stretch")
    (artefacts.finetuned("classify") / "best.safetensors").write_text("retrained")
    evaluated("classify")
    lines = project.said(**rules)
    assert any("judging champion version 1 on the present test pictures" in line for line in lines)
    assert project.holders() == {"challenger": 2, "champion": 2}
    check = project.client().get_model_version(project.NAME, "2").tags["gate.champion"]
    assert check.startswith("yes: not shown to be worse than the champion: paired over 27 pictures +0.000")


@pytest.mark.parametrize("change", ["flavour", "pickle", "no text"])
def test_a_champion_of_another_form_is_not_loaded(client, change, monkeypatch):
    """The alias can be set by hand to a package that MLflow would unpickle: it is named, and nothing of it runs."""
    preprocess(size_px=64, fit="letterbox")
    train("classify")
    evaluated("classify")
    version = published(client, "classify")
    file = Path("package-classify/MLmodel")
    content = yaml.safe_load(file.read_text())
    if change == "flavour":
        content["flavors"]["sklearn"] = {"pickled_model": "model.pkl"}
    else:
        content["flavors"]["python_function"]["python_model"] = "python_model.pkl"
    file.write_text("[" if change == "no text" else yaml.safe_dump(content))
    monkeypatch.setattr(judging, "_ask", lambda *_args, **_options: pytest.fail("it runs"))
    found = judging.judge(client, "shapes-classify", version, "classify", "accuracy")
    assert isinstance(found, Unjudged)
    assert (
        "MLmodel cannot be read" in found.reason if change == "no text" else "no model that rawline packed" in found.reason
    )
