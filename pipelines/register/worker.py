"""Answers pictures with a registered model's own code; runs as a script, in a process that has nothing else of the project.

Takes a JSON file: ``package`` (the model's folder), ``pictures`` (paths), ``prepared`` (whether they are as the model sees
them, or originals that it prepares itself) and ``out`` (an existing folder). Leaves ``<number>.npz`` for each picture, or
``problem.txt``. Arrays alone go back: what this process writes is never unpickled.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH = 16


def prepared(package: Path, pictures: list[str]) -> Iterator[dict[str, Any]]:
    """Answer pictures that are as the model sees them, in their pixels."""
    from stages.core import checkpoint, images  # noqa: PLC0415 - the model's own, which the path leads to only now

    model = checkpoint.load(package / "artifacts" / "model", "best")
    pixels = getattr(model, "pixels", None)
    read = pixels.read if pixels is not None else images.read_image
    for start in range(0, len(pictures), BATCH):
        yield from model.predict([read(Path(path)) for path in pictures[start : start + BATCH]])


def original(package: Path, pictures: list[str]) -> Iterator[dict[str, Any]]:
    """Answer pictures as a user has them, in their own pixels, with ``width`` and ``height``."""
    import mlflow  # noqa: PLC0415 - takes seconds
    import numpy as np  # noqa: PLC0415 - see above

    model = mlflow.pyfunc.load_model(str(package))
    card = json.loads((package / "artifacts" / "model" / "model.json").read_text(encoding="utf-8"))
    for path in pictures:
        found = model.predict([Path(path)], params={"min_score": 0.0, "masks": "array"})[0]
        if card["task"] == "classify":
            found["scores"] = np.array([found["scores"][name] for name in card["classes"]])
        yield {key: value for key, value in found.items() if key not in {"label", "names", "areas"}}


def own_code(package: Path) -> None:
    """Put the model's code first.

    Raises:
        RuntimeError: it brings none, so that some other ``stages`` would answer.
    """
    sys.path.insert(0, str(package / "code"))
    import stages  # noqa: PLC0415 - see above

    if not str(stages.__file__).startswith(str(package)):
        raise RuntimeError("its package brings no code")


def main(order: dict[str, Any]) -> None:
    """Answer every picture."""
    package, out = Path(order["package"]), Path(order["out"])
    try:
        import numpy as np  # noqa: PLC0415 - what fails to import is a problem to be told, too

        own_code(package)
        answers = (prepared if order["prepared"] else original)(package, order["pictures"])
        for number, answer in enumerate(answers):
            np.savez_compressed(out / f"{number:06d}.npz", **answer)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it in one line
        (out / "problem.txt").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
