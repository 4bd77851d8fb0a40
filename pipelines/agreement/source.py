"""Reads the project's modules without importing them: who imports whom, and which parts and paths a function reaches."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ARTEFACTS = "stages.core.artefacts"
PARTS = "stages.parts"
CHOOSES = re.compile(r"(^|\.)(parts\.\w+|_?[Pp]art)$")  # parts.load(...), Part(...), job.part(...), not name.partition(...)


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

    @property
    def has_code(self) -> bool:
        """Tell whether it holds more than a docstring."""
        return any(not isinstance(s, ast.Expr) or not isinstance(s.value, ast.Constant) for s in self.tree.body)


@dataclass(frozen=True)
class Reach:
    """What a stage reaches beyond imports.

    Attributes:
        families: (family, part) of parts chosen by name; part is None where the code does not say which.
        artefacts: names in ``stages/core/artefacts.py``.
        facts: what is read from the job itself: ``seed`` where ``job.seed`` is.
    """

    families: set[tuple[str, str | None]] = field(default_factory=set)
    artefacts: set[str] = field(default_factory=set)
    facts: set[str] = field(default_factory=set)


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

    def closure(self, name: str) -> set[Path]:
        """Return the files that importing a module brings in, its own among them.

        Imports inside functions count; those under ``if TYPE_CHECKING`` and packages that hold only a docstring do not.
        """
        todo, seen = [name], set[str]()
        while todo:
            current = todo.pop()
            if current in seen or not (module := self.module(current)):
                continue
            seen.add(current)
            todo += [target for target, _ in self._imports(module).values()]
            todo += [current.rpartition(".")[0]]
        return {m.path for n in seen if (m := self.module(n)) and (m.path.name != "__init__.py" or m.has_code)}

    def parts(self, family: str) -> dict[str, str]:
        """Return the dotted module of each part of a family."""
        files = sorted((self.root / PARTS.replace(".", "/") / family).glob("[!_]*.py"))
        return {file.stem: f"{PARTS}.{family}.{file.stem}" for file in files}

    def package(self, name: str) -> list[str]:
        """Return the modules inside a package, none for a plain module."""
        found = self.module(name)
        if not found or found.path.name != "__init__.py":
            return []
        return [f"{name}.{file.stem}" for file in sorted((self.root / found.path).parent.glob("[!_]*.py"))]

    def reach(self, *names: str) -> Reach:
        """Follow every function that the modules use, in other modules of ours too, and note what it chooses and touches."""
        found = Reach()
        todo: list[tuple[str, str | None]] = [(name, None) for name in names]
        seen: set[tuple[str, str | None]] = set()
        while todo:
            step = todo.pop()
            if step not in seen:
                seen.add(step)
                todo += self._look(*step, found)
        return found

    def _look(self, name: str, symbol: str | None, found: Reach) -> list[tuple[str, str | None]]:
        if not (module := self.module(name)):
            return []
        start: ast.AST | None = module.bindings.get(symbol) if symbol else module.tree
        imports = self._imports(module)
        if start is None:
            return [imports[symbol]] if symbol in imports else []
        more: list[tuple[str, str | None]] = []
        for node in ast.walk(start):
            match node:
                case ast.Call():
                    found.families.update(self._chosen(node))
                case ast.Attribute(value=value, attr="seed") if ast.unparse(value).endswith("job"):
                    found.facts.add("seed")
                case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if imports.get(owner, ("", ""))[1] is None:
                    more.append((imports[owner][0], attribute))
                case ast.Name(id=used) if used in imports and imports[used][1]:
                    more.append(imports[used])
                case ast.Name(id=used) if used in module.bindings and symbol:
                    more.append((name, used))
        found.artefacts.update(what for target, what in more if target == ARTEFACTS and what)
        return more

    def _chosen(self, call: ast.Call) -> Iterator[tuple[str, str | None]]:
        """Yield the family that a call such as ``parts.load("heads", name, ...)`` or ``Part("heads")`` names."""
        if not CHOOSES.search(ast.unparse(call.func)) or not call.args:
            return
        words = [a.value if isinstance(a, ast.Constant) and isinstance(a.value, str) else None for a in call.args]
        if words[0] and (self.root / PARTS.replace(".", "/") / words[0]).is_dir():
            name = words[1] if len(words) > 1 and words[1] in self.parts(words[0]) else None
            yield words[0], name

    def _imports(self, module: Module) -> dict[str, tuple[str, str | None]]:
        """Return what each imported name stands for: (module, None), or (module, name in it)."""
        if module.name not in self._known:
            self._known[module.name] = self._read_imports(module)
        return self._known[module.name]

    def _read_imports(self, module: Module) -> dict[str, tuple[str, str | None]]:
        found: dict[str, tuple[str, str | None]] = {}
        for node in _running(module.tree):
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
                return Module(name, path, ast.parse((self.root / path).read_text(encoding="utf-8"), str(path)))
        return None


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
