"""Reads the project's modules without importing them: what each of them brings in."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Module:
    """One module's text, parsed.

    Attributes:
        name: dotted name.
        path: its file, relative to the project's root.
        tree: what ``ast`` makes of it.
    """

    name: str
    path: Path
    tree: ast.Module

    @cached_property
    def bindings(self) -> dict[str, ast.stmt]:
        """Return the statements that bind a name at the top level: functions, classes, constants."""
        found: dict[str, ast.stmt] = {}
        for statement in self.tree.body:
            match statement:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found[name] = statement
                case ast.Assign(targets=targets):
                    found |= {t.id: statement for t in targets if isinstance(t, ast.Name)}
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found[name] = statement
        return found

    @cached_property
    def running_imports(self) -> list[ast.Import | ast.ImportFrom]:
        """Return the statements that import something when they run, wherever they stand."""
        return [node for node in _running(self.tree) if isinstance(node, ast.Import | ast.ImportFrom)]

    @property
    def has_code(self) -> bool:
        """Tell whether it holds more than a docstring."""
        return any(not isinstance(s, ast.Expr) or not isinstance(s.value, ast.Constant) for s in self.tree.body)


@dataclass(frozen=True)
class Source:
    """The modules below ``root`` whose dotted names begin with one of ``prefixes``."""

    root: Path
    prefixes: tuple[str, ...] = ("stages",)
    _read: dict[str, Module | None] = field(default_factory=dict)
    _known: dict[str, dict[str, tuple[str, str | None]]] = field(default_factory=dict)

    def module(self, name: str) -> Module | None:
        """Return a module of ours by its dotted name, or None."""
        if name not in self._read:
            self._read[name] = self._parse(name)
        return self._read[name]

    def closure(self, name: str, aside: Collection[str] = ()) -> set[Path]:
        """Return the files that importing a module brings in, its own among them.

        Imports inside functions count; those under ``if TYPE_CHECKING`` and packages that hold only a docstring do not.

        Args:
            name: the module.
            aside: modules and packages that do not count, nor what they alone bring in.
        """
        todo, seen = [name], set[str]()
        while todo:
            current = todo.pop()
            if current in seen or _is_within(current, aside) or not (module := self.module(current)):
                continue
            seen.add(current)
            todo += [target for target, _ in self.imports(module).values()]
            todo += [current.rpartition(".")[0]]
        return {m.path for n in seen if (m := self.module(n)) and (m.path.name != "__init__.py" or m.has_code)}

    def imports(self, module: Module) -> dict[str, tuple[str, str | None]]:
        """Return what each imported name stands for: (module, None), or (module, name in it)."""
        if module.name not in self._known:
            self._known[module.name] = self._read_imports(module)
        return self._known[module.name]

    def _read_imports(self, module: Module) -> dict[str, tuple[str, str | None]]:
        found: dict[str, tuple[str, str | None]] = {}
        for node in module.running_imports:
            match node:
                case ast.Import(names=names):
                    found |= {a.asname or a.name: (a.name, None) for a in names}
                case ast.ImportFrom(module=base, names=names, level=level):
                    origin = _absolute(module, base, level)
                    for alias in names:
                        inside = f"{origin}.{alias.name}"
                        target = (inside, None) if self.module(inside) else (origin, alias.name)
                        found[alias.asname or alias.name] = target
        return {alias: target for alias, target in found.items() if self.module(target[0])}

    def _parse(self, name: str) -> Module | None:
        if not any(name == p or name.startswith(f"{p}.") for p in self.prefixes):
            return None
        stem = Path(*name.split("."))
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if (self.root / path).is_file():
                return _module(name, path, (self.root / path).read_text(encoding="utf-8"))
        return None


@lru_cache(maxsize=1024)
def _module(name: str, path: Path, text: str) -> Module:
    """Return a module; of an unchanged text the same one, since parsing takes most of the time."""
    return Module(name, path, ast.parse(text, str(path)))


def _is_within(name: str, others: Collection[str]) -> bool:
    return any(f"{name}.".startswith(f"{other}.") for other in others)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs: everything but ``if TYPE_CHECKING`` blocks."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def _absolute(module: Module, base: str | None, level: int) -> str:
    if not level:
        return base or ""
    package = module.name.split(".") if module.path.name == "__init__.py" else module.name.split(".")[:-1]
    kept = package[: len(package) - level + 1]
    return ".".join([*kept, *([base] if base else [])])
