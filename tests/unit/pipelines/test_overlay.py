"""An overlay changes what it names and nothing else."""

from pathlib import Path

import pytest

from pipelines import overlay
from stages.core import params as parameters
from stages.core.errors import ParamsError

BASE = """# Values only.
seed: 7
name: scenes          # of the data set

# The models.
tasks:
  classify: {head: linear}   # one
  detect: {head: faster_rcnn}

acquire:
  source: scenes
  matrix: [0.6722, -0.0635, -0.0963, -0.4287, 1.2460, 0.2028, -0.0908, 0.2162, 0.5668, 0.1234, 0.2345, 0.3456, 0.4567]
  scenes:
    num_images: 800     # enough
    bias: null
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return parameter file and overlay; the check of their values has its own tests."""
    monkeypatch.setattr(overlay, "check_all", lambda raw, workdir: None)
    (tmp_path / "params.yaml").write_text(BASE)
    return tmp_path / "params.yaml", tmp_path / "over.yaml"


def test_mappings_merge_tasks_are_replaced_and_comments_stay(files: tuple[Path, Path]) -> None:
    """The result reads as the sum of both; every line that is not named is byte for byte the same."""
    target, over = files
    over.write_text("name: bccd\ntasks:\n  detect: {head: other}\nacquire:\n  source: voc\n  voc: {path: x}\n")
    changes = overlay.use(over, target)
    after = parameters.read(target)
    assert after["tasks"] == {"detect": {"head": "other"}}
    assert after["acquire"]["scenes"] == {"num_images": 800, "bias": None}
    assert after["acquire"]["voc"] == {"path": "x"}
    assert (after["seed"], after["name"]) == (7, "bccd")
    assert "name: scenes -> bccd" in changes
    assert "acquire.source: scenes -> voc" in changes
    text = target.read_text()
    for line in ("# Values only.", "# The models.", "    num_images: 800     # enough", "    bias: null"):
        assert line in text
    assert next(row for row in BASE.splitlines() if "matrix" in row) in text


def test_using_it_twice_changes_nothing(files: tuple[Path, Path]) -> None:
    """The second time no line is reported and no byte differs."""
    target, over = files
    over.write_text("name: bccd\n")
    overlay.use(over, target)
    once = target.read_bytes()
    assert overlay.use(over, target) == []
    assert target.read_bytes() == once


def test_a_wrong_result_is_not_written(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The parameter file is as before when the sum of both is refused."""
    target, over = files

    def refuse(raw: object, workdir: object) -> None:
        raise ParamsError("no")

    monkeypatch.setattr(overlay, "check_all", refuse)
    over.write_text("name: bccd\n")
    with pytest.raises(ParamsError):
        overlay.use(over, target)
    assert target.read_text() == BASE


def test_every_overlay_of_the_project_fits_its_parameters() -> None:
    """Each file of params/ names only keys that lie in params.yaml or belong to a part."""
    root = Path(__file__).parents[3]
    base = parameters.read(root / "params.yaml")
    for file in sorted((root / "params").glob("*.yaml")):
        assert set(parameters.read(file)) <= set(base), file
