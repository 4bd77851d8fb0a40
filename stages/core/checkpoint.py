"""Models on disk: weights as safetensors, and a card with all that is needed to build them again.

Equal content gives equal bytes: safetensors orders tensors by type and name and writes no time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.core import files, parts
from stages.core.compute import floats
from stages.core.errors import DataError
from stages.core.pixels import Pixels, of

if TYPE_CHECKING:
    import torch

CARD = "model.json"
FORMAT = 1
CLASSES = {"classify": "labels", "detect": "categories", "instance": "categories", "segment": "mask_classes"}
BATCH = 16
ALONE = ("instance",)  # 100 masks of 1024 x 1024 take 0.4 GB while they are pasted
Prediction = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Trained:
    """A model as it was trained, ready to predict.

    Attributes:
        card: the content of ``model.json``: ``task``, ``classes``, ``size_px``, ``pixels``, ``backbone``, ``head``,
            ``recipe``, ``policy`` ...
        model: the head on its backbone, in evaluation mode.
        device: where it lies.
    """

    card: dict[str, Any]
    model: Any
    device: str

    @property
    def pixels(self) -> Pixels:
        """What its pictures hold."""
        return of(self.card.get("pixels"))

    def predict(self, images: Sequence[NDArray[Any]]) -> list[Prediction]:
        """Predict for preprocessed pictures, in float32 so that every machine answers alike.

        Args:
            images: (H, W, C) each, of the kind that the model was trained on (``pixels``); sizes may differ.

        Returns:
            One dictionary per picture, in the order given; its form is in ``docs/data.md``.

        Raises:
            DataError: a picture is of another kind.
        """
        found: dict[int, Prediction] = {}
        sizes: dict[tuple[int, ...], list[int]] = {}
        kind = self.pixels
        for index, image in enumerate(images):
            sizes.setdefault(kind.check(image, f"picture {index}").shape, []).append(index)
        for indices in sizes.values():
            step = at_once(self.card["task"])
            for start in range(0, len(indices), step):
                some = indices[start : start + step]
                found.update(zip(some, self._predict([images[i] for i in some]), strict=True))
        return [found[index] for index in range(len(images))]

    def _predict(self, images: list[NDArray[Any]]) -> list[Prediction]:
        import torch  # noqa: PLC0415 - heavy; only those who compute need it

        batch = floats(torch.from_numpy(np.stack(images)).to(self.device))
        with torch.inference_mode():
            answers = self.model.predict(batch)
        return [to_numpy(answer) for answer in answers]


def at_once(task: str) -> int:
    """Return how many pictures a task's model answers together: of instances one, since each mask is a whole picture."""
    return 1 if task in ALONE else BATCH


def load(folder: Path, which: str = "best", device: str = "auto") -> Trained:
    """Build a model from its folder.

    Args:
        folder: holds ``model.json`` and ``<which>.safetensors``.
        which: ``best``, ``last`` or, for ``classify``, ``scratch``.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        DataError: a file is missing or does not fit the card.
    """
    import torch  # noqa: PLC0415 - heavy; only those who compute need it

    card = files.read_json(folder / CARD)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build(card)
    fill(model, folder / f"{which}.safetensors")
    return Trained(card, model.to(device).eval(), device)


def build(card: Mapping[str, Any], seed: int = 0) -> Any:
    """Return the model that a card describes, its weights random.

    Args:
        card: the content of ``model.json``.
        seed: of the backbone's weights; whoever loads them over needs none.

    Raises:
        DataError: the card is of another format or lacks an entry.
        ParamsError: it names a part that this version lacks.
    """
    if card.get("format") != FORMAT:
        raise DataError(f"{CARD} has format {card.get('format')!r}; this version reads {FORMAT}; train the model again")
    backbone = _part("backbones", card["backbone"]).build(seed=seed, pretrained=False, pixels=of(card.get("pixels")))
    size = (int(card["size_px"][0]), int(card["size_px"][1]))
    num = len(card["classes"])
    return _part("heads", card["head"]).build(backbone=backbone, num_classes=num, size_px=size)


def _part(family: str, entry: Mapping[str, Any]) -> parts.Choice:
    module = parts.load(family, entry["name"], f"{CARD}: {family}")
    return parts.Choice(family, entry["name"], module.Params.model_validate(entry["params"]), module)


def describe(choice: parts.Choice) -> dict[str, Any]:
    """Return a part's entry in a card: its name and parameters."""
    return {"name": choice.name, "params": choice.params.model_dump(mode="json")}


def save(path: Path, state: Mapping[str, "torch.Tensor"]) -> None:
    """Write a state dict as safetensors, whole or not at all; equal content gives equal bytes."""
    from safetensors.torch import save_file  # noqa: PLC0415 - brings torch

    with files.atomic(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in sorted(state.items())}, temporary)


def read(path: Path) -> dict[str, "torch.Tensor"]:
    """Read a state dict.

    Raises:
        DataError: the file is missing or broken.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - brings torch
    from safetensors.torch import load_file  # noqa: PLC0415 - brings torch

    if not path.is_file():
        known = ", ".join(sorted(p.name for p in path.parent.glob("*.safetensors"))) or "none"
        raise DataError(f"{path} is missing; run the stage that writes it (dvc repro). Found there: {known}")
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def fill(module: "torch.nn.Module", path: Path) -> None:
    """Load a module's weights from a file.

    Raises:
        DataError: the file is missing, broken or of another model.
    """
    try:
        module.load_state_dict(read(path))
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise DataError(f"{path} does not fit the model that is to be built: {first}") from error


def to_numpy(answer: Mapping[str, "torch.Tensor"]) -> Prediction:
    """Turn one prediction into numpy arrays."""
    return {name: value.detach().cpu().numpy() for name, value in answer.items()}
