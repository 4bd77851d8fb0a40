"""The model card and the version's tag say by which figures the evaluation is degenerate, the judged one or others."""

import re
from dataclasses import replace

import pytest

from pipelines.register import card
from stages.judge import degenerate
from tests.unit.pipelines.test_register_card import facts, said_of


def test_a_degenerate_evaluation_stands_before_its_figures():
    """In the first line, which a list of versions shows, before the figures with its reasons, and as a tag."""
    found = facts()
    few = {"kind": "few_units", "reason": "the test split has 6 pictures", "figures": []}
    faulty = replace(found, evidence=replace(found.evidence, **said_of(few)))
    text = card.render(faulty)
    assert text.startswith("degenerate evaluation, FAIL, accuracy 0.900")
    assert text.index("few\\_units: the test split has 6 pictures") < text.index("accuracy   0.900   0.850")
    assert card.tags(faulty, {})["degenerate"] == "few_units"
    assert card.tags(found, {})["degenerate"] == "no"
    assert "evaluation is degenerate" not in card.render(found)
    unknown = replace(found, evidence=replace(found.evidence, degenerate=None, degenerate_by={}))
    assert card.render(unknown).startswith("unchecked evaluation, FAIL")
    assert card.tags(unknown, {})["degenerate"] == "unknown"


TIES = {"kind": "constant_answer", "reason": "saying sky of every pixel ties", "figures": ["pixel_accuracy"]}


def test_what_is_degenerate_by_another_figure_alone_is_told_of_that_figure():
    """In the first line, with its reason before the figures, and in its row; as a tag the card has what the run has."""
    found = facts()
    one, asked = found.evidence.figure, ("accuracy", "pixel_accuracy")
    both = replace(found.evidence, figures={"accuracy": one, "pixel_accuracy": one}, **said_of(TIES, asked=asked))
    told = replace(found, evidence=both)
    text = card.render(told)
    assert text.startswith("degenerate by other figures: constant\\_answer (pixel\\_accuracy), FAIL, accuracy 0.900")
    assert "**By other figures than accuracy the evaluation says nothing.**" in text
    assert "evaluation is degenerate" not in text
    assert "- constant\\_answer (pixel\\_accuracy): saying sky of every pixel ties" in text
    assert [re.split(r"\s{3,}", line)[-1] for line in text.splitlines() if re.match("(pixel_)?accuracy  ", line)] == [
        "no", "constant_answer",
    ]  # fmt: skip
    assert (
        card.tags(told, {})["degenerate"] == degenerate.concerned(both.degenerate_by) == "constant_answer (pixel_accuracy)"
    )


@pytest.mark.parametrize(("faults", "tag"), [
    ([], "unknown (gain)"), ([TIES], "constant_answer (pixel_accuracy), unknown (gain)"),
    ([TIES | {"figures": ["gain", "accuracy"]}], "constant_answer (gain, accuracy)"),
])  # fmt: skip
def test_a_judged_figure_that_was_not_asked_is_unknown_in_the_tag(faults, tag):
    """What was asked of others does not make it sound."""
    found = facts()
    unasked = replace(found.evidence, metric="gain", **said_of(*faults, metric="gain"))
    assert card.tags(replace(found, evidence=unasked), {})["degenerate"] == tag
