"""Whether a training had come to its end is read from its curve by two rules."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.judge import curves

NAN = float("nan")


@pytest.mark.parametrize(("figures", "last", "rising"), [
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], True, True),
    ([0.1, 0.5, 0.6, 0.6, 0.61, 0.59, 0.6, 0.62], True, False),  # best by a hair, but flat
    ([0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.62, 0.61], False, True),  # one pair falls: 5 of 120 orders
    ([0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.55, 0.62, 0.61], False, False),  # two do: 14 of 120
    ([0.1, 0.9, 0.5, 0.4], False, False),
    ([0.1, 0.5, 0.9, 1.0], False, False),  # nothing above 1
    ([0.2, 0.1, 0.3], True, False),  # too few to call it rising
    ([0.3], True, False),
    ([0.5, 0.5], False, False),  # of equal ones the first counts
    ([NAN, NAN, 0.1, NAN, 0.2], True, False),  # measured now and then
    ([], False, False),
    ([NAN], False, False),
])  # fmt: skip
def test_both_rules_on_curves_of_known_shape(figures, last, rising):
    """Best is last, still rising, both, neither."""
    found = curves.read(figures)
    assert (found.best_is_last, found.still_rising) == (last, rising)
    assert bool(curves.sentence(found, "val/miou", "finetune.segment.epochs")) == (last or rising)
    assert found.content("scratch_") == {"scratch_best_is_last": int(last), "scratch_still_rising": int(rising)}


@given(st.permutations(range(6)))
def test_chance_is_the_share_of_all_orders(figures):
    """Counted over all 720 orders, and Kendall's exact one-sided test of SciPy."""

    def falls(order: tuple[int, ...]) -> int:
        return sum(b < a for i, a in enumerate(order) for b in order[i + 1 :])

    share = np.mean([falls(order) <= falls(tuple(figures)) for order in permutations(range(6))])
    assert curves.chance(figures) == pytest.approx(share)
    tested = stats.kendalltau(range(6), figures, alternative="greater", method="exact").pvalue
    assert curves.chance(figures) == pytest.approx(tested)


def test_equal_figures_are_no_rise():
    """A plateau is none, however long."""
    assert curves.chance([0.5] * 8) == pytest.approx(1.0)
    assert not curves.read([0.5] * 8).still_rising


def test_flat_curves_are_seldom_called_rising():
    """Noise about a plateau: 5 % at most, and the best epoch is the last one in 1 of 9."""
    random = np.random.default_rng(0)
    found = [curves.read(0.5 + 0.01 * random.standard_normal(9)) for _ in range(3000)]
    assert np.mean([one.still_rising for one in found]) < 0.06
    assert np.mean([one.best_is_last for one in found]) == pytest.approx(1 / 9, abs=0.02)


def test_a_curve_reads_the_same_from_its_table():
    """Six digits are all that the table keeps: a difference beyond them makes no other best epoch."""
    exact = [0.5, 0.7, 0.70000001]
    assert curves.read(exact) == curves.read([float(f"{value:.6g}") for value in exact])
    assert not curves.read(exact).best_is_last


def test_the_sentence_names_figure_rise_and_what_may_help():
    """One line for a person, with the parameter to change."""
    found = curves.read([0.1, 0.2, 0.3, 0.4, 0.5])
    assert curves.sentence(found, "val/map50", "finetune.detect.epochs") == (
        "val/map50 was best in the last of 5 epochs that measured it and was still rising, by 0.300 over the last 4: "
        "more epochs may help (finetune.detect.epochs)"
    )
    assert "after one epoch alone" in str(curves.sentence(curves.read([0.3]), "val/map50", "x"))
