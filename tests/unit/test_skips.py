"""A test that cannot run where everything can be installed fails, instead of vanishing from the count."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
@pytest.mark.skipif(True, reason="exiftool is not installed")
def test_mark(): pass
def test_call(): pytest.skip("needs a GPU with 80 GB")
@pytest.mark.xfail(reason="known")
def test_expected(): assert 0
"""
FILE = 'import pytest\npytest.importorskip("no_such_package")\n'


@pytest.mark.parametrize("strict", ["CI", "RAWLINE_NO_SKIPS", None])
def test_only_skips_that_nothing_can_remove_are_taken(strict: str | None, tmp_path: Path) -> None:
    """Where CI or RAWLINE_NO_SKIPS is set, what is missing is a failure that names its reason; elsewhere a skip."""
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "test_one.py").write_text(TESTS)
    (tmp_path / "test_two.py").write_text(FILE)
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "RAWLINE_NO_SKIPS") and "PYTEST" not in k}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "."]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment | ({strict: "1"} if strict else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if strict else 0), done.stdout + done.stderr
    assert ("2 errors" if strict else "3 skipped") in done.stdout, done.stdout
    assert ("skipped (exiftool is not installed)" in done.stdout) == bool(strict)
    assert ("No module named 'no_such_package'" in done.stdout) == bool(strict)
    assert "1 xfailed" in done.stdout
