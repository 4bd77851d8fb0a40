"""A clone has a word of its own, by which the remains of its own killed packing are told from what another one packs."""

import shutil
from pathlib import Path

import pytest

from pipelines.record import identity
from pipelines.register import registry


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's root."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path / "one"))
    return tmp_path / "one"


def test_a_clone_knows_itself_again() -> None:
    """Whoever asks, and however often."""
    assert registry.clone() == registry.clone()


def test_two_disks_with_one_path_and_host_name_are_two_clones(root: Path) -> None:
    """Containers of one image, on the host's network, each with a disk of its own."""
    first = registry.clone()
    shutil.rmtree(root)
    assert registry.clone() != first


@pytest.mark.parametrize("what", ["host", "boot", "namespace"])
def test_a_copy_of_the_folder_elsewhere_is_another_clone(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Its word was copied; the machine or the container is another one."""
    first, here = registry.clone(), identity.here()
    monkeypatch.setattr(identity, "here", lambda: {**here, what: "another"})
    assert registry.clone() != first


def test_a_copy_of_the_folder_beside_it_is_another_clone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is another file."""
    first = registry.clone()
    shutil.copytree(root, root.with_name("two"))
    monkeypatch.setenv("RAWLINE_ROOT", str(root.with_name("two")))
    assert registry.clone() != first
