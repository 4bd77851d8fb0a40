"""``rawline develop``: camera files in, pictures out; what one file cannot do is one line, and the others go on."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipelines import cli
from pipelines.develop import develop_file, finding, options, writing
from stages import preprocess
from stages.core import images, params
from stages.core.errors import DataError, InfrastructureError, ParamsError
from tests.raws import make_dng

ROOT = Path(__file__).parents[3]
RAW = ROOT.parent / "shared" / "data" / "raw"
KODAK = ROOT.parent / "shared" / "data" / "kodak"
needs_raw = pytest.mark.skipif(not RAW.exists(), reason="needs ../shared/data/raw")
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in an empty project; returns the exit status."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")

    def call(*arguments: str) -> int:
        try:
            cli.main(["develop", *arguments])
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call


def _dng(path: str, seed: int = 0, **changes: Any) -> Path:
    mosaic = np.random.default_rng(seed).integers(64, 3000, (42, 61)).astype(np.uint16)
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(make_dng(mosaic, **changes))
    return place


def _recipe(**given: Any) -> dict[str, Any]:
    return options.recipe(given, simulate=False, file=ROOT / "params.yaml")


def test_every_parameter_of_the_camera_is_an_option() -> None:
    """No value below preprocess in params.yaml lacks an option, but the flag's and the batch's own."""

    def leaves(node: Any, above: tuple[str, ...]) -> set[tuple[str, ...]]:
        inner = [leaves(value, (*above, key)) for key, value in node.items()] if isinstance(node, dict) else [{above}]
        return set[tuple[str, ...]]().union(*inner)

    wanted = leaves(params.read(ROOT / "params.yaml")["preprocess"], ())
    assert wanted - {setting.keys for setting in options.settings()} == {("simulate_raw",), ("on_error",)}
    assert len({setting.flag for setting in options.settings()}) == len(options.settings())
    assert all(setting.text for setting in options.settings())


def test_the_result_is_the_stages_own(run: Run) -> None:
    """The picture written is the one that the stage's conversion makes at full size, to the last bit."""
    source = _dng("in/a.dng")
    assert run("in", "--out", "out", "--format", "png", "--threads", "3") == 0
    expected = preprocess.prepare(_recipe(), source).image
    np.testing.assert_array_equal(np.asarray(Image.open("out/a.png")), expected)
    assert expected.shape == (42, 61, 3)


@pytest.mark.parametrize(
    ("arguments", "suffix", "shape", "kind"),
    [
        (["--output", "srgb"], ".jpg", (42, 61, 3), "uint8"),
        (["--output", "srgb", "--format", "tiff"], ".tif", (42, 61, 3), "uint8"),
        (["--output", "linear_rgb"], ".tif", (42, 61, 3), "float32"),
        (["--output", "linear_rgb", "--format", "tiff16"], ".tif", (42, 61, 3), "uint16"),
        (["--output", "packed_raw"], ".tif", (21, 31, 4), "float32"),
        (["--output", "packed_raw", "--format", "npy"], ".npy", (21, 31, 4), "float32"),
        (["--size-px", "32", "--fit", "letterbox"], ".jpg", (32, 32, 3), "uint8"),
    ],
)
def test_each_output_has_its_formats(run: Run, arguments: list[str], suffix: str, shape: tuple[int, ...], kind: str) -> None:
    """The usual format fits the output; numbers come as floats unless 16 bit are asked for; equal runs give equal bytes."""
    _dng("a.dng")
    assert run("a.dng", "--out", "out", *arguments) == 0
    (target,) = Path("out").iterdir()
    assert target.suffix == suffix
    read = {".npy": np.load, ".tif": tifffile.imread, ".jpg": lambda path: np.asarray(Image.open(path))}[suffix]
    found = read(target)
    assert (found.shape, str(found.dtype)) == (shape, kind)
    before = target.read_bytes()
    assert run("a.dng", "--out", "out", *arguments) == 0
    assert before == target.read_bytes()


def test_jpeg_keeps_colours_at_full_resolution(run: Run) -> None:
    """4:4:4: each component is sampled at every pixel."""
    _dng("a.dng")
    run("a.dng", "--out", "out")
    with Image.open("out/a.jpg") as picture:
        assert {(h, v) for _, h, v, _ in picture.layer} == {(1, 1)}  # type: ignore[attr-defined]


@needs_raw
def test_real_camera_files_are_developed(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """All five real files become pictures; the one that lies is named with the option that mends it; the page is there."""
    assert run(str(RAW), "--out", "out", "--report", "--demosaicer", "malvar2004") == 0
    said = capfd.readouterr()
    assert {p.name for p in Path("out").glob("*.jpg")} == {f"{p.stem}.jpg" for p in RAW.iterdir()}
    assert images.read_image(Path("out/Blackmagic.jpg")).shape == (2176, 4128, 3)
    assert "pidng_bad_metadata.dng: stated black level 0/0/0/0" in said.err
    assert "--black-level" in said.err
    assert "5 files developed, 1 with warnings, 0 not" in said.out
    assert "note: 4 of 5 files state no colour matrix" in said.err
    assert Path("out/camera.html").stat().st_size > 10_000
    assert run(str(RAW / "pidng_bad_metadata.dng"), "--out", "out", "--black-level", "64", "--pattern", "GBRG") == 0
    assert "stated black level" not in capfd.readouterr().err


@pytest.mark.skipif(not KODAK.exists(), reason="needs ../shared/data/kodak")
def test_a_picture_comes_back_from_the_simulated_camera(run: Run) -> None:
    """With --simulate a photograph is mosaicked and developed again: close to itself; without it, it is no camera file."""
    source = KODAK / "04.png"
    noiseless = ["--simulation-noise", "none", "--format", "png", "--demosaicer", "malvar2004"]
    assert run(str(source), "--out", "out", "--simulate", *noiseless) == 0
    truth, found = (images.read_image(path).astype(float) for path in (source, Path("out/04.png")))
    assert 10 * np.log10(255**2 / np.mean((truth - found) ** 2)) > 30
    assert run(str(source), "--out", "out") == 1


def test_bad_files_get_one_line_each_and_the_rest_goes_on(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """Empty, cut, no camera's, absurd, missing, nothing there: one line each, exit status 1; the good file is developed."""
    good = _dng("good.dng")
    Path("empty.dng").touch()
    Path("cut.dng").write_bytes(good.read_bytes()[:700])
    Path("text.nef").write_text("hello", encoding="utf-8")
    _dng("levels.dng", white_level=10)
    tifffile.imwrite("mono.dng", np.ones((8, 8), np.uint16), photometric="minisblack")
    Path("nothing").mkdir()
    Image.new("RGB", (8, 8)).save("picture.png")
    bad = ["empty.dng", "cut.dng", "text.nef", "levels.dng", "mono.dng", "nothing", "picture.png", "missing.dng", "q*.dng"]
    assert run(*bad, "good.dng", "--out", "out", "--report") == 1
    said = capfd.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("rawline: ")]
    assert len(lines) == len(bad)
    assert all(any(line.startswith(f"rawline: {name}") for line in lines) for name in bad)
    assert "1 file developed, 9 not" in said.out
    assert "--white-level" in next(line for line in lines if "levels" in line)
    assert "Traceback" not in said.err
    assert {p.name for p in Path("out").iterdir()} == {"good.jpg", "camera.html", "camera.json", "camera.csv"}
    assert "missing.dng" in Path("out/camera.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--demosaicer", "malvr2004"], "did you mean 'malvar2004'"),
        (["--pattern", "RGBG"], "did you mean 'RGGB'"),
        (["--fit", "streth"], "did you mean 'stretch'"),
        (["--format", "jpgg"], "did you mean 'jpg'"),
        (["--exposure-ev", "50"], "--exposure-ev"),
        (["--white-balance", "gains", "--gains-red", "0", "--gains-green", "1", "--gains-blue", "1"], "--gains-red"),
        (["--white-balance", "gains", "--gains-red", "1"], "--gains-green"),
        (["--color-matrix", "1, 2"], "--color-matrix"),
        (["--white-level", "high"], "--white-level"),
        (["--demosaicr", "bilinear"], "--demosaicer"),
        (["--params", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_options_are_answered_with_what_is_right(
    run: Run, capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """One clear line names the option or the nearest word, and nothing is developed."""
    _dng("a.dng")
    assert run("a.dng", "--out", "out", *arguments) != 0
    assert words in capfd.readouterr().err
    assert not Path("out").exists()


def test_options_reach_the_recipe() -> None:
    """Words, numbers, lists and null stand where params.yaml would hold them; what is not given comes from the file."""
    convert = {s.name: options.Value(s).convert for s in options.settings()}
    texts = {
        "black_level": "64",
        "pattern": "null",
        "color_matrix": "1 0 0, 0 1 0, 0 0 1",
        "simulation_light": "[1, .9, 0.5]",
    }
    section = _recipe(**{name: convert[name](text, None, None) for name, text in texts.items()})["preprocess"]
    assert section["black_level"] == 64
    assert section["pattern"] is None
    assert section["color_matrix"] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert section["simulation"]["light"] == [1, 0.9, 0.5]
    file = params.read(ROOT / "params.yaml")["preprocess"]
    assert section["demosaicer"] == file["demosaicer"]
    assert (section["fit"], section["size_px"]) == ("none", None)


def test_equal_names_do_not_overwrite_each_other(run: Run) -> None:
    """Sub-folders are kept; two files of one name, or of one stem, become two results."""
    first, second, third = _dng("a/x.dng", 1), _dng("b/x.dng", 2), _dng("b/deep/x.dng", 3)
    assert run("a", "b", "--out", "both") == 0
    names = [one.name for one in finding.find([str(first), str(second), str(third)], simulate=False)[0]]
    assert [str(name) for name in names] == ["a/x", "b/x", "b/deep/x"]
    assert sorted(str(p.relative_to("both")) for p in Path("both").rglob("*.jpg")) == ["a/x.jpg", "b/deep/x.jpg", "b/x.jpg"]
    shutil.copy(first, "a/x.NEF")
    assert {str(one.name) for one in finding.find(["a"], simulate=False)[0]} == {"x.NEF", "x.dng"}
    assert len(finding.find(["a/x.dng", "a/../a/x.dng", "a/*.dng"], simulate=False)[0]) == 1


@pytest.mark.parametrize("name", ["x" * 300 + ".dng", "a\0b.dng"])
def test_what_no_system_takes_for_a_name_is_met_when_it_is_read(name: str) -> None:
    """One line for it, with the others."""
    found, faults = finding.find([name, "b.dng", "x" * 300 + "*.dng"], simulate=False)
    assert [one.source for one in found] == [Path(name), Path("b.dng")]
    assert len(faults) == 1


def test_patterns_are_searched_below_their_fixed_part(run: Run) -> None:
    """``in/**/*.dng`` finds files at every depth and keeps their folders; a folder's other files are left alone."""
    _dng("in/a.dng")
    _dng("in/day/b.dng")
    Path("in/readme.txt").touch()
    found, faults = finding.find(["in/**/*.dng"], simulate=False)
    assert [str(one.name) for one in found] == ["a", "day/b"]
    assert faults == []


def test_a_tiff_may_be_a_mosaic(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """A mosaic in a TIFF is developed like the DNG it is; an ordinary TIFF is no camera file."""
    _dng("mosaic.tif")
    tifffile.imwrite("picture.tif", np.full((8, 8, 3), 90, np.uint8))
    assert run("mosaic.tif", "picture.tif", "--out", "out") == 1
    assert [path.name for path in Path("out").iterdir()] == ["mosaic.jpg"]
    assert "picture.tif is no camera file but a picture" in capfd.readouterr().err


def test_a_source_is_never_overwritten(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """A result that would fall on a source is refused; the source stays as it is."""
    Image.new("RGB", (32, 32), "gray").save("a.png")
    before = Path("a.png").read_bytes()
    assert run("a.png", "--simulate", "--out", ".", "--format", "png") == 1
    assert "is a source itself" in capfd.readouterr().err
    assert Path("a.png").read_bytes() == before


def test_a_full_disk_leaves_the_older_result_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are written whole or not at all; no space is said in one line."""
    source = tmp_path / "a.dng"
    source.write_bytes(make_dng(np.full((8, 8), 900, np.uint16)))
    target = tmp_path / "out" / "a.tif"
    develop_file(source, target, _recipe(), "tiff")
    before = target.read_bytes()

    def full(path: Path, image: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(writing._WRITERS, "tiff", full)
    with pytest.raises(InfrastructureError, match="no space left"):
        develop_file(source, target, _recipe(), "tiff")
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["a.tif"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    source = tmp_path / "a.dng"
    source.write_bytes(make_dng(np.full((8, 8), 900, np.uint16)))
    with pytest.raises(DataError, match="cannot be written"):
        develop_file(source, source / "a.jpg", _recipe(), "jpg")


def test_it_works_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a project the parameters beside the code are taken; where there are none either, a line says what to do."""
    monkeypatch.chdir(tmp_path)
    assert options.recipe({}, simulate=False)["preprocess"]["demosaicer"]
    monkeypatch.setattr(options, "_SHIPPED", tmp_path / "nowhere")
    with pytest.raises(ParamsError, match="--params"):
        options.recipe({}, simulate=False)


def test_other_commands_do_not_load_the_options() -> None:
    """``rawline --help`` stays quick: numba and OpenCV are imported only when files are developed."""
    script = """
import sys
from pipelines import cli
cli.app(["--help"], standalone_mode=False)
assert not {"numba", "cv2", "numpy"} & set(sys.modules), "heavy"
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=ROOT)
