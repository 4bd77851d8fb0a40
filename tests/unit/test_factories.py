"""The factory's data sets follow the contract."""

from pathlib import Path

import numpy as np

from stages.core import images
from tests.factories import make_dataset


def test_a_made_data_set_has_every_class_in_every_split(tmp_path: Path) -> None:
    """Pictures, masks, boxes and groups agree, and each split has all classes."""
    made = make_dataset(tmp_path / "a")
    assert made.groups() == ["group_ink", "group_setting"]
    assert made.manifest.groupby("split")["label"].nunique().to_dict() == {"train": 3, "val": 3, "test": 3}
    assert made.manifest["split"].value_counts().to_dict() == {"train": 12, "val": 6, "test": 6}
    marks = made.annotations()
    for row in made.manifest.itertuples():
        mask = images.read_mask(made.root / row.mask)
        assert sum(m["area"] for m in marks[row.image_id]) == np.count_nonzero(mask)
        assert images.read_image(made.root / row.path).shape == (row.height, row.width, 3)


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    """Nothing in a made data set depends on when or where it was made."""
    first, second = make_dataset(tmp_path / "a", num_classes=6), make_dataset(tmp_path / "b", num_classes=6)
    names = sorted(p.relative_to(first.root) for p in first.root.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(second.root) for p in second.root.rglob("*") if p.is_file())
    assert all((first.root / n).read_bytes() == (second.root / n).read_bytes() for n in names)
