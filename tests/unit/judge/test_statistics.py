"""Intervals keep their promise, with few pictures too."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from stages.judge import measures, statistics
from stages.judge.estimate import Estimate, estimated
from stages.judge.measures import Measure

Floats = NDArray[np.float64]


def drawn(measure: Measure, weights: Floats) -> Estimate:
    """Return a figure of all pictures, each drawn for itself, with the interval of its draws."""
    num, n = measure.counts.size, int(measure.counts.sum())
    value = measure.of(np.ones(num, bool))
    return estimated(value, measure.values(weights), n, (num, num), independent=measure.independent)


@pytest.mark.parametrize("n", [1, 6, 20, 99, 1000])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_wilson_equals_scipy(n: int, level: float) -> None:
    """Wilson's interval is scipy's, for every count."""
    hits = np.arange(n + 1)
    low, high = statistics.wilson(hits / n, n, level)
    for k in {0, 1, n // 2, n}:
        expected = stats.binomtest(k, n).proportion_ci(level, method="wilson")
        assert (low[k], high[k]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_flawless_group_gets_no_point_interval() -> None:
    """Six right of six says little: the interval is not [1, 1] as a percentile bootstrap's, for no kind of figure."""
    right = np.ones(6)
    weights = statistics.resamples(6, 500, np.random.default_rng(0))
    assert statistics.percentile_interval(weights @ right / 6) == (1.0, 1.0)
    plain = drawn(measures.proportion("a", "a", "pictures", right, right), weights)
    other = drawn(measures.average("b", "b", right), weights)
    assert plain.low == other.low == pytest.approx(0.61, abs=0.001)
    assert plain.high == other.high == 1.0


def test_wilson_covers_where_the_bootstrap_does_not() -> None:
    """At n = 20 and 2 % errors the percentile bootstrap covers a third of the time, Wilson's interval nearly always."""
    random, truth, n = np.random.default_rng(1), 0.98, 20
    outcomes = random.random((400, n)) < truth
    low, high = statistics.wilson(outcomes.mean(1), n)
    weights = statistics.resamples(n, 400, random)
    ends = np.quantile(weights @ outcomes.T / n, [0.025, 0.975], axis=0)
    assert 0.9 < np.mean((low <= truth) & (truth <= high)) <= 1
    assert np.mean((ends[0] <= truth) & (truth <= ends[1])) < 0.5


@pytest.mark.parametrize("num_pictures", [15, 60])
def test_effective_size_covers_clustered_objects(num_pictures: int) -> None:
    """Objects of one picture share its difficulty; the interval of their recall covers all the same."""
    random = np.random.default_rng(num_pictures)
    covered, naive = [], []
    for _ in range(200):
        totals = random.integers(1, 12, num_pictures).astype(float)
        hits = random.binomial(totals.astype(int), random.beta(1.6, 0.4, num_pictures)).astype(float)
        weights = statistics.resamples(num_pictures, 300, random)
        found = drawn(measures.proportion("r", "r", "objects", hits, totals), weights)
        low, high = statistics.wilson(found.value, totals.sum())
        covered.append(found.low <= 0.8 <= found.high)
        naive.append(low <= 0.8 <= high)
    assert 0.89 <= np.mean(covered) <= 1
    assert np.mean(naive) < 0.85


def test_a_difference_covers() -> None:
    """The interval of a difference of two small groups covers the true one about 95 % of the time."""
    random, found = np.random.default_rng(3), []
    for _ in range(1000):
        p, q = random.binomial(30, 0.9) / 30, random.binomial(40, 0.7) / 40
        first, second = ((v, *(float(b) for b in statistics.wilson(v, n))) for v, n in ((p, 30), (q, 40)))
        _, low, high = statistics.difference(first, second)
        found.append(low <= 0.2 <= high)
    assert 0.93 <= np.mean(found) <= 0.98


def test_a_difference_is_newcombes() -> None:
    """Newcombe 1998, Table II, example (a): 56/70 - 48/80, method 10, is 0.0524 to 0.3339."""
    first, second = ((k / n, *(float(b) for b in statistics.wilson(k / n, n))) for k, n in ((56, 70), (48, 80)))
    assert statistics.difference(first, second) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_all_pairs_are_the_pairs() -> None:
    """Differences of several figures at once are those of each ordered pair, and turn round with the pair."""
    random = np.random.default_rng(4)
    values = random.random(5)
    low, high = statistics.wilson(values, random.integers(8, 90, 5))
    found = np.stack(statistics.differences(values, low, high))
    for a in range(5):
        for b in range(5):
            first, second = ((float(values[i]), float(low[i]), float(high[i])) for i in (a, b))
            assert found[:, a, b] == pytest.approx(statistics.difference(first, second), abs=1e-12)
            assert found[1, a, b] == pytest.approx(-found[2, b, a], abs=1e-12)


@pytest.mark.parametrize("n", [2, 9, 40])
def test_the_standard_error_of_a_mean_is_the_textbooks(n: int) -> None:
    """Influences of a mean give scipy's standard error of the mean, of each group by its own pictures."""
    random = np.random.default_rng(n)
    figures, codes = random.random(3 * n), np.repeat([0, -1, 1], n)
    influence = np.where(codes == 0, figures - figures[:n].mean(), figures - figures[2 * n :].mean()) / n
    expected = [stats.sem(figures[:n]), stats.sem(figures[2 * n :])]
    assert statistics.standard_errors(influence, codes, 2) == pytest.approx(expected)


def test_students_quantile_is_scipys() -> None:
    """With few degrees of freedom the quantile is Student's, with infinitely many the normal one."""
    for level in (0.8, 0.95, 0.99999):
        expected = [stats.t.ppf(0.5 + level / 2, 4), stats.norm.ppf(0.5 + level / 2)]
        assert statistics.quantile(level, np.array([4.0, np.inf])) == pytest.approx(expected)


def test_streamed_draws_are_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws held a few rows at a time are as many, take N pictures each, and never hold more than they may."""
    monkeypatch.setattr(statistics, "ENTRIES", 100)
    chunks = list(statistics.resampled(30, 50, np.random.default_rng(5)))
    assert sum(len(c) for c in chunks) == 50
    assert max(c.size for c in chunks) <= 100
    assert all((c.sum(1) == 30).all() for c in chunks)


def test_resamples_draw_whole_pictures() -> None:
    """Every draw takes N pictures, and the same generator gives the same draws."""
    first = statistics.resamples(30, 50, np.random.default_rng(5))
    assert (first.sum(1) == 30).all()
    assert (first == np.round(first)).all()
    assert (first == statistics.resamples(30, 50, np.random.default_rng(5))).all()
