"""Pictures that belong together share a split, by a column or by a pattern over their paths; what cannot be is named."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from stages.core import artefacts
from stages.core.dataset import Dataset
from stages.core.errors import DataError, ParamsError
from stages.core.units import PathPattern
from tests import sources

SHARES = {"val_share": 0.2, "test_share": 0.3}
AGES = r"(?P<age>\d+)_(?P<origin>\d)_"


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def _table(root: Path, patients: int = 12, frames: int = 5, split: str = "") -> tuple[str, dict[str, Any]]:
    """Write a table with a column of patients, each with frames of both labels."""
    lines = ["path,label,Patient ID,split"]
    for number in range(patients * frames):
        sources.put(root / f"p/{number}.png", sources.picture(number))
        lines.append(f"p/{number}.png,{'ab'[number % 2]},s{number // frames},{split}")
    sources.put(root / "pictures.csv", "\n".join(lines))
    return "csv", sources.CSV


def _splits(data: Dataset) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for unit, split in zip(data.manifest["unit"], data.manifest["split"], strict=True):
        found[unit].add(split)
    return found


@pytest.mark.parametrize("named", ["Patient ID", "patient_id", "group_patient_id"])
def test_a_column_keeps_its_pictures_together(named: str, tmp_path: Path) -> None:
    """Twelve patients of five pictures: none stands in two splits, all splits have some, and both labels are in each."""
    source, part = _table(tmp_path)
    data, found = sources.run(source, tmp_path, part, unit=named, **SHARES)
    splits = _splits(data)
    assert sorted(splits) == sorted(f"s{n}" for n in range(12))
    assert all(len(held) == 1 for held in splits.values())
    assert data.info.unit == "group_patient_id"
    assert "torn_unit" not in found
    sizes = data.manifest.groupby("split")["label"].value_counts().unstack()
    assert (sizes > 0).all().all()
    assert abs(sizes.loc["test"].sum() - 18) <= 5
    assert abs(sizes.loc["val"].sum() - 12) <= 5


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("patient-id", "the columns 'Patient ID' and 'patient-id' both become group_patient_id; rename one of them"),
        ("Patient ID", "the column 'Patient ID' stands twice; rename one of them"),
        ("label", "the column 'label' stands twice; rename one of them"),
    ],
)
def test_two_columns_that_make_one_are_refused(other: str, message: str, tmp_path: Path) -> None:
    """The last would win in silence, and tear units: one line names the table and both heads."""
    source, part = _table(tmp_path)
    table = tmp_path / "pictures.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{head},{other}", *(f"{row},x{n}" for n, row in enumerate(rows))]))
    with pytest.raises(DataError) as caught:
        sources.run(source, tmp_path, part, unit="patient_id")
    assert str(caught.value) == f"{table}: {message}"


def test_columns_without_a_head_and_a_value_are_none(tmp_path: Path) -> None:
    """A spreadsheet's trailing commas make no column, and no two."""
    source, part = _table(tmp_path)
    table = tmp_path / "pictures.csv"
    table.write_text("\n".join(f"{row},," for row in table.read_text().splitlines()))
    data, _ = sources.run(source, tmp_path, part)
    assert data.groups() == ["group_patient_id"]


def test_without_a_unit_every_picture_is_its_own(tmp_path: Path) -> None:
    """The column holds the picture's own id, and the data set names no column."""
    source, part = _table(tmp_path, 2)
    data, _ = sources.run(source, tmp_path, part)
    assert data.manifest["unit"].tolist() == data.manifest["image_id"].tolist() == data.units()
    assert data.info.unit == ""


def test_splitting_by_the_unit_itself_is_a_plain_draw(tmp_path: Path) -> None:
    """To ask for equal shares of each patient, and for whole patients, is no contradiction: the latter holds."""
    source, part = _table(tmp_path)
    data, _ = sources.run(source, tmp_path, part, unit="patient_id", split_by="group_patient_id", **SHARES)
    plain, _ = sources.run(source, tmp_path, part, unit="patient_id", split_by="none", **SHARES)
    assert data.manifest["split"].tolist() == plain.manifest["split"].tolist()


@pytest.mark.parametrize(
    ("source", "pattern", "column", "values"),
    [
        ("imagefolder", r"(?P<kind>\w+)/p(?P<number>\d+)\.", "group_kind", None),
        ("csv", r"p/(?P<number>\d+)", "group_number", None),
        ("coco", r"p(?P<number>\d+)", "group_number", {str(n) for n in range(6)}),
        ("voc", r"p(?P<number>\d+)", "group_number", {str(n) for n in range(6)}),
        ("yolo", r"images/(?P<folder>\w+)/", "group_folder", {"train", "val"}),
    ],
)
def test_a_pattern_makes_columns_of_any_source(
    source: str, pattern: str, column: str, values: set[str] | None, tmp_path: Path
) -> None:
    """Named groups of the path become columns, whatever the layout."""
    name, part = getattr(sources, source)(tmp_path)
    data, found = sources.run(name, tmp_path, part, path_pattern=pattern)
    assert "unmatched_path" not in found
    assert column in data.groups()
    assert data.manifest[column].notna().all()
    assert values is None or set(data.manifest[column]) == values


def test_a_pattern_can_tell_the_unit(tmp_path: Path) -> None:
    """The prefix names the patient: pictures of one stay together."""
    for number in range(40):
        sources.put(tmp_path / f"{'ab'[number % 2]}/pat{number // 4:02d}_{number}.png", sources.picture(number))
    data, _ = sources.run(
        "imagefolder", tmp_path, {"classes": None}, path_pattern=r"/(?P<patient>pat\d+)_", unit="patient", **SHARES
    )
    splits = _splits(data)
    assert sorted(splits) == [f"pat{n:02d}" for n in range(10)]
    assert all(len(held) == 1 for held in splits.values())


def test_pictures_that_a_pattern_does_not_meet_are_named(tmp_path: Path) -> None:
    """They stay, each a unit of its own, or go where the rules say so."""
    for number in range(6):
        sources.put(tmp_path / f"a/{20 + number}_{number % 2}_x.png", sources.picture(number))
    sources.put(tmp_path / "a/nobody.png", sources.picture(99))
    part = {"classes": None}
    data, found = sources.run("imagefolder", tmp_path, part, path_pattern=AGES, unit="origin")
    assert found["unmatched_path"] == found["no_unit"] == ["a/nobody.png"]
    own = data.manifest.set_index("source").loc["a/nobody.png"]
    assert own["unit"] == own["image_id"]
    assert sorted(set(data.manifest["group_age"].dropna())) == ["20", "21", "22", "23", "24", "25"]
    left, _ = sources.run("imagefolder", tmp_path, part, path_pattern=AGES, gate={"unmatched_path": "quarantine"})
    assert "a/nobody.png" not in set(left.manifest["source"])


def test_a_pattern_that_meets_nothing_is_refused_with_what_comes_nearest(tmp_path: Path) -> None:
    """The message holds the longest beginning of the pattern that some path meets, and that path."""
    source, part = _table(tmp_path, 2)
    with pytest.raises(ParamsError, match=r"meeting none of 10 pictures; its beginning .* meets 'p/0\.png'"):
        sources.run(source, tmp_path, part, path_pattern=r"p/(?P<number>\d+)\.jpg")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<a>", "no regular expression"),
        (r"\d+", "without a named group"),
        (r"p/(?P<patient_id>\d+)", "the source has"),
        (r"(?P<Cam>p)/(?P<cam>\d+)", "the groups 'Cam' and 'cam' both become group_cam"),
    ],
)
def test_a_wrong_pattern_is_refused_in_one_line(pattern: str, message: str, tmp_path: Path) -> None:
    """Broken, without a name, naming a column that is there already, or one column twice."""
    source, part = _table(tmp_path, 2)
    with pytest.raises(ParamsError, match=message) as caught:
        sources.run(source, tmp_path, part, path_pattern=pattern)
    assert "acquire.path_pattern" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_unit_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    """The message offers the column that was probably meant."""
    source, part = _table(tmp_path, 2)
    with pytest.raises(ParamsError, match=r"unit is 'patientid', no column of the source; did you mean 'patient_id'\?"):
        sources.run(source, tmp_path, part, unit="patientid")


def test_given_splits_that_tear_a_unit_are_named(tmp_path: Path) -> None:
    """They are kept and named; told to, the gate keeps the pictures in test, then those in val; or refuses."""
    source, part = _table(tmp_path, 3, 4, "train")
    table = tmp_path / "pictures.csv"
    lines = table.read_text().splitlines()
    lines[1], lines[5] = lines[1].replace("train", "test"), lines[5].replace("train", "val")
    table.write_text("\n".join(lines))
    data, found = sources.run(source, tmp_path, part, unit="patient_id")
    assert found["torn_unit"] == ["p/1.png", "p/2.png", "p/3.png", "p/5.png", "p/6.png", "p/7.png"]
    assert data.manifest["split"].value_counts().to_dict() == {"train": 10, "test": 1, "val": 1}
    data, _ = sources.run(source, tmp_path, part, unit="patient_id", gate={"torn_unit": "quarantine"})
    assert _splits(data) == {"s0": {"test"}, "s1": {"val"}, "s2": {"train"}}
    with pytest.raises(DataError, match="torn_unit"):
        sources.run(source, tmp_path, part, unit="patient_id", gate={"torn_unit": "refuse"})


@pytest.mark.parametrize(("patients", "frames", "empty"), [(1, 20, "val"), (2, 10, "val")])
def test_too_few_units_for_the_splits_are_refused(patients: int, frames: int, empty: str, tmp_path: Path) -> None:
    """Now, not after an hour of training: one line names the split, the column and both numbers."""
    source, part = _table(tmp_path, patients, frames)
    told = rf"split '{empty}' gets no picture: {patients} units? in group_patient_id; 3 splits need 3: .*acquire\.unit"
    with pytest.raises(DataError, match=told) as caught:
        sources.run(source, tmp_path, part, unit="patient_id", **SHARES)
    assert "\n" not in str(caught.value)
    assert not artefacts.ACQUIRED.exists()
    data, _ = sources.run(source, tmp_path, part, unit="patient_id", val_share=0.0, test_share=0.3 * (patients - 1))
    assert len(_splits(data)) == patients


def test_few_units_in_the_test_split_are_named(tmp_path: Path) -> None:
    """An evaluation of them says nothing; from eleven on none is named, and told to, the gate refuses."""
    source, part = _table(tmp_path)
    sources.run(source, tmp_path, part, unit="patient_id", **SHARES)
    (line,) = [f["detail"] for f in sources.findings() if f["kind"] == "few_units"]
    assert re.fullmatch(r"the test split has \d units in group_patient_id \(\d+ pictures\), fewer than the 11 .*", line)
    with pytest.raises(DataError, match="few_units"):
        sources.run(source, tmp_path, part, unit="patient_id", gate={"few_units": "refuse"}, **SHARES)
    _, found = sources.run(source, tmp_path, part, **SHARES)
    assert "few_units" not in found


@pytest.mark.parametrize("value", ["NaN", "nan", "NA", "N/A", "null", "None", "unknown", "-", ""])
def test_what_programs_write_for_nothing_is_no_unit(value: str, tmp_path: Path) -> None:
    """Pictures of which nobody knows the patient are not one patient: each is its own, and named."""
    source, part = _table(tmp_path, 4, 6)
    table = tmp_path / "pictures.csv"
    table.write_text(table.read_text().replace(",s0,", f",{value},"))
    data, found = sources.run(source, tmp_path, part, unit="patient_id")
    assert sorted(found["no_unit"]) == [f"p/{n}.png" for n in range(6)]
    own = data.manifest[data.manifest["source"].isin(found["no_unit"])]
    assert (own["unit"] == own["image_id"]).all()
    assert sorted(set(data.manifest["unit"]) - set(own["unit"])) == ["s1", "s2", "s3"]
    assert data.manifest.set_index("source")["group_patient_id"][found["no_unit"]].isna().all()


def test_torn_units_that_leave_nothing_to_train_on_are_refused(tmp_path: Path) -> None:
    """Each patient has a picture in test: told to leave the others out, nothing is left, and one line says why."""
    source, part = _table(tmp_path, 3, 4, "train")
    table = tmp_path / "pictures.csv"
    lines = table.read_text().splitlines()
    for at in (1, 5, 9):
        lines[at] = lines[at].replace("train", "test")
    table.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"split 'train' has no picture left: .*9 x torn_unit, first p/1\.png"):
        sources.run(source, tmp_path, part, unit="patient_id", val_share=0.0, gate={"torn_unit": "quarantine"})


def test_a_set_that_gives_a_test_split_alone_is_only_judged(tmp_path: Path) -> None:
    """Nobody asked for a training: no split is missing."""
    source, part = _table(tmp_path, 3, 4, "test")
    data, _ = sources.run(source, tmp_path, part)
    assert set(data.manifest["split"]) == {"test"}


def test_equal_pixels_bring_two_units_into_one_split(tmp_path: Path) -> None:
    """A picture that two patients share, in other bytes, never stands in two splits, and so neither do they."""
    for seed in range(6):
        source, part = _table(tmp_path / str(seed), 8, 3)
        copy = sources.picture(0, form="BMP")
        sources.put(tmp_path / str(seed) / "p/4.bmp", copy)
        table = tmp_path / str(seed) / "pictures.csv"
        table.write_text(table.read_text() + f"\np/4.bmp,a,s{seed + 2},")
        gate = {"conflicting_labels": "warn"}
        data, found = sources.run(source, tmp_path / str(seed), part, unit="patient_id", gate=gate, **SHARES)
        assert found["duplicate_pixels"]
        splits = _splits(data)
        assert splits["s0"] == splits[f"s{seed + 2}"]
        assert all(len(held) == 1 for held in splits.values())


def test_groups_that_took_no_part_make_no_value() -> None:
    """An optional group that is not in a path leaves the column empty."""
    pattern = PathPattern(r"(?P<patient>p\d+)(?P<eye>_left|_right)?")
    assert pattern.columns("p1_left.png") == {"group_patient": "p1", "group_eye": "_left"}
    assert pattern.columns("p2.png") == {"group_patient": "p2"}
    assert pattern.columns("x.png") is None
