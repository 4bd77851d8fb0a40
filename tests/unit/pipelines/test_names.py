"""Names for MLflow: always taken, never two the same."""

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

from pipelines.record.names import LIMIT, allowed

NAMES = st.one_of(
    st.text(st.characters(max_codepoint=0x2FF), max_size=8),
    st.text("a/. %(-\nä", max_size=8),
    st.text("ab", min_size=245, max_size=300),
)


@given(NAMES)
def test_mlflow_takes_every_name(name):
    """Whatever a class is called; MLflow's own check is the judge."""
    found = allowed(name)
    _validate_metric_name(found)
    assert len(found) <= LIMIT == MAX_ENTITY_KEY_LENGTH


@given(st.lists(NAMES, unique=True, max_size=30))
def test_no_two_names_become_one(names):
    """What MLflow would take stays apart from what was changed, and changed names from one another."""
    found = [allowed(name) for name in names]
    again = [allowed(name) for name in found]
    assert len(set(found)) == len(names)
    assert len(set(found) | set(again)) >= len(names)


def test_a_plain_name_stays():
    """Names that people search for are not touched."""
    plain = ["accuracy", "accuracy.low", "per_class/red cell/f1", "classify/map50.n", "train/loss", "rawline.stage", "ü/ä"]
    assert [allowed(name) for name in plain] == plain
    assert allowed("a" * 300) != allowed("a" * 301)
    assert allowed(allowed("a?")) != allowed("a?")
