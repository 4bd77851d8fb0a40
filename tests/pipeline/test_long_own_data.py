"""The README's five minutes with one's own data: its own file of differences, a folder of Pascal VOC, one command."""

import re
import shutil

import pytest

from tests.pipeline import fresh_clone
from tests.pipeline.chain_project import HOME
from tests.pipeline.fresh_clone import SHARED, Clone

BCCD = SHARED / "data/bccd/BCCD"
pytestmark = [pytest.mark.long, pytest.mark.skipif(not BCCD.is_dir(), reason="needs ../shared/data/bccd")]
README = (HOME / "README.md").read_text(encoding="utf-8")
NUMBERS = {"train": 24, "val": 8, "test": 12}


def lay(clone: Clone) -> None:
    """Put some pictures with their boxes where the README's file says that they lie."""
    folder = clone.root / "data/raw/BCCD"
    for name in ("ImageSets/Main", "JPEGImages", "Annotations"):
        (folder / name).mkdir(parents=True)
    for split, number in NUMBERS.items():
        names = (BCCD / f"ImageSets/Main/{split}.txt").read_text().split()[:number]
        (folder / f"ImageSets/Main/{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            shutil.copy(BCCD / f"JPEGImages/{name}.jpg", folder / "JPEGImages")
            shutil.copy(BCCD / f"Annotations/{name}.xml", folder / "Annotations")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Give a fresh clone with the pictures and the README's block of YAML, laid over params.yaml as the page says."""
    base = tmp_path_factory.mktemp("own")
    made = fresh_clone.clone(fresh_clone.origin(base / "origin", ("classify", "detect")).root, base / "project")
    shutil.copy(HOME / "params.yaml", made.root / "params.yaml")
    lay(made)
    (block,) = re.findall(r"^ *```yaml\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    (made.root / "params/blood.yaml").write_text(block, encoding="utf-8")
    done = made.run("rawline", "params", "use", "params/blood.yaml")
    assert done.returncode == 0, done.stdout
    return made


def test_the_file_of_differences_is_laid_over_the_parameters(clone: Clone) -> None:
    """What the block names has changed, and the comments of params.yaml stay."""
    params = clone.params()
    assert set(params["tasks"]) == {"detect"}
    assert (params["acquire"]["source"], params["acquire"]["path"]) == ("voc", "data/raw/BCCD")
    before = re.findall(r"# .+", (HOME / "params.yaml").read_text(encoding="utf-8"))
    after = (clone.root / "params.yaml").read_text(encoding="utf-8")
    assert sum(comment in after for comment in before) > 0.9 * len(before)


def test_a_misspelt_key_is_answered_with_the_nearest_one(clone: Clone) -> None:
    """The page's promise; params.yaml is left as it was."""
    before = (clone.root / "params.yaml").read_bytes()
    (clone.root / "params/wrong.yaml").write_text("acquire: {voc: {anotations: x}}\n", encoding="utf-8")
    done = clone.run("rawline", "params", "use", "params/wrong.yaml")
    assert done.returncode == 1
    assert "did you mean 'annotations'" in done.stdout
    assert (clone.root / "params.yaml").read_bytes() == before


def test_one_command_brings_the_pictures_to_a_registered_model(clone: Clone) -> None:
    """``make repro`` reads the folder, says what its gate found, and registers a detector of the page's name."""
    params = clone.params()
    fresh_clone.shrink(params, ("detect",))
    clone.write(params)
    done = clone.run("make", "repro")
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    assert "model blood-detect version 1" in done.stdout
    assert (clone.root / "data/acquired/gate.md").is_file()
    again = clone.run("make", "repro")
    assert "up to date" in again.stdout, again.stdout
