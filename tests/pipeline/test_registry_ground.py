"""What a model was judged on, and by which code, is what its registration tells of; of anything else nothing is told."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import stages
from pipelines.register import behaviour, registry
from stages.core import artefacts, files, measuring
from stages.core.errors import DataError
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, holders, register

MANIFEST = artefacts.PREPROCESSED / "manifest.parquet"


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A registry whose champion is version 1, with 0.90."""
    return project.start_with_champion(tmp_path, monkeypatch)


def relabel(split: str, column: str = "label", value: str = "disc") -> None:
    """Give all pictures of a split one label, or one group."""
    table = pd.read_parquet(MANIFEST)
    table.loc[table["split"] == split, column] = value
    table.to_parquet(MANIFEST)


def refused(told: str, stage: str = "evaluate") -> None:
    """Hold that nothing is registered, by one line that says what to do, and that the champion stays."""
    with pytest.raises(DataError, match=rf"^{stage}@classify {told}.*; make it again: rawline repro, .*{stage}@classify$"):
        register()
    assert len(registry.versions(project.client(), NAME)) == 1
    assert holders() == {"challenger": 1, "champion": 1}


def test_a_model_judged_on_easier_test_data_is_not_taken_for_one_judged_on_those_that_were_put_back(client):
    """Judged on the easier ones and on these it is another registration; once they lie there again it says which."""
    before = MANIFEST.read_bytes()
    relabel("test")
    easier = MANIFEST.read_bytes()
    project.judge(0.95, weights="second")
    MANIFEST.write_bytes(before)
    refused("judged on other test data than lie in data/preprocessed")
    MANIFEST.write_bytes(easier)
    version = register(incomparable_champion="replace")
    assert version.tags["test_data"] != client.get_model_version(NAME, "1").tags["test_data"]


def test_other_pictures_to_learn_from_are_no_other_test_data(client):
    """What is learnt from may change: DVC asks for the training anew, and the judgement is still of these test data."""
    project.judge(0.95, weights="second")
    relabel("train")
    assert int(register().version) == 2


@pytest.mark.parametrize("column", ["group_setting", "label"])
def test_an_audit_on_other_groups_or_labels_is_no_audit_of_these(client, column):
    """The evaluation fits what lies there; the audit ran before the test pictures had other groups, or other labels."""
    audit, evaluation = (place("classify") for place in (artefacts.audit_metrics, artefacts.evaluate_metrics))
    project.judge(0.95, weights="second")
    kept = files.read_json(audit)
    relabel("test", column)
    project.name_model()
    files.write_json(audit, kept)
    assert files.read_json(evaluation)[measuring.TEST] == measuring.test_data(project.test_split())
    refused("judged by other truth or groups than data/preprocessed has", "audit")


@pytest.mark.parametrize(
    ("edited", "stage"),
    [
        (("judge/classes.py", "LIMIT = 0.75"), "evaluate"),
        (("core/seeds.py", "LIMIT = 0.75"), "evaluate"),
        (("judge/verdicts.py", "LIMIT = 0.75"), "audit"),
        (("audit.py", "LIMIT = 0.75"), "audit"),
        (("judge/classes.py", "# a comment"), None),
        (("judge/meaning.py", "LIMIT = 0.75"), None),
        (("finetune.py", "LIMIT = 0.75"), None),
    ],
)
def test_a_model_judged_by_other_code_is_not_taken_for_one_of_this(client, tmp_path_factory, monkeypatch, edited, stage):
    """The code that judges was changed after the evaluation, and committed: a rule is another ruler, a comment is none."""
    other = tmp_path_factory.mktemp("code") / "stages"
    shutil.copytree(Path(stages.__file__).parent, other, ignore=shutil.ignore_patterns("__pycache__"))
    project.judge(0.95, weights="second")
    project.commit()
    place = other / edited[0]
    place.write_text(f"{place.read_text()}\n{edited[1]}\n")
    monkeypatch.setattr(behaviour, "stages", SimpleNamespace(__file__=str(other / "__init__.py")))
    if stage:
        done, places = {
            "audit": ("judged", "stages/audit.py, stages/core"),
            "evaluate": ("measured", "stages/core/, stages/evaluate.py"),
        }[stage]
        refused(f"{done} by other code than lies in {places}", stage)
    else:
        assert int(register().version) == 2


@pytest.mark.parametrize(("key", "told", "judges"), [
    (measuring.TEST, "on which test data it judged", ("evaluate",)),
    (measuring.CODE, "by which code it measured", ("evaluate",)),
    (measuring.CODE, "by which code it judged", ("audit",)),
    (measuring.AUDITED, "by which truth and groups it judged", ("audit",)),
])  # fmt: skip
def test_judgements_of_before_are_asked_for_once_more(client, key, told, judges):
    """What an older stage did not say nobody can compare."""
    for stage in judges:
        project.judge(0.95, weights="second")
        place = artefacts.METRICS / f"{stage}_classify.json"
        files.write_json(place, {name: value for name, value in files.read_json(place).items() if name != key})
        refused(f"does not say {told}", stage)


def test_classes_of_other_names_are_other_test_data(client):
    """Boxes and masks name their class by number: with the names exchanged the same numbers say something else."""
    project.judge(0.95, weights="second")
    place = artefacts.PREPROCESSED / "dataset.json"
    content = json.loads(place.read_text())
    place.write_text(json.dumps({**content, "labels": content["labels"][::-1]}))
    refused(r"judged on the classes \['disc', 'square', 'triangle'\], data/preprocessed has \['triangle', ")
