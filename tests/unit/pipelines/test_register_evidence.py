"""The gate reads every task's evaluation as it is written."""

import pytest

from pipelines.register import evidence
from pipelines.register.gate import Figure

FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}


def test_headlines_are_what_has_a_value():
    """Tables beside the figures are no figures; an undefined one stays, as undefined."""
    content = {"map50": FIGURE, "map": {**FIGURE, "value": None}, "by_size": {"small": {"n": 1}}, "per_class": {}, "num": 3}
    assert evidence.headlines(content) == {"map": Figure(None, 0.4, 0.6, 9), "map50": Figure(0.5, 0.4, 0.6, 9)}


@pytest.mark.parametrize("row", [
    {"precision": 0.1, "recall": 0.2, "f1": 0.5, "n": 4}, {"map": 0.2, "map50": 0.5, "n": 4}, {"iou": 0.5, "n": 4},
])  # fmt: skip
def test_each_task_has_its_figure_of_a_class(row):
    """F1 for classify, mAP50 for detect and instance, IoU for segment."""
    assert evidence.classes({"per_class": {"cat": row}}) == {"cat": Figure(0.5, n=4)}


def test_a_digest_depends_on_names_and_content_alone(tmp_path):
    """The same files in another folder have the same digest; a byte, a name or a parameter makes another."""
    found = []
    cases = (("a", "x", "f", ""), ("b", "x", "f", ""), ("c", "y", "f", ""), ("d", "x", "g", ""), ("e", "x", "f", "p"))
    for folder, content, name, text in cases:
        (tmp_path / folder / "in").mkdir(parents=True)
        (tmp_path / folder / "in" / name).write_text(content)
        found.append(evidence.digest(tmp_path / folder / "in", text=text))
    assert found[0] == found[1]
    assert len(set(found)) == 4
