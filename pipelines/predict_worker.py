"""Runs a packed model in a process of its own: pictures' paths come in a line each, answers go out as JSON.

``predict`` hands this file's text to a fresh interpreter in an empty folder, so that the model's own code runs and nothing
of the project's; it therefore imports nothing of ours. Answers go to a pipe of their own, each with its length before it,
so that whatever a library prints does no harm.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

CODE_LOADERS = ("mlflow.pyfunc.loaders.code_model", "mlflow.pyfunc.model")
LENGTH = 8
LINE = 2000


class Foreign(Exception):  # noqa: N818 - its name goes to the parent as it is
    """The package is not of the form that rawline writes."""


def say(out: BinaryIO, kind: str, **content: Any) -> None:
    """Send one message: its length in eight bytes, then JSON."""
    text = json.dumps({"kind": kind, **content}, default=_plain).encode()
    out.write(len(text).to_bytes(LENGTH, "big") + text)
    out.flush()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def load(uri: str, trusted: bool) -> tuple[Any, dict[str, Any]]:
    """Fetch a model and load it; return it with its card.

    Args:
        uri: an address as MLflow knows it, or a folder.
        trusted: load packages of other forms, pickles among them.

    Raises:
        Foreign: it is none that rawline wrote, and not trusted.
    """
    import mlflow  # noqa: PLC0415 - its faults are reported

    folder = Path(mlflow.artifacts.download_artifacts(uri)) if ":/" in uri else Path(uri)
    if not trusted:
        check_form(folder)
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    model = mlflow.pyfunc.load_model(str(folder))
    return model, json.loads((folder / "artifacts" / "model" / "model.json").read_text(encoding="utf-8"))


def check_form(folder: Path) -> None:
    """Refuse a package of which MLflow would load something else than our code: another flavour's, or a pickle.

    Raises:
        Foreign: it is of another form.
    """
    import yaml  # noqa: PLC0415 - mlflow needs it too

    try:
        content = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, yaml.YAMLError) as error:
        raise Foreign(f"a package whose MLmodel cannot be read ({type(error).__name__})") from error
    check_content(content)


def check_content(content: Any) -> None:
    """Refuse what an ``MLmodel`` holds where ``check_form`` would.

    Raises:
        Foreign: the package is of another form.
    """
    flavors = _table(_table(content).get("flavors"))
    if list(flavors) != ["python_function"]:
        raise Foreign(f"a package of the flavours {', '.join(map(str, flavors)) or 'none'}")
    flavor = _table(flavors["python_function"])
    loader = flavor.get("loader_module")
    if loader not in CODE_LOADERS or "model_code_path" not in flavor or "python_model" in flavor:
        raise Foreign(f"a package that {loader if isinstance(loader, str) else 'nothing known'} loads")
    if "task" not in _table(_table(content).get("metadata")):
        raise Foreign("a package that names no task")


def _table(raw: Any) -> dict[Any, Any]:
    return raw if isinstance(raw, dict) else {}


def answers(model: Any, options: dict[str, Any], orders: Iterator[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Answer one picture per line; masks as run lengths, which stay small."""
    for line in orders:
        try:
            (found,) = model.predict([Path(json.loads(line))], params={**options, "masks": "rle"})
            yield "answer", {"answer": found}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this picture's
            yield "fault", {"text": (str(error) or type(error).__name__)[:LINE]}


def main(uri: str, options: dict[str, Any], trusted: bool, pipe: int) -> None:
    """Load the model, say what it is, answer."""
    out = os.fdopen(pipe, "wb")
    try:
        model, card = load(uri, trusted)
    except Exception as error:  # noqa: BLE001 - the parent turns it into a line
        code = str(getattr(error, "error_code", "") or type(error).__name__)
        kind = "refused" if hasattr(error, "error_code") else "foreign" if isinstance(error, Foreign) else "failed"
        say(out, kind, code=code, text=str(error)[:LINE])
        return
    say(out, "model", card=card)
    for kind, content in answers(model, options, iter(sys.stdin.buffer.readline, b"")):
        say(out, kind, **content)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
