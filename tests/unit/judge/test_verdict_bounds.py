"""FAIL and PASS err in at most 5 % of audits of shares, summed over all outcomes: no simulation."""

from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from stages.judge import groups, measures, statistics, verdicts
from stages.judge.verdicts import FAIL, LEVEL, PASS, Limits

ALPHA = 0.05
SIZES = (10, 11, 18, 40, 100, 300, 1000)
GAPS = (0.01, 0.02, 0.05, 0.1, 0.3, 0.5)
FLOORS = (0.01, 0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
MANY = ((1, 1), (1, 3), (3, 1), (6, 6), (1, 11), (11, 1))  # groups that fare well, groups that fare badly


@cache
def bounds(num: int, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return share, lower and upper bound for each number of right pictures."""
    shares = np.arange(num + 1) / num
    return shares, *statistics.exact(shares, num, level)


@cache
def gap_bounds(first: int, second: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper bound of a gap for all outcomes of two groups, given their pictures."""
    both = (np.concatenate(pair) for pair in zip(bounds(first, level), bounds(second, level), strict=True))
    _, low, high = statistics.differences(*both)
    return low[: first + 1, first + 1 :], high[: first + 1, first + 1 :]


def best(num: int, groups_of: int, share: float) -> np.ndarray:
    """Return how likely each number of right pictures is to be that of the best of several like groups."""
    return np.diff(binom.cdf(np.arange(num + 1), num, share) ** groups_of, prepend=0.0)


def worst(num: int, groups_of: int, share: float) -> np.ndarray:
    """Return how likely each number of right pictures is to be that of the worst of several like groups."""
    return best(num, groups_of, 1 - share)[::-1]


@pytest.mark.parametrize("n", [1, 6, 20, 99, 1000])
@pytest.mark.parametrize("level", [0.8, 0.95, 1 - 0.05 / 288])
def test_the_bounds_are_scipys(n: int, level: float) -> None:
    """Whole sizes give scipy's exact interval, for every count; sizes between them give what lies between."""
    hits = np.arange(n + 1)
    low, high = statistics.exact(hits / n, n, level)
    for k in {0, 1, n // 2, n}:
        expected = binomtest(k, n).proportion_ci(level, method="exact")
        assert (low[k], high[k]) == pytest.approx((expected.low, expected.high), abs=1e-9)
    ends = [statistics.exact(0.8, size, level) for size in (n, n + 0.5, n + 1)]
    assert ends[0][0] <= ends[1][0] <= ends[2][0]
    assert ends[0][1] >= ends[1][1] >= ends[2][1]


def test_few_degrees_of_freedom_widen_the_bounds() -> None:
    """An estimated size gives wider bounds the fewer units it comes from; nothing known gives 0 to 1."""
    widths = [float(np.subtract(*statistics.exact(0.9, 40, 0.99, f)[::-1])) for f in (1, 4, 20, np.inf)]
    assert widths == sorted(widths, reverse=True)
    assert [float(b) for b in statistics.exact(0.9, 0)] == [0.0, 1.0]
    assert np.isnan(statistics.exact(np.nan, 40)).all()


@pytest.mark.parametrize("limit", GAPS)
def test_gaps_at_the_limit(limit: float) -> None:
    """Two, four and twelve groups whose true gap is just allowed: FAIL and PASS in at most 5 %, exactly, at any size."""
    highs = sorted({1.0, 0.99, 0.95, 0.8, (1 + limit) / 2, limit + 0.02, limit})
    for (well, badly), first, second, high in product(MANY, SIZES, SIZES, highs):
        if well + badly > 2 and first * second > 100_000:
            continue
        chances = best(first, well, high)[:, None] * worst(second, badly, max(high - limit, 0.0))
        told, at = 1 - ALPHA / (well + badly) ** 2, (well, badly, first, second, high)
        assert chances[gap_bounds(first, second, told)[0] > limit].sum() <= ALPHA, at
        assert chances[gap_bounds(first, second, LEVEL)[1] <= limit].sum() <= ALPHA, at


@pytest.mark.parametrize("floor", FLOORS)
def test_groups_at_the_floor(floor: float) -> None:
    """All groups exactly at the floor: FAIL in at most 5 %; one just below it: PASS in at most 5 %."""
    for num, size in product((2, 4, 12), range(10, 1001, 9)):
        shares, _, high = bounds(size, 1 - ALPHA / num**2)
        assert worst(size, num, floor)[high < floor].sum() <= ALPHA, (num, size)
        assert binom.pmf(np.arange(size + 1), size, floor)[bounds(size, LEVEL)[1] >= floor].sum() <= ALPHA, size
        assert shares.size == size + 1


@pytest.mark.parametrize(("size", "floor", "gap"), [(18, 0.98, 1.0), (16, 0.95, 1.0), (20, 0.0, 0.02), (12, 0.01, 1.0)])
def test_whole_audits_at_both_limits(size: int, floor: float, gap: float) -> None:
    """Every outcome of two groups is judged, and weighed with its chance where both limits are just kept."""
    way = groups.Grouping(("c",), ("x", "y"), np.repeat([0, 1], size))
    high = min(1.0, floor + gap) if gap < 1 else floor
    chances = [binom.pmf(np.arange(size + 1), size, share) for share in (high, max(floor, high - gap))]
    said = dict.fromkeys((FAIL, PASS), 0.0)
    for first, second in product(range(size + 1), repeat=2):
        right = np.concatenate([np.arange(size) < k for k in (first, second)]).astype(float)
        measure = measures.proportion("a", "a", "pictures", right, np.ones(2 * size))
        one = groups.compare(measure, way, min_group=10, num_bootstraps=1, random=np.random.default_rng(0))
        verdict = verdicts.judge([one], Limits(gap, floor, ALPHA))[0].verdict
        if verdict in said:
            said[verdict] += chances[0][first] * chances[1][second]
    assert max(said.values()) <= ALPHA


@pytest.mark.parametrize("level", [0.95, 1 - 0.05 / 9, 1 - 0.05 / 109, 1 - 1e-9])
def test_a_bound_is_a_number_however_small_its_error(level: float) -> None:
    """Few degrees of freedom make errors of 1e-90, for which beta quantiles may be no numbers: a FAIL would be lost."""
    random = np.random.default_rng(0)
    values, sizes = random.random(4000), 10 ** random.uniform(0, 4, 4000)
    low, high = statistics.exact(values, sizes, level, random.uniform(1, 15, 4000))
    assert ((low >= 0) & (low <= values) & (values <= high) & (high <= 1)).all()
