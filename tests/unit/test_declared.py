"""What the code imports is declared: another package's choice of what it brings is no promise; no file grows too long."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {canonicalize_name(one.name): one for one in map(Requirement, PROJECT["dependencies"])}
PRIVATE = {"mlflow": "3.17.2", "dvc": "3.67.1", "prefect": "3.8.8"}  # the versions whose private names were looked at


def imported() -> dict[str, str]:
    """Return the top-level packages that the code imports, with a file that does; names given as text count too."""
    found: dict[str, str] = {}
    for file in [*(ROOT / "pipelines").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), level=0):
                    modules = [module]
                case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(module)), *_]):
                    modules = [module]
                case _:
                    modules = []
            found |= {module.partition(".")[0]: file.name for module in modules}
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names | {"pipelines", "stages"}}


def test_every_import_is_declared() -> None:
    """Each third-party package that pipelines/ or stages/ imports belongs to a distribution in pyproject.toml."""
    owners = packages_distributions()
    found = imported()
    assert len(found) > 30
    for name, file in sorted(found.items()):
        owned = {canonicalize_name(owner) for owner in owners[name]}
        assert owned & DECLARED.keys(), (
            f"{file} imports {name} ({', '.join(sorted(owned))}), which pyproject.toml does not declare"
        )


def test_every_declared_package_is_pinned() -> None:
    """constraints.txt holds a version of each that the range allows."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line}
    for name, requirement in DECLARED.items():
        assert requirement.specifier.contains(pinned[name]), (
            f"{name} is pinned to {pinned[name]}; the range is {requirement}"
        )


@pytest.mark.parametrize("name", PRIVATE)
def test_whose_private_names_are_used_has_a_narrow_range(name: str) -> None:
    """The range ends before the next minor version, which may name them otherwise."""
    major, minor, _ = map(int, PRIVATE[name].split("."))
    specifier = DECLARED[name].specifier
    assert specifier.contains(PRIVATE[name])
    assert not specifier.contains(f"{major}.{minor + 1}.0")
    assert not specifier.contains(f"{major}.{minor - 1}.9")


def test_no_file_of_code_holds_two_ideas() -> None:
    """A file that has grown beyond 350 lines is divided by its ideas."""
    files = [*(ROOT / "pipelines").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert not {name: length for name, length in lengths.items() if length > 350}
