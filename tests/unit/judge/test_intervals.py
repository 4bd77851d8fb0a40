"""Intervals of headline figures hold the truth with many small classes, near perfection, and where draws stand still."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stages.judge import average_precision as ap
from stages.judge import classes, labels, panels, regions, statistics
from stages.judge.draws import Draws, Panel, alike, estimates
from stages.judge.units import Units, alone
from tests.simulations.intervals import Labels, Objects, Pixels, World, coverage
from tests.simulations.matches import matches

NUM = 200


def draws(num: int, seed: int = 1, times: int = 1000) -> Draws:
    return Draws(num, times, lambda: np.random.default_rng(seed))


def nearly_perfect() -> list[ap.Matches]:
    """Return 200 pictures of five objects, 995 of the thousand found without a false alarm, at all thresholds."""
    found = np.full(NUM, 5)
    found[::40] = 4
    pictures = np.repeat(np.arange(NUM), found)
    table = matches(np.linspace(0.99, 0.9, pictures.size), pictures, np.ones(pictures.size, bool), np.full(NUM, 5.0))
    right = np.repeat(table.right, ap.IOUS.size, axis=0)
    return [ap.Matches(table.scores, table.pictures, right, ~right, table.holders, table.held, NUM)]


def test_a_figure_that_stands_still_under_draws_keeps_the_width_of_its_standard_error():
    """COCO's grid reads 100 / 101 under nearly all draws; the interval is Wilson's with the error of the share found.

    Without false alarms the area is that share, 0.995, whose error the delta method gives by hand.
    """
    found = estimates(panels.of_precision(nearly_perfect()), draws(NUM))
    still = draws(NUM).of(panels.of_precision(nearly_perfect()).values)[:, 0]
    assert statistics.percentile_interval(still) == (pytest.approx(100 / 101), pytest.approx(100 / 101))
    moved = np.r_[np.full(5, 4 - 0.995 * 5), np.full(195, 5 - 0.995 * 5)] / 1000
    error = np.sqrt((moved**2).sum()) * 200 / 199  # for 200 that are drawn, and for 200 that hold the class
    value = 100 / 101
    low, high = statistics.wilson(value, value * (1 - value) / error**2)
    bias = float(still.mean()) - value
    for name in ("map50", "map75", "map"):
        assert found[name].value == pytest.approx(value)
        assert found[name].low == pytest.approx(min(low, low - bias), abs=1e-9)
        assert found[name].high == pytest.approx(max(high, high - bias), abs=1e-9)
        assert not found[name].alike
    assert found["map50"].low < 0.985
    assert found["map50"].high > 0.993


def of_labels(random: np.random.Generator) -> Panel:
    truth = random.choice(4, 600, p=[0.4, 0.3, 0.2, 0.1])
    said = np.where(random.random(600) < 0.8, truth, random.integers(0, 4, 600))
    each = {"precision": classes.precision, "recall": classes.recall, "f1": classes.f1}
    return panels.of_classes(labels.counts(truth, said, 4), each, {"macro_f1": classes.f1}, single=True)


def of_pixels(random: np.random.Generator) -> Panel:
    rows = []
    for _ in range(600):
        truth = random.integers(0, 3, (6, 6)).astype(np.uint8)
        rows.append(
            regions.observe(truth, np.where(random.random((6, 6)) < random.beta(4, 2), truth, 0).astype(np.uint8), 3)
        )
    held = regions.gather(rows, 3).by_class()
    return panels.of_classes(held, {"iou": classes.iou}, {"miou": classes.iou}, single=False)


def of_objects(random: np.random.Generator) -> Panel:
    tables = []
    for _ in range(3):
        objects = random.poisson(1.5, 600)
        found, false = random.binomial(objects, 0.7), random.poisson(0.4, 600)
        pictures = np.r_[np.repeat(np.arange(600), found), np.repeat(np.arange(600), false)]
        right = np.r_[np.ones(found.sum(), bool), np.zeros(false.sum(), bool)]
        scores = random.normal(2.0 * right, 1.0)
        table = matches(scores, pictures, right, objects.astype(float))
        hit = np.stack([table.right[0] & (random.random(right.size) < 1 - t / 20) for t in range(10)])
        tables.append(ap.Matches(table.scores, table.pictures, hit, ~hit, table.holders, table.held, 600))
    return panels.of_precision(tables, each=True)


@pytest.mark.parametrize("made", [of_labels, of_pixels, of_objects])
def test_the_error_of_every_figure_is_that_of_its_bootstrap(made: Callable[[np.random.Generator], Panel]):
    """Headlines and single classes alike, within 12 % of 1,000 exact draws."""
    panel = made(np.random.default_rng(3))
    drawn = draws(600).of(panel.values).std(axis=0)
    assert [one.error for one in panel.shown()] == pytest.approx(drawn, rel=0.12)


def test_the_error_of_units_is_that_of_their_sums():
    """Each picture twice over, as one unit: the error is that of the pictures once."""
    random = np.random.default_rng(4)
    truth, said = random.integers(0, 3, 100), random.integers(0, 3, 100)
    once = panels.of_classes(labels.counts(truth, said, 3), {"f1": classes.f1}, {"macro_f1": classes.f1}, single=True)
    held = labels.counts(np.tile(truth, 2), np.tile(said, 2), 3)
    units = Units(np.tile(np.arange(100), 2), 100)
    twice = panels.of_classes(held, {"f1": classes.f1}, {"macro_f1": classes.f1}, single=True, units=units)
    assert once.slopes is not None
    errors, trials = ([[getattr(one, name) for one in p.shown()] for p in (twice, once)] for name in ("error", "trials"))
    assert errors[0] == pytest.approx(errors[1], rel=1e-12)
    assert trials[0] == trials[1]


def test_shares_of_pictures_keep_wilsons_interval():
    """Accuracy, and precision and recall of each class, to the last bit."""
    random = np.random.default_rng(5)
    truth, said = random.integers(0, 3, 150), random.integers(0, 3, 150)
    each = {"precision": classes.precision, "recall": classes.recall}
    panel = panels.of_classes(labels.counts(truth, said, 3), each, {"accuracy": classes.share}, single=True)
    right, found = truth == said, estimates(panel, draws(150, times=100))
    rows = {"accuracy": np.ones(150, bool)}
    rows |= {f"precision/{k}": said == k for k in range(3)} | {f"recall/{k}": truth == k for k in range(3)}
    for name, some in rows.items():
        low, high = statistics.wilson(right[some].mean(), some.sum())
        assert (found[name].low, found[name].high) == (float(low), float(high))


@pytest.mark.parametrize(
    ("world", "plain"),
    [
        (Labels(50, 200, 0.8), 0.8),
        (Labels(80, 400, 0.6), 0.6),
        (Pixels(80, 400, 0.9), 0.93),
        (Objects(80, 400, 0.855, 0.2), 0.95),
        (Objects(1, 300, 0.995, 0), 0.9),
    ],
)
def test_intervals_cover_with_many_small_classes_and_near_perfection(world: World, plain: float):
    """Of 80 splits nine tenths and more hold the truth, and more than by the percentile bootstrap of the same draws."""
    told, bootstrap = coverage(world, 80, seed=7)
    assert told.held >= 0.9
    assert bootstrap.held <= plain
    assert told.held > bootstrap.held


def test_what_is_alike_is_the_same_in_each_unit_and_moved_by_none():
    """Half of every mask right: alike. Of one picture a pixel more, or one class right and one wrong in turn: not."""
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    half, less = np.array([[0, 1, 1, 0]], np.uint8), np.array([[0, 1, 0, 0]], np.uint8)

    def panel(said: list[np.ndarray]) -> Panel:
        held = regions.gather([regions.observe(truth, one, 2) for one in said], 2).by_class()
        return panels.of_measures([panels.mean("miou", "mIoU", "pixels", held, classes.iou)], alone(len(said)))

    same = estimates(panel([half] * 120), draws(120))["miou"]
    assert (same.value, same.alike) == (pytest.approx(1 / 3), True)
    assert same.low < 0.3
    assert same.high > 0.4
    assert not estimates(panel([half] * 119 + [less]), draws(120))["miou"].alike
    assert not estimates(panel([half] * 40), draws(40))["miou"].alike
    ones = np.repeat([0, 1], 60)
    held = labels.counts(np.r_[ones, np.full(120, 2)], np.r_[ones, np.full(120, 3)], 4)
    turns = panels.of_classes(held, {}, {"macro_f1": classes.f1}, single=True)
    assert not estimates(turns, draws(240))["macro_f1"].alike


def test_units_without_a_figure_are_passed_over():
    """Whether the others are alike decides, figure by figure."""
    each = np.array([[0.5, 0.2], [np.nan, 0.2], [0.5, 0.3]])
    assert alike(lambda weights: each[weights.argmax(axis=1)], 3, least=2).tolist() == [True, False]


def test_units_that_hold_nothing_do_not_make_few_alike_many():
    """One of two objects found in each picture that holds any, of 300: alike from a hundred such pictures on.

    Four of which half is found are so by chance once in sixteen times, whatever the number of empty pictures.
    """
    for holding in (4, 99, 100):
        held = np.r_[np.full(holding, 2.0), np.zeros(300 - holding)]
        one = matches(np.linspace(1, 0, holding), np.arange(holding), np.ones(holding, bool), held)
        tables = [replace(one, right=one.right.repeat(10, axis=0), wrong=one.wrong.repeat(10, axis=0))]
        panel = panels.of_precision(tables)
        found = estimates(panel, draws(300))["ar"]
        assert (found.value, found.num_units, found.alike) == (0.5, 300, holding == 100)
        assert alike(panel.values, 300)[3] == (holding == 100)


def parted(num: int) -> dict[str, Panel]:
    """Return a panel of each kind over so many pictures, all alike but the last."""
    half, less = np.array([[0, 1, 1, 0]], np.uint8), np.array([[0, 1, 0, 0]], np.uint8)
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    held = regions.gather([regions.observe(truth, one, 2) for one in [*[half] * (num - 1), less]], 2).by_class()
    of, right = np.tile(np.arange(num), 3), np.r_[np.ones(2 * num - 1), np.zeros(num + 1)] > 0
    one = matches(np.linspace(1, 0, 3 * num), of, right, np.full(num, 2.0))
    tables = [replace(one, right=one.right.repeat(10, axis=0), wrong=one.wrong.repeat(10, axis=0))] * 2
    return {
        "measures": panels.of_measures([panels.mean("miou", "mIoU", "pixels", held, classes.iou)], alone(num)),
        "classes": panels.of_classes(held, {"iou": classes.iou}, {"miou": classes.iou}, single=False),
        "precision": panels.of_precision(tables, each=True),
    }


@pytest.mark.parametrize("name", ["measures", "classes", "precision"])
def test_a_part_of_a_panel_has_the_figures_of_its_units(name: str) -> None:
    """Figures of a slice of units are those of weights of 0 elsewhere, and what is alike is the same read so or so."""
    panel, random = parted(70)[name], np.random.default_rng(0)
    weights = random.integers(0, 3, (8, 20)).astype(float)
    every = np.zeros((8, 70))
    every[:, 30:50] = weights
    assert panel.part is not None
    assert np.array_equal(panel.part(slice(30, 50))(weights), panel.values(every), equal_nan=True)
    assert (alike(panel.values, 70, panel.part, least=1) == alike(panel.values, 70, least=1)).all()
    assert not alike(panel.values, 70, panel.part, least=1).any()
    assert alike(panel.part(slice(0, 60)), 60, least=1).any()


def test_each_unit_is_looked_at_by_itself() -> None:
    """A part of at most 64 units is asked for at a time, each unit once, and weights are as wide as the part."""
    asked, wide = [], []

    def part(some: slice) -> Callable[[np.ndarray], np.ndarray]:
        asked.append(some)
        return lambda weights: wide.append(weights.shape) or np.full((len(weights), 1), 0.5)

    assert alike(lambda weights: weights, 1000, part).all()
    assert [unit for some in asked for unit in range(some.start, some.stop)] == list(range(1000))
    assert set(wide) <= {(64, 64), (1000 % 64, 1000 % 64)}
