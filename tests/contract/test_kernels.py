"""What every compiled kernel keeps to."""

import ast
from pathlib import Path

import pytest

STAGES = Path(__file__).parents[2] / "stages"
COMPILED = sorted(file for file in STAGES.rglob("*.py") if "njit" in file.read_text(encoding="utf-8"))


def _imported(tree: ast.Module) -> set[str]:
    """Return the names that a module takes from the project."""
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stages")
    ]
    return {alias.asname or alias.name for node in found for alias in node.names}


def _is_compiled(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(d) for d in node.decorator_list)


@pytest.mark.parametrize("file", COMPILED, ids=lambda file: file.stem)
def test_a_kernel_calls_only_kernels_of_its_own_file(file: Path) -> None:
    """Numba keeps compiled code until the function's own file changes: a callee elsewhere could be edited without effect."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    foreign = _imported(tree)
    for kernel in filter(_is_compiled, ast.walk(tree)):
        used = {node.id for statement in kernel.body for node in ast.walk(statement) if isinstance(node, ast.Name)}
        assert not used & foreign, f"{file.name}: {kernel.name}"


def test_there_are_kernels() -> None:
    """The search finds the files that hold kernels."""
    assert {"tile_kernels", "malvar2004", "sensor_kernels", "mosaic_statistics"} <= {file.stem for file in COMPILED}
