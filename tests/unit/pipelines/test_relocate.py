"""A project that was moved or copied goes on with its environment, which names the new folder and no other one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import relocate

HOME = Path(__file__).parents[3]
SITE = "lib/python3.11/site-packages"


def install(root: Path, *, noted: bool = True) -> Path:
    """Make an environment that names its folder as venv and pip do, with a command that says whose it is."""
    venv = root / ".venv"
    files = {
        "bin/tool": f"#!{venv}/bin/python\nimport sys; print(sys.argv[0])\n",
        "bin/other": "#!/usr/bin/env python3\nprint(1)\n",
        "bin/activate": f'VIRTUAL_ENV="{venv}"\nexport VIRTUAL_ENV\n',
        "bin/activate.csh": f'setenv VIRTUAL_ENV "{venv}"\n',
        f"{SITE}/__editable___rawline_1_finder.py": f"MAPPING = {{'stages': '{root}/stages', 'x': '{root}-2/stages'}}\n",
        f"{SITE}/rawline-1.dist-info/direct_url.json": f'{{"url": "{root.as_uri()}"}}\n',
        f"{SITE}/else.py": f"X = '{root}/data'\n",
        ".ready": str(root) if noted else "",
    }
    for name, text in files.items():
        (venv / name).parent.mkdir(parents=True, exist_ok=True)
        (venv / name).write_text(text)
    (venv / "bin/tool").chmod(0o755)
    (venv / "bin/python").symlink_to(sys.executable)
    return venv


def make(root: Path) -> str:
    """Run the project's Makefile for a target that needs nothing."""
    for name in ("Makefile", "pipelines/relocate.py"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text((HOME / name).read_text())
    done = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True, timeout=1800)
    return done.stderr


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "installed before folders were noted"])
@pytest.mark.parametrize("name", ["new", "a folder", "long" * 40])
def test_make_lets_the_environment_name_the_folder_it_is_in(name: str, noted: bool, tmp_path: Path) -> None:
    """Commands run from there, and nothing is installed; a second make has nothing to do."""
    venv = install(tmp_path / "old", noted=noted)
    os.utime(venv / ".ready", (1e9, 1e9))
    root = (tmp_path / "old").rename(tmp_path / name)
    assert "The folder has moved: 5 files" in make(root)
    venv = root / ".venv"
    told = subprocess.run([str(venv / "bin/tool")], capture_output=True, text=True, check=True, timeout=1800)
    assert told.stdout.strip() == str(venv / "bin/tool")
    texts = {path: path.read_text() for path in venv.rglob("*") if path.is_file() and not path.is_symlink()}
    left = [path.name for path, text in texts.items() if f"{tmp_path}/old" in text.replace(f"{tmp_path}/old-2", "")]
    assert left == ["else.py"]
    assert (venv / ".ready").read_text() == str(root)
    assert (venv / ".ready").stat().st_mtime == 1e9
    assert root.as_uri() in (venv / SITE / "rawline-1.dist-info/direct_url.json").read_text()
    assert make(root) == ""
    assert relocate.relocate((root).rename(tmp_path / "old")) == 5  # and back again


def test_the_environment_that_was_copied_from_stays_as_it_is(tmp_path: Path) -> None:
    """Its files are hard links of the copy's; an environment that is a link to another one is nobody's to change."""
    venv = install(tmp_path / "old")
    before = {path: path.read_bytes() for path in venv.rglob("*") if path.is_file()}
    for name in ("copy", "linked"):
        (tmp_path / name).mkdir()
    subprocess.run(["cp", "-al", str(venv), str(tmp_path / "copy")], check=True, timeout=1800)
    (tmp_path / "linked/.venv").symlink_to(venv)
    assert relocate.relocate(tmp_path / "copy") == 5
    assert relocate.relocate(tmp_path / "linked") == 0
    assert {path: path.read_bytes() for path in venv.rglob("*") if path.is_file()} == before
