"""Figures of classes under weights are those of that many copies of each picture; draws are the same in any portions."""

import numpy as np
import pytest
from sklearn import metrics as sk

from stages.judge import classes, confusion, draws, labels, measures, panels, regions, statistics
from stages.judge.draws import Draws

EACH = {"precision": classes.precision, "recall": classes.recall, "f1": classes.f1}


@pytest.mark.parametrize("seed", range(3))
def test_each_class_under_weights_is_scikit_learns_on_copies(seed: int) -> None:
    """Precision, recall, F1, accuracy and macro F1 of bootstrap draws equal scikit-learn's on the drawn pictures."""
    random = np.random.default_rng(seed)
    truth, said = random.integers(0, 4, 40), random.integers(0, 5, 40)
    held = labels.counts(truth, said, 6)
    panel = panels.of_classes(held, EACH, {"accuracy": classes.share, "macro_f1": classes.f1}, single=True)
    weights = statistics.resamples(40, 5, random)
    for row, values in zip(weights, panel.values(weights), strict=True):
        named = dict(zip(panel.names, values, strict=True))
        one, two = (np.repeat(v, row.astype(int)) for v in (truth, said))
        assert named["accuracy"] == pytest.approx(sk.accuracy_score(one, two))
        assert named["macro_f1"] == pytest.approx(sk.f1_score(one, two, average="macro"))
        expected = sk.precision_recall_fscore_support(one, two, labels=range(6), zero_division=np.nan)
        for name, theirs in zip(EACH, expected[:3], strict=True):
            ours = np.array([named[f"{name}/{label}"] for label in range(6)])
            assert ours == pytest.approx(np.asarray(theirs), nan_ok=True)
    assert list(panel.n[2:8]) == np.bincount(said, minlength=6).tolist()
    assert list(panel.n[8:14]) == np.bincount(truth, minlength=6).tolist()
    assert panel.pictures[2:] == panel.n[2:]


@pytest.mark.parametrize(("scores", "said"), [([0.4, 0.4, 0.2], 0), ([0.2, 0.4, 0.4], 1), ([1 / 3] * 3, 0), ([0, 0, 1], 2)])
def test_of_equal_scores_the_first_class_is_said(scores: list[float], said: int) -> None:
    """As argmax has it wherever a model is served: evaluation says of a picture what its user is told."""
    row = labels.observe(2, {"scores": np.array(scores)}, "p")
    assert (row.said, row.score, row.truth_score) == (said, scores[said], scores[2])


def test_sparse_rows_say_what_dense_matrices_say() -> None:
    """Confusion matrix, mean IoU of each picture and its worst class equal those of N x K x K."""
    random = np.random.default_rng(0)
    rows, dense = [], []
    for _ in range(20):
        truth, said = random.choice([0, 1, 3, 255], (8, 8)).astype(np.uint8), random.integers(0, 3, (8, 8)).astype(np.uint8)
        rows.append(regions.observe(truth, said, 5))
        seen = truth != 255
        dense.append(confusion.confusion_matrix(truth[seen].astype(int), said[seen].astype(int), 5))
    found, stacked = regions.gather(rows, 5), np.stack(dense)
    assert (found.confusion() == stacked.sum(0)).all()
    assert (found.tables().toarray().reshape(-1, 5, 5) == stacked).all()
    ious = confusion.intersection_over_union(stacked)
    assert regions.by_picture(found.by_class()) == pytest.approx(confusion.mean_defined(ious))
    wrong, hits = regions.wrong(found.by_class()), np.diagonal(stacked, axis1=1, axis2=2)
    unions = stacked.sum(1) + stacked.sum(2) - hits
    missed, every = (unions - hits)[:, 1:], np.arange(20)
    assert (wrong.pixels == stacked.sum((1, 2)) - hits.sum(1)).all()
    assert wrong.weighed == pytest.approx(np.nansum(ious * np.sqrt(unions), 1) / np.sqrt(unions).sum(1))
    assert (wrong.class_pixels == missed.max(1)).all()  # of what ties the IoU is lowest
    assert (missed[every, wrong.classes - 1] == missed.max(1)).all()
    ties = np.where(missed == missed.max(1)[:, None], ious[:, 1:], np.inf)
    assert (wrong.classes - 1 == ties.argmin(1)).all()
    assert wrong.class_ious == pytest.approx(ious[every, wrong.classes])


def test_of_several_classes_that_are_all_wrong_the_largest_is_named() -> None:
    """Not the first, which hardly a pixel is; the background, of which every wrong pixel is, where nothing else is there."""
    truth, said = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    truth[0, 0], truth[1:3] = 1, 2
    rows = [
        regions.observe(truth, said, 4),
        regions.observe(said, said, 4),
        regions.observe(np.full_like(truth, 255), said, 4),
    ]
    found = regions.wrong(regions.gather(rows, 4).by_class())
    assert found.classes.tolist() == [2, 0, -1]
    assert found.class_pixels.tolist() == [8, 0, 0]
    assert found.pixels.tolist() == [9, 0, 0]
    assert np.isnan(found.weighed).tolist() == [False, False, True]


def test_draws_are_the_same_in_any_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few at a time or all at once: the same weights; of each picture alone, the rows of the unit matrix."""
    whole = statistics.resamples(7, 20, np.random.default_rng(3))
    monkeypatch.setattr(draws, "_AT_ONCE", 21)
    some = Draws(7, 20, lambda: np.random.default_rng(3))
    assert max(len(part) for part in some.chunks()) == 3
    assert (some.of(lambda weights: weights) == whole).all()
    assert (draws.alone(lambda weights: weights, 7) == np.eye(7)).all()


def refused(weights: np.ndarray) -> np.ndarray:
    """Take the place of a figure of all pictures that must not be asked for."""
    raise AssertionError(f"asked with weights {weights.shape}")


def test_each_picture_alone_needs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure of each picture alone is the same read over a few pictures as with all others at weight 0."""
    monkeypatch.setattr(draws, "_AT_ONCE", 100)  # ten pictures at a time
    right = np.random.default_rng(0).integers(0, 2, 37).astype(float)
    for measure in (measures.proportion("a", "a", "pictures", right, np.ones(37)), measures.average("a", "a", right)):
        assert draws.alone(measure.values, 37).tolist() == right.tolist()
        assert draws.alone(refused, 37, measure.part).tolist() == right.tolist()
