"""Every number of a metrics file has a name of its own, and what is undefined is said and never a number."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from pipelines import flow_artifacts
from pipelines.register import evidence
from stages import evaluate
from stages.core import figures

KEYS = st.one_of(
    st.text("ab./%\n", max_size=4), st.sampled_from(["low", "value", "n", "a.low", "a%2Elow", "a/b", "E. coli"])
)
LEAVES = st.one_of(
    st.floats(),
    st.integers(-5, 5),
    st.none(),
    st.booleans(),
    st.sampled_from(["PASS", ""]),
    st.lists(st.integers(), max_size=1),
)
FIGURES = st.dictionaries(
    st.sampled_from(["value", "low", "high", "n", "p"]), LEAVES | st.dictionaries(KEYS, LEAVES, max_size=1), max_size=5
)
CONTENTS = st.dictionaries(KEYS, st.recursive(LEAVES | FIGURES, lambda inner: st.dictionaries(KEYS, inner, max_size=3)))


def leaves(content) -> list:
    return [x for v in content.values() for x in (leaves(v) if isinstance(v, dict) else [v])]


def is_real(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@given(CONTENTS)
@example({"": {"value": 0.0, "low": {"": 0.0}}})
@example({"value": {"value": {"value": 1.0}}, "n": {"n": 2, "value": 3, "p": {}}})
def test_no_number_is_lost_and_no_two_share_a_name(content):
    """As many names as finite numbers, with the same values, whatever the keys are: slashes, points, parts of a figure."""
    found = figures.numbers(content)
    wanted = [float(x) for x in leaves(content) if is_real(x) and math.isfinite(x)]
    assert sorted(found.values()) == sorted(wanted)


@given(CONTENTS)
def test_what_is_undefined_is_no_number_and_is_listed(content):
    """Null and not finite is in the list, or is a part of a figure that stands there; a word or a list is neither."""
    lost, found = figures.undefined(content), figures.numbers(content)
    assert not set(lost) & set(found)
    missing = [x for x in leaves(content) if x is None or (is_real(x) and not math.isfinite(x))]
    assert bool(lost) == bool(missing)
    assert len(lost) <= len(missing)


def test_the_rule_is_that_of_the_documentation():
    """A figure gives its value under its name and the rest behind a point; classes keep their path."""
    content = {
        "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 60},
        "per_class": {"cat": {"precision": 0.5, "n": 10}, "gnu": {"precision": None, "n": 0}},
        "scratch": {"accuracy": {"value": None, "low": None, "high": None, "n": 0}},
        "verdict": "PASS",
    }
    assert figures.numbers(content) == {
        "accuracy": 0.9, "accuracy.low": 0.8, "accuracy.high": 0.95, "accuracy.n": 60.0,
        "per_class/cat/precision": 0.5, "per_class/cat/n": 10.0, "per_class/gnu/n": 0.0, "scratch/accuracy.n": 0.0,
    }  # fmt: skip
    assert figures.undefined(content) == ["per_class/gnu/precision", "scratch/accuracy"]


def test_a_class_may_be_called_as_a_part_of_a_figure():
    """What holds classes is no figure, whatever they are called: every reader passes it over."""
    whole = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    content = {"accuracy": whole, "per_class": {"value": {"f1": 0.5, "n": 9}, "n": {"f1": None, "n": 0}}}
    assert evaluate._sentence(content, 2) == "accuracy 0.500 [0.400, 0.600], n = 9; 2 pictures with mistakes"
    assert set(evidence.headlines(content)) == set(figures.headlines(content)) == {"accuracy"}
    assert [row["figure"] for row in flow_artifacts.figures(content)] == ["accuracy"]
    assert figures.text("per_class", content["per_class"]) is None
