"""Instance segmentation: as detection, by masks; the boxes' average precision beside it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from stages.core.dataset import Dataset
from stages.core.params import Params as Base
from stages.parts.evaluators._objects import Objects


class Params(Base):
    """What counts as said.

    Attributes:
        min_score: detections below it are left out of recall, confusion matrix and gallery, never out of the average
            precision.
    """

    min_score: Annotated[float, Field(ge=0, le=1)]


def build(params: Params, data: Dataset, folder: Path) -> Objects:
    """Return the evaluator of all pictures of the test split, those without objects among them."""
    return Objects(data, folder, params.min_score, masks=True)
