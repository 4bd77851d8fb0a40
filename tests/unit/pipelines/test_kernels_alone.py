"""A compiled kernel is as old as its file says: numba keeps it until its own file changes, not until what it calls does."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]


def strangers(text: str) -> dict[str, set[str]]:
    """Return the names of other modules of ours that each compiled function uses."""
    tree = ast.parse(text)
    ours = [
        n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.level or (n.module or "").startswith("stages"))
    ]
    known = {alias.asname or alias.name for statement in ours for alias in statement.names}
    jitted = [
        f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and "jit" in " ".join(map(ast.unparse, f.decorator_list))
    ]
    used = {f.name: {n.id for b in f.body for n in ast.walk(b) if isinstance(n, ast.Name)} & known for f in jitted}
    return {name: found for name, found in used.items() if found}


def test_kernels_use_nothing_of_other_modules() -> None:
    """Else an edit of the other module would be booked by DVC while the old compiled code ran."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "stages").rglob("*.py"))}
    kernels = {path: text for path, text in texts.items() if "njit" in text}
    assert len(kernels) > 5
    assert {path.name: found for path, text in kernels.items() if (found := strangers(text))} == {}


def test_a_borrowed_function_or_constant_would_be_found() -> None:
    """By name, through its module, or relatively."""
    text = (
        "from numba import njit\nfrom stages.maths import bayer\nfrom .other import WIDTH\n\n@njit(cache=True)\ndef f(x):\n"
    )
    assert strangers(text + "    return bayer.pattern(x) + WIDTH\n") == {"f": {"bayer", "WIDTH"}}
    assert strangers(text + "    return x\n") == {}
