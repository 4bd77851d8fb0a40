"""What counts as said, for detect and instance alike."""

from typing import Annotated

from pydantic import Field

from stages.core.params import Params as Base
from stages.judge.average_precision import Rule


class Params(Base):
    """What counts as said.

    Attributes:
        min_score: detections below it are left out of recall, confusion matrix and gallery, never out of the average
            precision.
        max_detections: the surest detections of each class in each picture that count, for every figure; 100 is COCO's, null
            takes all. Objects of a class beyond that number in one picture cannot be found.
        average_precision: ``coco`` (101 recalls), ``voc2007`` (11 recalls) or ``voc2010`` (area under the curve); the two
            of VOC match as VOC does.
    """

    min_score: Annotated[float, Field(ge=0, le=1)]
    max_detections: Annotated[int, Field(ge=1)] | None
    average_precision: Rule
