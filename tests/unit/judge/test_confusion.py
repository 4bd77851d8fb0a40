"""Figures read from confusion matrices: other libraries agree, and undefined stays undefined."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torchmetrics.classification import MulticlassF1Score

from stages.judge import confusion, measures, regions, statistics


def pixel_confusion(truth: np.ndarray, said: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the confusion matrix of one picture."""
    return regions.gather([regions.observe(truth, said, num_classes)], num_classes).confusion()


def test_classification_equals_scikit_learn_and_torchmetrics() -> None:
    """Precision, recall, F1 and macro F1 are scikit-learn's; macro F1 is torchmetrics' too."""
    random = np.random.default_rng(0)
    truth, said = random.integers(0, 5, 300), random.integers(0, 5, 300)
    table = confusion.confusion_matrix(truth, said, 5)
    assert (table == sk.confusion_matrix(truth, said)).all()
    expected = sk.precision_recall_fscore_support(truth, said)
    for ours, theirs in zip(confusion.precision_recall_f1(table), expected[:3], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-12)
    f1 = confusion.mean_defined(confusion.precision_recall_f1(table)[2])
    torchs = MulticlassF1Score(5, average="macro")(torch.from_numpy(said), torch.from_numpy(truth))
    assert float(f1) == pytest.approx(float(torchs), abs=1e-6)


def test_undefined_is_not_a_number() -> None:
    """A class neither there nor predicted has no precision, recall, F1 or IoU, and the means leave it out."""
    table = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    for figure in (*confusion.precision_recall_f1(table), confusion.intersection_over_union(table)):
        assert np.isnan(figure[2])
        assert np.isfinite(figure[:2]).all()
    assert confusion.mean_defined(confusion.intersection_over_union(table)) == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_a_class_never_predicted_counts_as_nothing_found() -> None:
    """A class that is there and never predicted has no precision, recall 0 and F1 0, which does enter the mean."""
    precision, recall, f1 = confusion.precision_recall_f1(np.array([[5, 0], [2, 0]]))
    assert np.isnan(precision[1])
    assert (recall[1], f1[1]) == (0, 0)


def test_miou_has_three_definitions_and_ours_is_the_pooled_one() -> None:
    """Ours is read from one confusion matrix over the data set: neither the mean over pictures nor absent classes as 1."""
    random = np.random.default_rng(2)
    classes, tables = 4, []
    for k in (1, 2):
        truth = np.where(random.random((16, 16)) < 0.3, k, 0).astype(np.uint8)
        said = np.where(random.random((16, 16)) < 0.3, random.integers(0, 3, (16, 16)), truth).astype(np.uint8)
        tables.append(pixel_confusion(truth, said, classes))
    stacked = np.stack(tables)
    hit, real, said_of = np.diagonal(stacked, axis1=1, axis2=2), stacked.sum(2), stacked.sum(1)
    counts = real.sum(1).astype(float)
    measure = measures.mean_of_ratios("miou", "mIoU", "pixels", hit, real + said_of - hit, real, counts=counts)
    ours = measure.of(np.ones(2, bool))
    pooled = [
        (s := stacked.sum(0))[k, k] / (s[k].sum() + s[:, k].sum() - s[k, k])
        for k in range(classes)
        if stacked.sum(0)[k].sum()
    ]
    over_pictures = confusion.mean_defined(confusion.intersection_over_union(stacked)).mean()
    absent_as_one = np.nan_to_num(confusion.intersection_over_union(stacked.sum(0)), nan=1.0).mean()
    assert ours == pytest.approx(np.mean(pooled))
    assert len({round(float(v), 3) for v in (ours, over_pictures, absent_as_one)}) == 3


def test_ignored_pixels_do_not_count() -> None:
    """Pixels marked 255 in the truth stand in no cell, and a wrong size or class is refused."""
    truth = np.array([[0, 255], [1, 1]], np.uint8)
    for said in (0, 1, 255):  # whatever is said of them
        assert pixel_confusion(truth, np.array([[0, said], [1, 0]], np.uint8), 2).tolist() == [[1, 0], [1, 1]]
    with pytest.raises(ValueError, match="same height and width"):
        pixel_confusion(truth, truth[:1], 2)
    with pytest.raises(ValueError, match="class 7"):
        pixel_confusion(truth, np.full((2, 2), 7, np.uint8), 2)


def test_reweighting_equals_repeating_pictures() -> None:
    """A figure under whole-number weights is the figure of that many copies of each picture."""
    random = np.random.default_rng(3)
    tables = random.integers(0, 9, (12, 3, 3))
    hit, real, said = np.diagonal(tables, axis1=1, axis2=2), tables.sum(2), tables.sum(1)
    measure = measures.mean_of_ratios("f", "f", "pictures", 2 * hit, real + said, real, counts=real.sum(1).astype(float))
    weights = statistics.resamples(12, 5, random)
    for row, value in zip(weights, measure.values(weights), strict=True):
        copied = np.repeat(tables, row.astype(int), axis=0).sum(0)
        assert value == pytest.approx(confusion.mean_defined(confusion.precision_recall_f1(copied)[2]))


def test_percent_records_keep_every_row_at_100() -> None:
    """Each class that is there gets 100 records whose shares differ by less than one from the exact ones."""
    table = np.array([[1, 1, 1], [0, 10_000_000, 1], [0, 0, 0]])
    records = confusion.percent_records(table)
    counts = confusion.confusion_matrix(*(np.array(v) for v in zip(*records, strict=True)), 3)
    assert counts.sum(1).tolist() == [100, 100, 0]
    assert np.abs(counts[:2] - table[:2] / table[:2].sum(1, keepdims=True) * 100).max() < 1
