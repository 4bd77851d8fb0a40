"""What leads to a model is followed upwards in what DVC has booked and in its graph, from whatever folder a stage ran."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipelines.graph import Graph, Node
from pipelines.record import lockfile, outputs
from pipelines.register import lineage, run
from stages.core import artefacts
from stages.core.errors import DataError
from tests.pipeline import registry_project as project

LOCK = Path(lockfile.NAME)


def write(entries) -> None:
    LOCK.write_text(yaml.safe_dump({"schema": "2.0", "stages": entries}))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project's folder that is the current one."""
    project.make(tmp_path, monkeypatch)
    return tmp_path


CHAIN = {  # what each stage reads and writes
    "acquire": (["data/raw"], "data/acquired"),
    "refine": (["data/acquired/pictures"], "data/refined"),  # a stage of the user's own
    "preprocess": (["data/refined", "data/acquired"], "data/preprocessed"),
    "augment": (["data/preprocessed"], "data/augmented"),
    "pretrain": (["data/preprocessed"], "data/pretrained"),
    "finetune@classify": (["data/augmented", "data/pretrained"], "data/finetuned/classify"),
    "evaluate@classify": (["data/preprocessed", "data/finetuned/classify"], "data/evaluated/classify"),
    "audit@classify": (["data/evaluated/classify/answers.csv"], "data/audited/classify"),
}
ASIDE = {  # what leads to no model of this task
    "finetune@detect": (["data/augmented", "data/pretrained"], "data/finetuned/detect"),
    "pictures": (["data/finetuned/classify"], "data/pictures"),
    "register@classify": (["data/audited/classify"], "data/registered/classify.json"),
}


def chain() -> dict:
    return {
        name: {"cmd": "x", "deps": [{"path": p, "md5": "7" * 32} for p in deps], "outs": [{"path": out, "md5": "7" * 32}]}
        for name, (deps, out) in {**ASIDE, **CHAIN}.items()
    }


@pytest.mark.parametrize("stage", CHAIN)
def test_every_stage_that_leads_to_the_model_counts(place, stage):
    """What it wrote is named, and another input of it is another lock: no stage, nor a user's, changes a model unseen."""
    write(chain())
    found = lineage.trace("classify")
    assert found.data[CHAIN[stage][1]] == "7" * 32
    other = chain()
    other[stage]["deps"].append({"path": "x", "md5": "8" * 32})
    write(other)
    assert lineage.trace("classify").lock != found.lock


@pytest.mark.parametrize("stage", ASIDE)
def test_a_stage_that_does_not_lead_to_the_model_does_not_count(place, stage):
    """Another task's training, and what reads the model, are nothing that it was made from."""
    write(chain())
    found = lineage.trace("classify")
    assert ASIDE[stage][1] not in found.data
    write({name: entry for name, entry in chain().items() if name != stage})
    assert lineage.trace("classify").lock == found.lock


def test_what_the_model_was_trained_on_is_what_the_stages_before_it_read(place):
    """A user's own folder is among it, what judges the model is not."""
    write(chain())
    made = ["acquired/pictures", "augmented", "preprocessed", "pretrained", "refined"]
    assert sorted({*lineage.trace("classify").trained_on} - {"data/acquired", "data/raw"}) == [f"data/{m}" for m in made]


GRAPH = """
stages:
  acquire: {cmd: x, outs: [data/acquired]}
  finetune:
    foreach: [classify]
    do: {cmd: x, deps: [data/acquired, data/more], outs: [data/finetuned/classify]}
"""


def test_the_graph_names_what_was_never_booked_and_forgets_what_is_left_from_before(place):
    """A stage in another file of stages is booked elsewhere; a renamed one leaves its entry behind."""
    (place / ".dvc").mkdir()
    (place / "sub").mkdir()
    (place / ".gitignore").write_text("")
    (place / "dvc.yaml").write_text(GRAPH)
    (place / "sub/dvc.yaml").write_text("stages:\n  more: {cmd: x, outs: [../data/more]}\n")
    booked = {"old": {"outs": [{"path": "data/acquired"}]}, "acquire": {"outs": [{"path": "data/acquired"}]}}
    booked["finetune@classify"] = {"deps": [{"path": "data/acquired"}, {"path": "data/more"}]}
    found = lineage.leading("classify", booked, lockfile.load_graph(place))
    assert found == ("acquire", "sub/dvc.yaml:more", "finetune@classify", "evaluate@classify", "audit@classify")


ELSEWHERE = """
stages:
  refine: {{wdir: {0}, cmd: python refine.py, deps: [refine.py], outs: [{1}data/refined]}}
  finetune:
    foreach: [classify]
    do: {{cmd: x, deps: [data/preprocessed, data/refined, stages/trainer.py], outs: [data/finetune/classify]}}
"""


@pytest.mark.parametrize(("folder", "up"), [(".", ""), ("tools", "../")])
def test_a_stage_leads_to_the_model_from_whatever_folder_it_ran(place, folder, up):
    """DVC books its paths as seen from there; its script, edited and never committed, makes no clean model."""
    (place / ".dvc").mkdir()
    (place / folder).mkdir(exist_ok=True)
    (place / "dvc.yaml").write_text(ELSEWHERE.format(folder, up))
    (place / ".gitignore").write_text("*\n!*/\n!*.py\n!params.yaml\n!dvc.lock\n!dvc.yaml\n")
    (place / folder / "refine.py").write_text("KEEP = 'all'\n")
    entries = yaml.safe_load(LOCK.read_text())["stages"]
    outs = [{"path": f"{up}data/refined", "md5": "5" * 32}]
    entries["refine"] = {"cmd": "python refine.py", "deps": [{"path": "refine.py", "md5": "f" * 32}], "outs": outs}
    entries["finetune@classify"]["deps"].append({"path": "data/refined", "md5": "5" * 32})
    write(entries)
    project.commit()
    found = lineage.trace("classify")
    assert found.seen.wanted[0] == "refine"
    assert (found.data["data/refined"], found.trained_on["data/refined"]) == ("5" * 32, "5" * 32)
    assert (Path(folder) / "refine.py").as_posix() in found.code.reason
    assert not found.code.clean


def test_a_stage_that_writes_a_file_of_parameters_leads_to_the_model(place):
    """What the training was told to do is as much read as what it was trained on."""
    entries = yaml.safe_load(LOCK.read_text())["stages"]
    code = [{"path": project.CODE, "md5": "f" * 32}]
    entries["search"] = {"cmd": "x", "deps": code, "outs": [{"path": "data/chosen.yaml", "md5": "5" * 32}]}
    entries["finetune@classify"]["params"] = {"data/chosen.yaml": {"rate": 0.1}}
    write(entries)
    found = lineage.trace("classify")
    assert found.seen.wanted[0] == "search"
    assert found.trained_on["data/chosen.yaml"] == "5" * 32
    assert f"search ran another {project.CODE}" in found.code.reason


def test_a_stage_that_only_the_graph_reads_from_leads_to_the_model_too(place):
    """Booked or planned, either is enough; what a frozen stage would read now made nothing of it."""
    entries = {name: {"outs": [{"path": f"data/{name}"}]} for name in ("planned", "thawed", "booked")}
    entries["finetune@classify"] = {"deps": [{"path": "data/booked"}]}
    nodes = [
        Node("finetune@classify", (), (), {}, (), (), frozenset({"planned"})),
        Node("booked", (), (), {}, (), (), frozenset({"thawed"}), frozen=True),
        *(Node(name, (), (), {}, (), (), frozenset()) for name in ("planned", "thawed")),
    ]
    found = lineage.leading("classify", entries, Graph({node.name: node for node in nodes}))
    assert set(found) == {"planned", "booked", *(f"{stage}@classify" for stage in lineage.SOURCES)}


EDGES = [(name, dep) for name, (deps, _) in CHAIN.items() for dep in deps if dep in {out for _, out in CHAIN.values()}]


@pytest.mark.parametrize(("stage", "path"), EDGES)
def test_a_stage_that_read_something_else_than_was_written_since_is_refused(place, stage, path):
    """One that ran alone left those behind it as they were: what they say is about something else."""
    write(chain())
    lineage.require_joined("classify")
    entries = chain()
    next(dep for dep in entries[stage]["deps"] if dep["path"] == path)["md5"] = "8" * 32
    write(entries)
    maker = next(name for name, (_, out) in CHAIN.items() if out == path)
    with pytest.raises(DataError, match=rf"^{stage} read another {path} than {maker} wrote since.*: rawline repro$"):
        lineage.require_joined("classify")


@pytest.mark.parametrize("stage", ASIDE)
def test_what_leads_to_no_model_of_the_task_may_stand_as_it_likes(place, stage):
    """Another task's training may read, and write, what it likes."""
    entries = chain()
    entries[stage]["deps"][0]["md5"] = entries[stage]["outs"][0]["md5"] = "8" * 32
    write(entries)
    lineage.require_joined("classify")


def test_a_frozen_stage_may_have_read_what_was_there_before(place, monkeypatch):
    """DVC leaves it as it is because somebody said so."""
    entries = chain()
    entries["preprocess"]["outs"][0]["md5"] = "8" * 32
    entries["evaluate@classify"]["deps"][0]["md5"] = "8" * 32
    write(entries)
    names = [*CHAIN, *ASIDE]
    thawed = {name: Node(name, (), (), {}, (), (), frozenset()) for name in names}
    monkeypatch.setattr(lockfile, "load_graph", lambda _: Graph(thawed))
    with pytest.raises(DataError, match="than preprocess wrote since"):
        lineage.require_joined("classify")
    kept = {name: replace(thawed[name], frozen=name in {"augment", "pretrain"}) for name in names}
    monkeypatch.setattr(lockfile, "load_graph", lambda _: Graph(kept))
    lineage.require_joined("classify")


def booked(*places: Path) -> dict:
    """Return entries that book each place, made by the stage of its kind, as DVC writes them."""
    entries: dict = {}
    for place in places:
        below = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
        sums = [hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() for file in below]
        listed = [
            {"md5": value, "relpath": file.relative_to(place).as_posix()} for value, file in zip(sums, below, strict=True)
        ]
        folder = hashlib.md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + ".dir"
        item = {"path": place.as_posix(), "hash": "md5", "md5": folder if place.is_dir() else sums[0]}
        stage = {"finetuned": "finetune", "evaluated": "evaluate"}.get(place.parent.name, place.stem.partition("_")[0])
        entry = entries.setdefault(f"{stage}@classify", {"cmd": "x", "outs": []})
        entry["outs"].append(item | {"size": sum(file.stat().st_size for file in below)})
    return entries


METRICS = ["metrics/evaluate_classify.json", "metrics/audit_classify.json"]
HAND = ["finetuned/classify/best.safetensors", "evaluated/classify/a.csv", *METRICS]


@pytest.mark.parametrize("large", [False, True], ids=["small", "too large to be hashed as a stage ends"])
@pytest.mark.parametrize("made", HAND)
def test_what_was_made_by_hand_is_not_registered(place, monkeypatch, made, large):
    """The lock tells of another run: the same number of bytes, other weights, answers, figures or verdict."""
    if large:
        monkeypatch.setattr(outputs, "LARGEST", 0)
    (artefacts.evaluated("classify") / "a.csv").write_text("1,2\n")
    metrics = artefacts.evaluate_metrics("classify"), artefacts.audit_metrics("classify")
    write(booked(artefacts.finetuned("classify"), artefacts.evaluated("classify"), *metrics))
    lineage.require_booked("classify")
    file = artefacts.DATA / made
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=r"^data/\S+ is not what dvc.lock books of \S+@classify .*: rawline repro$"):
        lineage.require_booked("classify")
    file.write_bytes(content)
    lineage.require_booked("classify")


def test_a_registration_by_hand_of_what_was_made_by_hand_ends_in_that_line(place):
    """Weights, evaluation and audit agree with one another, and none of them is what DVC booked."""
    write(booked(artefacts.finetuned("classify")))
    project.judge(0.95, weights="WEIGHTS")
    with pytest.raises(DataError, match=r"^data/finetuned/classify is not what dvc.lock books of finetune@classify"):
        list(run(project.job()))
