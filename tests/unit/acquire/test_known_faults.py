"""The faults that are known of real data sets come out by name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import sources
from tests.sources import ROOT, SHARED

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the real data sets (../shared/data) are not here")


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _overlay(name: str) -> tuple[str, Path, dict[str, Any], dict[str, Any]]:
    values = yaml.safe_load((ROOT / "params" / f"{name}.yaml").read_text(encoding="utf-8"))["acquire"]
    source, path = values.pop("source"), ROOT / values.pop("path")
    return source, path, values.pop(source), values


def test_blood_cells() -> None:
    """Two boxes without area, eight pictures with a cell annotated twice, fifteen whose red cells were never annotated."""
    source, path, part, values = _overlay("bccd")
    data, found = sources.run(source, path, part, **values)
    assert data.manifest["split"].value_counts().to_dict() == {"train": 205, "val": 87, "test": 72}
    assert found["box_without_area"] == ["BloodImage_00338.jpg", "BloodImage_00343.jpg"]
    twice = ("00013", "00020", "00100", "00104", "00251", "00284", "00331", "00403")
    assert found["near_duplicate_box"] == [f"BloodImage_{n}.jpg" for n in twice]
    assert len(found["suspiciously_few"]) == 15
    assert {f"BloodImage_{n}.jpg" for n in ("00134", "00147", "00150", "00152", "00224")} <= set(found["suspiciously_few"])
    assert len(data.coco["annotations"]) == 4888 - 2 - 8


def test_nuclei() -> None:
    """A few masks overlap by a pixel or two; every nucleus and both stains arrive in every split."""
    source, path, part, values = _overlay("nuclei")
    data, found = sources.run(source, path, part, **values)
    assert 1 <= len(found["overlapping_masks"]) <= 5
    assert len(data.coco["annotations"]) == 11_530
    assert data.manifest["group_stain"].value_counts().to_dict() == {"fluorescence": 180, "histology": 90}
    share = data.manifest.groupby("split")["group_stain"].apply(lambda s: (s == "histology").mean())
    assert ((share - 1 / 3).abs() < 0.03).all()


def test_raccoons() -> None:
    """Four pairs of identical pictures."""
    part = {**sources.VOC, "images": "images", "annotations": "annotations"}
    data, found = sources.run("voc", SHARED / "raccoon", part, gate={"conflicting_labels": "warn"})
    copies = found.get("duplicate_file", []) + found.get("duplicate_pixels", [])
    assert len(copies) == 4
    assert {"raccoon-98.jpg", "raccoon-65.jpg"} & set(copies)
    assert {"raccoon-120.jpg", "raccoon-83.jpg"} & set(copies)
    assert data.manifest["source"].nunique() == 200 - len(found.get("duplicate_file", []))


def test_camera_files() -> None:
    """The black level that lies, and the four files without a usable white balance."""
    source, path, part, values = _overlay("raw")
    data, found = sources.run(source, path, part, **values)
    assert found["wrong_black_level"] == ["pidng_bad_metadata.dng"]
    assert found["no_white_balance"] == ["DC0008L.KDC", "DC0010S.KDC", "DC0011M.KDC", "pidng_bad_metadata.dng"]
    cfa = data.manifest.set_index("source")["cfa"].to_dict()
    assert cfa["Blackmagic.dng"] == "RGGB"
    assert cfa["DC0008L.KDC"] == "GRBG"
    assert cfa["pidng_bad_metadata.dng"] == "GBRG"


def test_hands() -> None:
    """Ten classes in equal shares in every split, no fault."""
    source, path, part, values = _overlay("sign_digits")
    data, _ = sources.run(source, path, part, **values)
    assert data.info.labels == tuple("0123456789")
    assert len(data.manifest) == 2059
    share = data.manifest.groupby("label")["split"].apply(lambda s: (s == "test").mean())
    assert ((share - 0.25).abs() < 0.01).all()
