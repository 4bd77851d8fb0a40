"""A metrics file of another form than its stage writes ends a registration in one line that names the file."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import forms, summary
from pipelines.register import card, evidence, judged
from stages.core import artefacts, dataset, files
from stages.core.errors import DataError, RawlineError
from stages.judge import degenerate, units
from tests.pipeline import registry_project as project

FIGURE = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 3, "pictures": 3}
EVALUATION = {
    "gain": {**FIGURE, "covers": "pictures alone"},
    "per_class": {"disc": {"n": 3, "f1": FIGURE}, "square": {"n": 2, "f1": 0.4, "pictures": 2, "recall": None}},
    "limit": {"max_detections": 100, "num_pictures_above": 2},
    "torn_units": {"units": 2, "pictures": 8},
    "torn_near_copies": {"pictures": 6},
    "degenerate": [{"kind": "constant_answer", "reason": "cat is as good", "figures": ["accuracy"]}],
    "degenerate_asked": ["accuracy"],
}
LIMITS = {"max_gap": 0.1, "min_worst_group": 0.1, "min_group": 5, "alpha": 0.05, "leave_out": ["camera"]}
AUDIT = {"reasons": ["night is worse"], "left_open": ["everything: no column"], "settings": LIMITS}
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
ODD = [None, True, -1, 1e308, float("nan"), 10**400, "x", "", [], [1], [["x"]], {}, {"value": None}, {"a": 1}, DEEP]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose files hold all that a registration reads."""
    project.start(tmp_path, monkeypatch)
    for place, more in ((artefacts.evaluate_metrics("classify"), EVALUATION), (artefacts.audit_metrics("classify"), AUDIT)):
        files.write_json(place, files.read_json(place) | more)


def nodes(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each part of a file's content, the whole first."""
    yield path
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, one in inside:
        yield from nodes(one, (*path, key))


def put(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a content with something else in one place."""
    if not path:
        return value
    found = copy.deepcopy(content)
    part = found
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return found


def read() -> None:
    """Read the files as a registration does, for the gate, the card, the tags and the run of the version."""
    found = evidence.collect("classify", "accuracy")
    evaluation = forms.evaluation("classify")
    lines = [*evidence.notes(evaluation), evidence.class_figure(evaluation), degenerate.concerned(evaluation)]
    facts = card.Facts("classify", "x", found, None, None, {}, forms.audit("classify"), {}, notes=lines)  # type: ignore[arg-type]
    assert card._figures(facts)
    assert card._audit(facts)
    assert judged.selected(evaluation)
    assert json.dumps(found.to_json())


@pytest.mark.parametrize("place", [artefacts.evaluate_metrics, artefacts.audit_metrics])
@pytest.mark.usefixtures("there")
def test_whatever_stands_in_a_metrics_file_ends_in_one_line_or_is_read(
    place: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part of the file is replaced by each odd thing: a fault of ours, or none, and never another exception."""
    told, once = evidence._classes("classify", dataset.read(artefacts.PREPROCESSED)), evidence.test_data()
    monkeypatch.setattr(evidence, "_same_ground", lambda *_: None)  # both read every picture, whatever the files hold
    monkeypatch.setattr(evidence, "test_data", lambda: once)
    monkeypatch.setattr(evidence, "measured", lambda *_: {"classes": told})
    read()
    path = place("classify")
    content = files.read_json(path)
    refused = 0
    for way in nodes(content):
        for value in ODD:
            path.write_text(json.dumps(put(content, way, value)))
            summary.lines()
            try:
                read()
            except RawlineError as error:
                assert "\n" not in str(error)  # noqa: PT017 - not all are refused
                refused += 1
            except Exception as error:
                raise AssertionError(f"{value!r} at {way}") from error
    assert refused > len(ODD)


@pytest.mark.parametrize("content", ["null", "[]", '{"verdict": "PASS", "left_open": null}', '{"left_open": "all"}', "{}"])
@pytest.mark.usefixtures("there")
def test_a_registration_names_the_file_that_cannot_be_read(content: str) -> None:
    """What to do about it stands there, too; ``rawline summary`` calls the same file one that cannot be read."""
    place = artefacts.audit_metrics("classify")
    place.write_text(content)
    with pytest.raises(DataError, match=rf"^{place}(:| cannot be read: .*; make it again: rawline repro)"):
        project.register()
    place = artefacts.evaluate_metrics("classify")
    place.write_text('{"accuracy": {"value": 0.9}, "per_class": null}')
    with pytest.raises(DataError, match=f"^{place} cannot be read: per_class .*; make it again: rawline repro"):
        project.register()


@pytest.mark.parametrize(
    "change",
    [
        {"figure": {"value": "x"}}, {"figure": {"value": 10**400}}, {"figure": {"value": 0.9, "low": "x"}},
        {"classes": {"disc": {"value": "x"}}}, {"figure": {"value": 0.9, "n": "x"}}, {"replicates": 5},
        {"replicates": ["x"]}, {"outcomes": "x"}, {"left_open": 3}, {"degenerate": []},
        {"degenerate_by": []}, {"degenerate_by": {"degenerate": ["exact"]}}, None,
    ],
)  # fmt: skip
def test_a_champion_with_evidence_of_another_form_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any] | None
) -> None:
    """No traceback, and no comparison with what cannot be compared; without a change the better model takes its place."""
    project.start_with_champion(tmp_path, monkeypatch)
    (stored,) = tmp_path.rglob("evidence.json")
    files.write_json(stored, files.read_json(stored) | (change or {}))
    project.judge(0.95, weights="better")
    version = project.register()
    assert (project.holders()["champion"] == int(version.version)) == (change is None)


def test_names_are_those_of_the_stages() -> None:
    """They are spelt out where figures are read without numpy."""
    assert {units.TORN, units.TORN_COPIES, "limit"} == set(forms.COUNTED)
