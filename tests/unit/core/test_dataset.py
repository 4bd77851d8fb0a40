"""A data set's folder reads back as it was written, in an order that depends on content alone."""

import pandas as pd
import pytest

from stages.core import dataset
from stages.core.errors import DataError

INFO = dataset.Info("toy", "test", labels=("a", "b"), categories=("cat",))


def table(names):
    rows = [(n, f"images/{n}.png", 8, 6, "train" if n < "c" else "test", "a", n, None, "x") for n in names]
    return pd.DataFrame(rows, columns=[*dataset.COLUMNS, "group_site"])


def mark(name, x=0.0):
    return {"image_id": name, "category_id": 1, "bbox": [x, 0, 2, 2], "area": 4.0, "segmentation": []}


def test_order_of_rows_does_not_matter(tmp_path):
    """The same pictures in another order give the same bytes."""
    for folder, names in (("one", "abc"), ("two", "cba")):
        (tmp_path / folder).mkdir()
        dataset.write(tmp_path / folder, INFO, table(names), [mark(n, x) for n in names for x in (3, 1)])
    for name in ("manifest.parquet", "annotations.json", "dataset.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_subset_keeps_its_annotations(tmp_path):
    """Splits take pictures and annotations along; groups are the columns so named."""
    dataset.write(tmp_path, INFO, table("abcd"), [mark(n) for n in "abd"])
    whole = dataset.read(tmp_path)
    assert whole.info == INFO
    assert whole.groups() == ["group_site"]
    part = whole.subset("test")
    assert {k: len(v) for k, v in part.annotations().items()} == {"c": 0, "d": 1}


@pytest.mark.parametrize(
    ("rows", "marks", "words"),
    [
        (table("aa"), [], "twice"),
        (table("ab").drop(columns="label"), [], "lacks the columns label"),
        (table("ab"), [mark("z")], "the manifest lacks"),
    ],
)
def test_contradictions_are_refused(tmp_path, rows, marks, words):
    """A repeated picture, a missing column or a foreign annotation is named."""
    with pytest.raises(DataError, match=words):
        dataset.write(tmp_path, INFO, rows, marks)
