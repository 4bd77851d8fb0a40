"""Runs the benchmarks: ``python -m tests.bench [PART]`` prints a table and writes ``bench.json``."""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.harness import Entry

OUT = Path("bench.json")
# One thread each: LibRaw's wheel takes all cores otherwise. Read when the libraries are loaded, which is later.
os.environ["OMP_NUM_THREADS"] = "1"
WIDTH = 130  # columns the table needs


def parts() -> list[str]:
    """List the parts that have benchmarks: ``bench_<part>.py`` in this folder."""
    return sorted(f.stem.removeprefix("bench_") for f in Path(__file__).parent.glob("bench_*.py"))


def merge(new: list[Entry], only: str | None) -> list[dict[str, object]]:
    """Replace the measured part in an earlier ``bench.json``, or everything when all parts were measured."""
    old = json.loads(OUT.read_text(encoding="utf-8")) if only and OUT.exists() else []
    kept = [row for row in old if str(row["name"]).split(".")[0] != only]
    return sorted([*kept, *(e.row() for e in new)], key=lambda row: str(row["name"]))


def table(entries: list[Entry]) -> Table:
    """Lay the entries out for a terminal."""
    out = Table(title=entries[0].machine if entries else "nothing measured")
    for column, side in (("name", "left"), ("value", "right"), ("unit", "left"), ("rival", "left"), ("ratio", "right")):
        out.add_column(column, justify=side, no_wrap=column == "name")  # type: ignore[arg-type]
    for e in entries:
        out.add_row(e.name, f"{e.value:.4g}", e.unit, e.rival or "", f"{e.ratio:.2f}x" if e.ratio else "")
    return out


def main() -> int:
    """Measure one part or all."""
    only = sys.argv[1] if len(sys.argv) > 1 else None
    if only and only not in parts():
        print(f"bench: ONLY is '{only}'; expected one of {', '.join(parts())}", file=sys.stderr)
        return 1
    entries: list[Entry] = []
    for part in [only] if only else parts():
        print(f"measuring {part} ...", flush=True)
        entries += import_module(f"tests.bench.bench_{part}").measure()
    console = Console()
    Console(width=max(console.width, WIDTH)).print(table(entries))
    OUT.write_text(json.dumps(merge(entries, only), indent=1) + "\n", encoding="utf-8")
    print(f"written to {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
