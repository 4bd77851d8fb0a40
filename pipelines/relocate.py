"""Sets the scripts of ``.venv`` right after the project's folder was moved or copied; ``make`` runs it, see the Makefile.

Scripts, activation and the editable installation name the folder in which they were installed. Run by path, without any
package of ours or of others: the old names are what is wrong.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

READY = ".ready"
LONGEST = 127  # of a first line that every kernel reads whole
HEAD = re.compile(rb"""\A#!(?:/bin/sh\n'''exec' "?(?P<quoted>[^"\n]*?)"? "\$0" "\$@"\n' '''|(?P<plain>[^\n]*))\n""")
HOME = re.compile(r"^VIRTUAL_ENV=['\"]?(/.*?)/\.venv['\"]?$", re.MULTILINE)


def relocate(root: Path) -> int:
    """Let the environment in a folder name that folder; return how many files were rewritten.

    Files are written anew and put in place: those of another environment that are hard links of them stay as they are.

    Args:
        root: the project; nothing outside its ``.venv`` is touched.
    """
    venv = root / ".venv"
    if any(place.is_symlink() or not place.is_dir() for place in (venv, venv / "bin", venv / "lib")):
        return 0
    old = _before(venv)
    done = sum(_rewrite(path, change) for path, change in _files(venv, old, str(root))) if old not in {"", str(root)} else 0
    ready = venv / READY
    if ready.is_file():
        _put(ready, str(root).encode(), keep_time=True)  # by its time make knows whether pyproject.toml has changed since
    return done


def _before(venv: Path) -> str:
    """Return the folder whose environment this was; empty where nothing tells."""
    noted = (venv / READY).read_text(encoding="utf-8").strip() if (venv / READY).is_file() else ""
    activate = venv / "bin/activate"
    found = HOME.search(activate.read_text(encoding="utf-8")) if not noted and activate.is_file() else None
    return found[1] if found else noted


def _files(venv: Path, old: str, new: str) -> Iterator[tuple[Path, Callable[[bytes], bytes]]]:
    """Yield the files that may name the folder, and what changes each."""

    def whole(content: bytes) -> bytes:
        for before, after in {old: new, quote(old): quote(new)}.items():
            to = after.encode().replace(b"\\", rb"\\")  # what re.sub would read as a reference
            content = re.sub(re.escape(before.encode()) + rb"(?=[/'\"\s]|\Z)", to, content)
        return content

    def headed(content: bytes) -> bytes:
        return _headed(content, old, new)

    for path in sorted((venv / "bin").iterdir()):
        if path.is_file() and not path.is_symlink():
            yield path, whole if path.name.lower().startswith("activate") else headed
    for pattern in ("__editable__*rawline*", "rawline-*.dist-info/direct_url.json"):
        yield from ((path, whole) for path in sorted(venv.glob(f"lib/python*/site-packages/{pattern}")) if path.is_file())


def _headed(content: bytes, old: str, new: str) -> bytes:
    """Return a script whose first line names the interpreter in the new folder, in the form that its length asks for."""
    match = HEAD.match(content)
    named = os.fsdecode((match["quoted"] or match["plain"]).strip()) if match else ""
    if not match or not named.startswith(f"{old}/.venv/bin/"):
        return content
    interpreter = new + named.removeprefix(old)
    plain = f"#!{interpreter}\n"
    fits = len(os.fsencode(plain)) <= LONGEST and " " not in interpreter
    head = plain if fits else f"#!/bin/sh\n'''exec' \"{interpreter}\" \"$0\" \"$@\"\n' '''\n"
    return os.fsencode(head) + content[match.end() :]


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> bool:
    content = path.read_bytes()
    changed = change(content)
    if changed != content:
        _put(path, changed)
    return changed != content


def _put(path: Path, content: bytes, *, keep_time: bool = False) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    (shutil.copystat if keep_time else shutil.copymode)(path, fresh)
    fresh.replace(path)


if __name__ == "__main__" and (count := relocate(Path(sys.argv[1]))):
    print(f"The folder has moved: {count} files of .venv now name {sys.argv[1]}.", file=sys.stderr)  # noqa: T201
