"""Near copies share unit and split, are named, and never bring two told units together."""

from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages import evaluate, preprocess
from stages.core import artefacts, dataset, params, units
from stages.core.dataset import Dataset
from stages.core.stage import Job
from stages.core.verdicts import Entry
from tests import sources
from tests.factories import texture

SHARES = {"val_share": 0.2, "test_share": 0.3}
NUM = 20


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def _encoded(pixels: np.ndarray, form: str = "PNG", quality: int = 60) -> bytes:
    held = BytesIO()
    Image.fromarray(pixels).save(held, form, quality=quality)
    return held.getvalue()


def _table(root: Path, copies: dict[int, str], split: str = "", labels: dict[int, str] | None = None) -> tuple[str, Any]:
    """Write twenty pictures of patients in pairs, and JPEG copies of some, each of the patient that is told."""
    lines = ["path,label,patient,split"]
    for number in range(NUM):
        sources.put(root / f"p/{number:02d}.png", _encoded(texture(number, 96)))
        lines.append(f"p/{number:02d}.png,{'ab'[number % 2]},s{number // 2},{split}")
    for number, patient in copies.items():
        sources.put(root / f"q/{number:02d}.jpg", _encoded(texture(number, 96)[3:, 2:], "JPEG"))
        label = (labels or {}).get(number, "ab"[number % 2])
        lines.append(f"q/{number:02d}.jpg,{label},{patient},{split and 'test'}")
    sources.put(root / "pictures.csv", "\n".join(lines))
    return "csv", sources.CSV


def _units(data: Dataset) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, unit in zip(data.manifest["source"], data.manifest["unit"], strict=True):
        found[unit].add(name)
    return found


def _details(kind: str) -> str:
    lines = (artefacts.ACQUIRED / "gate.csv").read_text().splitlines()
    return "\n".join(line for line in lines if line.startswith(kind))


def test_copies_share_unit_and_split(tmp_path: Path) -> None:
    """Each of ten copies is one unit with its original alone, stands in its split, and is named with it."""
    source, part = _table(tmp_path, dict.fromkeys(range(10), "x"))
    for seed_shares in (SHARES, {"val_share": 0.3, "test_share": 0.3}):
        data, found = sources.run(source, tmp_path, part, **seed_shares)
        assert len(found["near_copy"]) == 10
        assert "torn_near_copy" not in found
        pairs = [names for names in _units(data).values() if len(names) > 1]
        assert sorted(sorted(names) for names in pairs) == [[f"p/{n:02d}.png", f"q/{n:02d}.jpg"] for n in range(10)]
        splits = data.manifest.groupby("unit")["split"].nunique()
        assert (splits == 1).all()
    assert "is a near copy of" in _details("near_copy")


def test_what_made_the_units_is_said(tmp_path: Path) -> None:
    """The stage says how many pictures copies brought into another's unit, the data set what made its units."""
    source, part = _table(tmp_path, {0: "s9", 4: ""})
    for told, made, number in (({}, "near copies", 2), ({"unit": "patient"}, "the column patient and near copies", 1)):
        lines = sources.notes(source, tmp_path, part, **SHARES, **told)
        assert sum(f"{number} of 22 pictures were put into the unit of a near copy" in line for line in lines) == 1
        assert dataset.read(artefacts.ACQUIRED).unit_origin() == made
    for told, made in (({}, ""), ({"unit": "patient"}, "the column patient")):
        lines = sources.notes(source, tmp_path, part, near_copies="warn", **SHARES, **told)
        assert not [line for line in lines if "put into the unit" in line]
        assert dataset.read(artefacts.ACQUIRED).unit_origin() == made


def test_told_to_warn_or_ignore_copies_stay_apart(tmp_path: Path) -> None:
    """``warn`` names them, and those that the draw tears; ``ignore`` says nothing."""
    source, part = _table(tmp_path, dict.fromkeys(range(NUM), ""))
    data, found = sources.run(source, tmp_path, part, near_copies="warn", **SHARES)
    assert len(found["near_copy"]) == NUM
    assert data.manifest["unit"].tolist() == data.manifest["image_id"].tolist()
    splits = dict(zip(data.manifest["source"], data.manifest["split"], strict=True))
    apart = [n for n in range(NUM) if splits[f"p/{n:02d}.png"] != splits[f"q/{n:02d}.jpg"]]
    assert apart
    assert len(found["torn_near_copy"]) == len(apart)
    _, found = sources.run(source, tmp_path, part, near_copies="ignore", **SHARES)
    assert not {"near_copy", "torn_near_copy"} & set(found)


def test_copies_across_given_splits_are_named(tmp_path: Path) -> None:
    """Of a copy in test and its original in train the latter is named, and left out where the rules say so."""
    source, part = _table(tmp_path, {3: "", 5: ""}, "train")
    data, found = sources.run(source, tmp_path, part, **SHARES)
    assert found["torn_near_copy"] == ["p/03.png", "p/05.png"]
    assert "torn_unit" not in found
    assert len(data.manifest) == NUM + 2
    assert "in train, a near copy of q/03.jpg in test" in _details("torn_near_copy")
    data, _ = sources.run(source, tmp_path, part, gate={"torn_near_copy": "quarantine"}, **SHARES)
    assert not {"p/03.png", "p/05.png"} & set(data.manifest["source"])
    assert set(data.manifest["source"]) >= {"q/03.jpg", "q/05.jpg"}


def _pan(root: Path) -> None:
    """Write sixty frames of a slow pan, each 3 px on."""
    wide = np.asarray(Image.fromarray(texture(1, 400)).resize((1200, 400), Image.Resampling.BICUBIC))
    lines = ["path,label"]
    for number in range(60):
        sources.put(root / f"p/{number:02d}.png", _encoded(wide[140:260, 3 * number : 3 * number + 120]))
        lines.append(f"p/{number:02d}.png,{'ab'[number % 2]}")
    sources.put(root / "pictures.csv", "\n".join(lines))


def _told(data: Dataset) -> int:
    """Return how many test pictures the evaluation says have copies that are learnt from."""
    return int(evaluate.torn_near_copies(data).get("torn_near_copies", {}).get("pictures", 0))


def test_the_evaluation_knows_of_a_pan_that_was_cut(tmp_path: Path) -> None:
    """Test frames beside one of train or val are counted, none further off than copies reach; the manifest carries it on."""
    _pan(tmp_path)
    data, _ = sources.run("csv", tmp_path, sources.CSV)
    splits = data.manifest.set_index("source")["split"]
    held = [splits[f"p/{n:02d}.png"] for n in range(60)]
    within = [
        sum(held[n] == "test" and any(s != "test" for s in held[max(0, n - off) : n + off + 1]) for n in range(60))
        for off in (1, 5)  # 0.14 of 120 px
    ]
    assert 0 < within[0] <= _told(data) <= within[1]
    section = params.section(
        preprocess.Params, params.read(sources.ROOT / "params.yaml")["preprocess"] | {"size_px": 32}, "preprocess"
    )
    list(preprocess.run(Job(section.values, section.choices, 7, Path("work"))))
    assert _told(dataset.read(artefacts.PREPROCESSED)) == _told(data)
    data, _ = sources.run("csv", tmp_path, sources.CSV, gate={"torn_near_copy": "quarantine"})
    assert _told(data) == 0


def test_the_evaluation_knows_of_copies_that_no_unit_holds(tmp_path: Path) -> None:
    """Copies that are only named, or that two told patients share: every test picture with its copy elsewhere counts."""
    source, part = _table(tmp_path, {n: f"s{9 - n // 2}" for n in range(10)})
    for told in ({"near_copies": "warn"}, {"unit": "patient"}):
        data, _ = sources.run(source, tmp_path, part, **SHARES, **told)
        splits = data.manifest.set_index("source")["split"]
        pairs = [{splits[f"p/{n:02d}.png"], splits[f"q/{n:02d}.jpg"]} for n in range(10)]
        torn = sum("test" in pair and len(pair) > 1 for pair in pairs)
        assert _told(data) == torn > 0
    data, _ = sources.run(source, tmp_path, part, **SHARES)
    assert _told(data) == 0
    assert dataset.NEAR_COPIES not in data.manifest


@pytest.mark.parametrize("near_copies", ["unit", "warn", "ignore"])
def test_equal_pixels_in_two_given_splits_are_learnt_from(tmp_path: Path, near_copies: str) -> None:
    """Where the rules keep both, the one in test counts, looked for or not."""
    source, part = _table(tmp_path, {3: ""}, "train")
    for number in (3, 5):
        sources.put(tmp_path / f"q/{number:02d}.bmp", _encoded(texture(number, 96), "BMP"))
    table = tmp_path / "pictures.csv"
    table.write_text(table.read_text() + "\nq/03.bmp,b,,train\nq/05.bmp,b,,test")
    gate = {"torn_duplicate": "warn"}
    data, _ = sources.run(source, tmp_path, part, near_copies=near_copies, gate=gate, **SHARES)
    assert _told(data) == (1 if near_copies == "ignore" else 2)


def test_neighbours_of_a_pan_in_two_drawn_splits_are_named(tmp_path: Path) -> None:
    """No unit holds a whole pan; where it is cut, the frames on both sides are named, and none stays if told so."""
    _pan(tmp_path)
    for action in ("warn", "quarantine"):
        data, found = sources.run("csv", tmp_path, sources.CSV, gate={"torn_near_copy": action})
        splits = data.manifest.set_index("source")["split"]
        cut = [
            {f"p/{n:02d}.png", f"p/{n + 1:02d}.png"}
            for n in range(59)
            if splits.get(f"p/{n:02d}.png") != splits.get(f"p/{n + 1:02d}.png")
        ]
        assert cut
        if action == "warn":
            assert all(set(found["torn_near_copy"]) & pair for pair in cut)
        else:
            assert all(len(pair & set(splits.index)) < 2 for pair in cut)


def test_told_units_are_not_brought_together(tmp_path: Path) -> None:
    """A picture that two patients share is named with both and leaves them two; without one it joins its original's."""
    source, part = _table(tmp_path, {0: "s9", 4: ""}, labels={4: "b"})
    data, found = sources.run(source, tmp_path, part, unit="patient", **SHARES)
    units = _units(data)
    assert units["s0"] == {"p/00.png", "p/01.png"}
    assert units["s9"] == {"p/18.png", "p/19.png", "q/00.jpg"}
    assert units["s2"] == {"p/04.png", "p/05.png", "q/04.jpg"}
    assert found["no_unit"] == ["q/04.jpg"]
    named = _details("near_copy")
    assert "with the unit s9 for s0" in named or "with the unit s0 for s9" in named
    assert "with the label b for a" in named or "with the label a for b" in named


def test_a_told_copy_gives_its_unit_to_the_original(tmp_path: Path) -> None:
    """Where the copy has a patient and the original has none, both are the patient's."""
    source, part = _table(tmp_path, {6: "s7"})
    table = tmp_path / "pictures.csv"
    table.write_text(table.read_text().replace("p/06.png,a,s3,", "p/06.png,a,,"))
    data, _ = sources.run(source, tmp_path, part, unit="patient", **SHARES)
    assert _units(data)["s7"] == {"p/14.png", "p/15.png", "q/06.jpg", "p/06.png"}


def test_equal_pixels_are_named_once(tmp_path: Path) -> None:
    """Copies of the same pixels in other bytes are duplicates, not near copies as well; they share unit and split."""
    source, part = _table(tmp_path, {})
    sources.put(tmp_path / "p/again.bmp", _encoded(texture(2, 96), "BMP"))
    table = tmp_path / "pictures.csv"
    table.write_text(table.read_text() + "\np/again.bmp,a,,")
    data, found = sources.run(source, tmp_path, part, **SHARES)
    assert len(found["duplicate_pixels"]) == 1
    assert "near_copy" not in found
    assert {"p/02.png", "p/again.bmp"} in _units(data).values()


def test_equal_plain_pictures_are_copies(tmp_path: Path) -> None:
    """A plain colour and a picture of 20 px say nothing, yet equal pixels are one unit; another colour or size is not."""
    source, part = _table(tmp_path, {})
    plain = {
        "red": np.full((64, 64, 3), (200, 30, 30)),
        "other": np.full((64, 64, 3), (201, 30, 30)),
        "small": texture(70, 20),
    }
    table = tmp_path / "pictures.csv"
    lines = []
    for name, pixels in plain.items():
        for form in ("png", "bmp"):
            sources.put(tmp_path / f"p/{name}.{form}", _encoded(pixels.astype(np.uint8), form.upper()))
            lines.append(f"p/{name}.{form},a,,")
    sources.put(tmp_path / "p/large.png", _encoded(np.full((96, 96, 3), (200, 30, 30), np.uint8)))
    table.write_text("\n".join([table.read_text(), *lines, "p/large.png,a,,"]))
    data, found = sources.run(source, tmp_path, part, **SHARES)
    assert "near_copy" not in found
    units = [unit for unit in _units(data).values() if len(unit) > 1]
    assert sorted(map(sorted, units)) == [[f"p/{name}.bmp", f"p/{name}.png"] for name in sorted(plain)]


def test_scenes_holds_no_copies(tmp_path: Path) -> None:
    """The embedded pictures stand on the same grounds and are none of each other's copies."""
    data, found = sources.run("scenes", tmp_path, {**sources.SCENES, "num_images": 144, "size_px": 160})
    assert "near_copy" not in found
    assert data.manifest["unit"].tolist() == data.manifest["image_id"].tolist()


@pytest.mark.parametrize("action", ["warn", "quarantine"])
def test_the_order_of_a_table_changes_nothing(tmp_path: Path, action: str) -> None:
    """Patients torn by given splits, a pan, copies in other bytes: pictures, units, splits and findings stay the same."""
    rng = np.random.default_rng(5)
    wide = np.asarray(Image.fromarray(texture(1, 400)).resize((1200, 400), Image.Resampling.BICUBIC))
    pictures = {f"pan/{n:02d}.png": (_encoded(wide[140:260, 3 * n : 3 * n + 120]), "") for n in range(16)}
    for n in range(12):
        pixels, patient = texture(50 + n, 96), f"s{n // 4}" if n < 8 else ""
        pictures[f"p/{n:02d}.png"] = (_encoded(pixels), patient)
        if n % 2:
            pictures[f"q/{n:02d}.jpg"] = (_encoded(pixels[3:, 2:], "JPEG"), f"s{n // 8}" if n % 4 == 1 else "")
        if n % 5 == 0:
            pictures[f"again/{n:02d}.bmp"] = (_encoded(pixels, "BMP"), "")
    rows = []
    for name, (content, patient) in pictures.items():
        sources.put(tmp_path / name, content)
        rows.append(f"{name},{'ab'[len(rows) % 2]},{patient},{rng.choice(['train', 'val', 'test'], p=[0.7, 0.15, 0.15])}")
    for n, split in enumerate(["train", "val", "test"] * 3):  # no split is left without a picture
        sources.put(tmp_path / f"z/{n}.png", _encoded(texture(90 + n, 96)))
        rows.append(f"z/{n}.png,{'ab'[n % 2]},,{split}")
    outcomes = []
    for order in (range(len(rows)), reversed(range(len(rows))), rng.permutation(len(rows))):
        sources.put(tmp_path / "pictures.csv", "\n".join(["path,label,patient,split", *(rows[place] for place in order)]))
        gate = {"torn_near_copy": action, "torn_unit": action}
        data, found = sources.run("csv", tmp_path, sources.CSV, unit="patient", gate=gate)
        kept = data.manifest[["source", "split", "unit"]].sort_values("source").to_numpy().tolist()
        outcomes.append((kept, {kind: sorted(files) for kind, files in found.items()}))
    assert {"torn_unit", "torn_near_copy"} <= outcomes[0][1].keys()
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_two_copies_of_one_picture_are_copies_of_each_other() -> None:
    """Cut to either side they are not alike themselves: what both were copied from says it, wherever that stands."""

    def entry(name: str, split: str, copy_of: str) -> Entry:
        like = () if name == copy_of else (copy_of,)
        pixels = f"pixels of {name}"
        return Entry(name, name, name, 9, 9, pixels, split, None, (), None, {}, {}, copy_of=copy_of, like=like)

    left, right = entry("left", "train", "whole"), entry("right", "test", "whole")
    other, alone = entry("other", "train", "other"), entry("alone", "test", "")
    assert units.learnt_copies([left, right, other, alone]) == {"right": ("left",)}
    assert units.learnt_copies([entry("whole", "val", "whole"), left, right]) == {"right": ("left", "whole")}
    assert units.learnt_copies([entry("whole", "test", "whole"), left, right]) == {"right": ("left",), "whole": ("left",)}
    assert units.learnt_copies([entry("one", "train", ""), alone]) == {}
