"""A picture is of the class of its label, or of the class that it holds most of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from stages.judge import strata
from stages.parts.reports._words import of_pictures

TABLES = st.integers(1, 4).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=1, max_size=12)
)


@given(TABLES)
def test_the_class_that_a_picture_holds_most_of(rows: list[list[int]]) -> None:
    """It is what counting by hand finds: the most, of equals the one that the split holds least of, then the first."""
    held = np.array(rows)
    totals, (num, width) = held.sum(0), held.shape
    found = strata.of([None] * num, sparse.csr_array(held))
    by_hand = [min(range(width), key=lambda k: (-row[k], totals[k], k)) if sum(row) else width for row in rows]
    assert strata.most_held(held).tolist() == by_hand
    assert [found.codes[i] == found.codes[0] for i in range(num)] == [one == by_hand[0] for one in by_hand]
    assert found.held == bool(held.any())
    assert found.asked == (len(set(by_hand)) > 1)


def test_a_label_says_more_than_what_a_picture_holds() -> None:
    """Pictures with a label are of it alone; one without is of what it holds, never of the class of a label."""
    found = strata.of(["b", "a", None, "", "b"], np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]))
    assert found.codes[0] == found.codes[4]
    assert len(set(found.codes[:4].tolist())) == 4
    assert (found.labelled, found.held, found.asked) == (True, True, True)
    every = strata.of(["b", "a"], np.array([[1, 0], [0, 1]]))
    assert (every.labelled, every.held) == (True, False)


def test_the_report_says_what_was_asked() -> None:
    """The label, what a picture holds most of, both, or nothing at all."""
    none = np.zeros((2, 2))
    assert of_pictures(strata.of(["a", "b"], none), "classify") == "The class of a picture is its label."
    assert "was not asked" in of_pictures(strata.of(["a", "b"], none), "detect")
    assert "is the one that it holds most of" in of_pictures(strata.of([None, None], np.eye(2)), "detect")
    assert "is its label or, without one, the one that it" in of_pictures(strata.of(["a", None], np.eye(2)), "detect")
    assert of_pictures(strata.of([None, None], none), "detect").startswith("Not asked: ")
    assert of_pictures(strata.of(["a", "a"], none), "classify").startswith("Not asked: ")
