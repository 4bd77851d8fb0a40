"""Puts a judged model into the MLflow registry; champion only through the gate.

In: the finetuned model, its evaluation and its audit. Out: a registered version (a pyfunc that takes an image) with its
model card, its aliases, and the receipt ``data/registered/<task>.json``.
It has the form of a stage, but it talks to MLflow and therefore lives here.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stages.core.params import Params as Base
from stages.core.stage import Job, Record

Share = Annotated[float, Field(ge=0, le=1)]


class Params(Base):
    """What the model is called, and what a version must show to become champion.

    Attributes:
        name: of the data set; with the task it names the registered model.
        metric: headline figure of the evaluation that is judged, for instance ``accuracy``.
        min_quality: quality floor, 0 to 1.
        judged_by: whether the floor holds for the figure's ``value`` or for the ``low`` end of its interval.
        max_drop: how far the figure may lie below the champion's and the best former one's on the same test data, 0 to 1.
        max_class_drop: how far each class may lie below the champion's and below the best of any former one; null judges no
            class.
        allow_undecided: whether a model whose audit says UNDECIDED may become champion.
        allow_degenerate: whether a model whose evaluation says nothing (``stages/judge/degenerate.py``) may become champion;
            for exploration, and the version says so.
        code: ``clean`` lets only a model become champion whose code is known and equals a commit; ``any`` is for
            exploration, and the version says so.
        incomparable_champion: what happens where the champion cannot be judged on the present test data (other classes,
            a model of another tool): ``refuse`` keeps it, ``replace`` lets the new one take its place.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    metric: str
    min_quality: Share
    judged_by: Literal["value", "low"]
    max_drop: Share
    max_class_drop: Share | None
    allow_undecided: bool
    allow_degenerate: bool
    code: Literal["clean", "any"]
    incomparable_champion: Literal["refuse", "replace"]


def run(job: Job[Params]) -> Iterator[Record]:
    """Register a task's model and write the receipt.

    Raises:
        DataError: the model, its evaluation or its audit is missing or broken.
        ParamsError: the evaluation has no figure of that name.
        InfrastructureError: MLflow is out of reach.
    """
    from pipelines.register.steps import register  # noqa: PLC0415 - mlflow takes seconds; reading Params must not

    yield from register(job)
