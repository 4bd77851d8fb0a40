"""``python -m pipelines``: the ``rawline`` command with the code of the current folder; so dvc.yaml starts the stages.

Kept to what an old Python reads too: whichever python comes first on PATH should say in one line what it lacks.
"""

import hashlib
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import find_spec

NEEDED = ("click", "pydantic", "yaml", "psutil", "numpy", "pandas", "torch", "dvc", "mlflow")
OLDEST = (3, 11)
OURS = ("pipelines", "stages")


def lack() -> str:
    """Return what this Python lacks, empty where it can run a stage."""
    if sys.version_info < OLDEST:
        return "is Python {}.{}; rawline needs {}.{} or newer".format(*sys.version_info[:2], *OLDEST)
    missing = [name for name in NEEDED if find_spec(name) is None]
    return f"lacks {', '.join(missing)}" if missing else ""


class SourceOnly(SourceFileLoader):
    """Compiles a module from its source, whatever lies in ``__pycache__``.

    Python takes bytecode for a source's when time in whole seconds and size agree. Both do after tar, rsync -a or two
    checkouts within a second, and then other code would run than DVC books. The MD5 of what was compiled is kept: the file
    may be another one by the time that somebody asks (``pipelines.origin.compiled``).
    """

    md5 = ""

    def source_to_code(self, data, path, *, _optimize=-1):  # type: ignore[no-untyped-def, override] # noqa: ANN001, ANN201
        """Compile a source, and keep its hash: whoever reads the file again later may find another one."""
        self.md5 = hashlib.md5(data).hexdigest()  # noqa: S324 - DVC's hash of a file
        return super().source_to_code(data, path, _optimize=_optimize)

    def path_stats(self, path):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - as old Pythons read it
        """Give no time to compare bytecode with; so none is read or written."""
        raise OSError(path)


class OurFinder(MetaPathFinder):
    """Finds the modules of our packages as Python does, and has them loaded from source."""

    def find_spec(self, fullname, path, target=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        """Return where a module of ours is; None for all others, which are found as ever."""
        if fullname.partition(".")[0] not in OURS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = SourceOnly(fullname, spec.loader.path)
        return spec


def main() -> None:
    """Run the command line, or say why this Python cannot."""
    problem = lack()
    if problem:
        remedy = "activate the project's environment (source .venv/bin/activate), or run .venv/bin/rawline repro"
        sys.exit(f"rawline: {sys.executable} {problem}; {remedy}")
    sys.meta_path.insert(0, OurFinder())
    from pipelines.cli import main as run  # noqa: PLC0415 - only where it can be loaded

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
