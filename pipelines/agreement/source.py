"""Says which parts and paths a function reaches, in other modules of ours too."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from stages.core import source

ARTEFACTS = "stages.core.artefacts"
PARTS = "stages.parts"
CHOOSES = re.compile(r"(^|\.)(parts\.\w+|_?[Pp]art)$")  # parts.load(...), Part(...), job.part(...), not name.partition(...)


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
class Source(source.Source):
    """The modules, and what their functions reach."""

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
        imports = self.imports(module)
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
