"""Pictures that hold unequal numbers of objects count as units of unequal size do."""

import numpy as np
import pytest

from stages.judge import by_group, measures, panels, precision_slope, statistics, units
from stages.judge.average_precision import RECALLS
from stages.judge.draws import Draws, estimates
from stages.judge.estimate import Estimate
from stages.judge.groups import Comparison, Grouping, compare
from stages.judge.measures import Measure
from stages.judge.permutations import Dealer
from stages.judge.verdicts import PASS, UNDECIDED, Limits, judge
from stages.parts.reports._words import sentence
from tests.simulations import few_holders
from tests.simulations.few_holders import AT_LIMIT, CROWDS, GRID, Crowded, Figure, map50, recall

NUM = 60
FIGURES = pytest.mark.parametrize("figure", [recall, map50])


def interval(one: Estimate) -> tuple[float, float, float]:
    """Return figure and interval."""
    return one.value, one.low, one.high


def both(figure: Figure, seed: int) -> tuple[Measure, Measure, units.Units]:
    """Return a figure over pictures of one to nine objects, and over pictures of one each, of which units are made."""
    random = np.random.default_rng(seed)
    held = random.integers(1, 10, NUM)
    found = random.binomial(held, random.beta(3.0, 1.0, NUM))
    owner = np.repeat(np.arange(NUM), held)
    first = np.repeat(np.cumsum(held) - held, held)
    single = np.asarray(np.arange(owner.size) - first < found[owner], np.float64)
    whole = figure(held[:, None].astype(float), found[:, None].astype(float), np.random.default_rng(seed))
    parts = figure(np.ones((owner.size, 1)), single[:, None], np.random.default_rng(seed))
    return whole, parts, units.of(owner.astype(str).tolist())


@FIGURES
@pytest.mark.parametrize("seed", range(3))
def test_a_picture_of_objects_is_a_unit_of_pictures_with_one_each(figure: Figure, seed: int) -> None:
    """The same worth, the same least variance by the rule for units, and the same intervals of group and split."""
    whole, parts, held = both(figure, seed)
    codes, own = np.zeros(NUM, np.int64), np.zeros(held.codes.size, np.int64)
    worth = by_group.holders_worth(whole, codes, 1)
    assert worth == pytest.approx(held.worth()) == by_group.holders_worth(parts, own, 1, held)
    moved, alone = whole.slope(codes, 1), parts.slope(own, 1)  # type: ignore[misc]
    least = units.spread(alone.influence, held.codes, codes, 1)
    if figure is map50:  # influences have the factor n / (n - 1) of their own number of pictures
        least *= (1 - 1 / own.size) / (1 - 1 / NUM)
    assert moved.least == pytest.approx(least, rel=1e-9)
    assert least > 0
    random = np.random.default_rng(0)
    one = by_group.estimates(whole, codes, 1, 10, random)[0]
    assert interval(one) == pytest.approx(interval(by_group.estimates(parts, own, 1, 10, random, held)[0]), abs=1e-3)
    assert one.freedom == pytest.approx(worth[0] - 1)
    drawn = Draws(NUM, 200, lambda: np.random.default_rng(1))
    pictures = estimates(panels.of_measures([whole], units.alone(NUM)), drawn)[whole.name]
    joined = estimates(panels.of_measures([parts.merged(held.codes, NUM)], held), drawn)[whole.name]
    assert interval(pictures) == pytest.approx(interval(joined), abs=1e-3)
    assert pictures.freedom == pytest.approx(worth[0] - 1)


def test_false_detections_are_shared_out_over_the_objects_of_their_picture() -> None:
    """So that influences of objects add up to the picture's: of one object a picture the sum of squares is its square."""
    random = np.random.default_rng(0)
    right, extra = np.flatnonzero(random.random(NUM) < 0.8), random.integers(0, NUM, 30)
    scores, true = np.r_[random.random(right.size), random.random(30) * 0.8], np.arange(right.size + 30) < right.size
    table = few_holders.everywhere(few_holders.matches(scores, np.r_[right, extra], true, np.ones(NUM)))
    for chosen in (slice(0, 1), slice(None)):
        _, moves, squares = precision_slope._class(table, chosen, RECALLS, np.arange(NUM) % 2, 2)
        assert squares == pytest.approx(moves**2, rel=1e-9)


@FIGURES
@pytest.mark.parametrize("each", [1.0, 4.0])
def test_pictures_of_equally_many_objects_change_nothing(figure: Figure, each: float) -> None:
    """No least variance, pictures less one as degrees of freedom, the normal quantile in the split."""
    random = np.random.default_rng(1)
    held = np.full((NUM, 1), each)
    measure = figure(held, random.binomial(int(each), 0.8, (NUM, 1)).astype(float), random)
    codes = np.arange(NUM) % 2
    moved = measure.slope(codes, 2)  # type: ignore[misc]
    assert not np.any(moved.least)
    for one, error in zip(
        by_group.estimates(measure, codes, 2, 10, random),
        statistics.standard_errors(moved.influence, codes, 2),
        strict=True,
    ):
        assert one.freedom == pytest.approx(np.inf if measure.independent else NUM / 2 - 1)
        size = one.n if measure.independent else one.value * (1 - one.value) / error**2
        assert one.size == pytest.approx(size, rel=1e-9)
    panel = panels.of_measures([measure], units.alone(NUM))
    assert (panel.worth, panel.uneven) == ([NUM], [False])
    assert estimates(panel, Draws(NUM, 50, lambda: np.random.default_rng(0)))[measure.name].freedom == np.inf


def test_five_crowded_pictures_are_not_compared() -> None:
    """Five pictures of 200 objects, all found, and 81 of 95 single ones: worth six, named; nothing passes beside them."""
    held, found = np.r_[np.full(5, 200.0), np.ones(95)], np.r_[np.full(5, 200.0), np.ones(81), np.zeros(14)]
    random = np.random.default_rng(0)
    good = np.ones(800)
    measure = measures.proportion("r", "recall", "objects", np.r_[found, good], np.r_[held, good])
    codes = np.r_[np.zeros(100, np.int64), 1 + np.arange(800) % 2]
    one = compare(measure, Grouping(("c",), ("x", "y", "z"), codes), min_group=10, num_bootstraps=10, random=random)
    assert interval(one.estimates[0]) == pytest.approx((1081 / 1095, 0.463, 1.0), abs=1e-3)
    assert by_group.holders_worth(measure, codes, 3) == pytest.approx([1095**2 / (5 * 200**2 + 95), 400, 400])
    assert (one.compared, one.uneven) == ((1, 2), (0,))
    limits = Limits(0.1, 0.05, 0.05)
    (finding,) = judge([one], limits)
    assert finding.verdict == UNDECIDED
    told = (
        "for pictures with very unequal numbers of objects count for fewer than they are, and a group must be worth 10 to be"
    )
    worth = "100 pictures worth 6.0 of equal size, about 67 more pictures like them needed"
    assert f"{told} compared: x ({worth}); about" in sentence(finding, limits)


@pytest.mark.parametrize("seed", range(4))
def test_so_many_more_pictures_are_worth_enough(seed: int) -> None:
    """Drawn like those that are there, they bring the group to what it needs; few fewer do not. Then it is settled, too."""
    random = np.random.default_rng(seed)
    held = np.r_[np.full(3, 60.0), np.ones(37)]
    codes, needed = np.zeros(held.size, np.int64), 10

    def group(times: int) -> Comparison:
        own = np.r_[np.tile(held, times), np.ones(400)]
        hits = np.r_[np.full(held.size * times, 1.0), np.ones(400)] * own
        measure = measures.proportion("r", "recall", "objects", hits, own)
        way = Grouping(("c",), ("x", "y"), np.r_[np.tile(codes, times), np.ones(400, np.int64)])
        return compare(measure, way, min_group=needed, num_bootstraps=10, random=random)

    one = group(1)
    assert (one.compared, one.uneven) == ((1,), (0,))
    assert one.worth == pytest.approx((217**2 / (3 * 3600 + 37), 400))
    times = (held.size + one.lacks(0)) / held.size
    assert needed <= times * one.worth[0] < needed + one.worth[0] / held.size
    assert group(int(np.ceil(times))).compared == (0, 1)
    (finding,) = judge([one], Limits(0.5, 0.05, 0.05))
    assert (finding.verdict, finding.is_compared) == (UNDECIDED, False)
    assert finding.more == one.lacks(0)
    (after,) = judge([group(int(np.ceil(times)))], Limits(0.5, 0.05, 0.05))
    assert after.verdict == PASS


@FIGURES
@pytest.mark.parametrize("objects", ["1, 10 % have 20", "log-normal, sigma 1.5", "1 and Poisson, 5"])
def test_intervals_of_crowded_pictures_cover(figure: Figure, objects: str) -> None:
    """Of a group and of a split; 91 %, and two standard errors of 150 tries less."""
    scene, random = Crowded(100, objects, 0.9), np.random.default_rng(6)
    told = (few_holders.split(figure, scene, random) for _ in range(150))
    assert few_holders.held(told, scene.truth, GRID)[0] >= 0.91 - 0.046
    assert few_holders.group(figure, scene, 150)[0] >= 0.91 - 0.046


@pytest.mark.long
@FIGURES
@pytest.mark.parametrize("objects", CROWDS)
def test_audits_of_crowded_pictures_keep_their_promise(figure: Figure, objects: str) -> None:
    """At a gap that is just allowed at most 5 % fail and at most 5 % pass (and sampling error)."""
    scenes = [Crowded(100, objects, ability) for ability in (0.95, 0.85)]
    told = few_holders.audits(figure, scenes, AT_LIMIT, 150)
    assert max(told.values()) <= 0.05 + 0.04  # what a true 5 % exceeds once in a hundred


@pytest.mark.parametrize("figure", [map50, few_holders.average_recall])
def test_a_rare_crowded_class_leaves_a_mean_as_open_as_it_is_itself(figure: Figure) -> None:
    """All found of a class in five pictures of 200 objects and 95 of one: half a mean rests on six trials, not on 100."""
    random = np.random.default_rng(1)
    held = np.zeros((300, 2))
    held[:200, 0], held[200:205, 1], held[205:, 1] = 5, 200, 1
    found = np.c_[random.binomial(5, 0.9, 300) * (held[:, 0] > 0), held[:, 1]]
    codes, draws = np.zeros(300, np.int64), Draws(300, 100, lambda: np.random.default_rng(0))
    both, rare = figure(held, found, random), figure(held[:, 1:], found[:, 1:], random)
    alone = by_group.estimates(rare, codes, 1, 10, random)[0]
    assert alone.low < 0.65
    of_split = estimates(panels.of_measures([both], units.alone(300)), draws)[both.name]
    for one in (by_group.estimates(both, codes, 1, 10, random)[0], of_split):
        assert one.value - one.low >= 0.95 * (1 - alone.low) / 2


def test_a_cell_of_crowded_pictures_counts_as_they_are_worth() -> None:
    """The gap within classes is as unsure as few crowded pictures make it, not as all that hold an object would."""
    errors = []
    for crowded in (False, True):
        held = np.ones(200)
        held[[0, 50, 100, 150]] = 50 if crowded else 1
        found = held * (np.arange(200) % 10 > 0)
        codes, classes = np.repeat([0, 1], 100), np.tile(np.repeat([0, 1], 50), 2)
        compared = compare(
            measures.proportion("r", "recall", "objects", found, held), Grouping(("g",), ("a", "b"), codes),
            min_group=1, num_bootstraps=10, random=np.random.default_rng(0),
        )  # fmt: skip
        dealer = Dealer(compared, classes, 20, 0.1, lambda *_: np.random.default_rng(0))
        deals = dealer(0, 1)
        assert deals is not None
        errors.append(deals.apart)
    assert errors[1] > 2 * errors[0]
