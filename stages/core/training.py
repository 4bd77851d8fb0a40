"""The training loop: warm-up and cosine, best and last weights, and a state to go on from after a kill.

Every random draw follows from (seed, epoch, step), so a run that is resumed after any epoch gives the uninterrupted
run's bytes, and no generator's state has to be kept.
"""

import math
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stages.core import files
from stages.core.compute import Machine, seeded
from stages.core.errors import RawlineError
from stages.core.params import Params
from stages.core.seeds import derive
from stages.core.stage import Metrics, Progress

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

STATE = "state.pt"
Losses = dict[str, "Tensor"]


class Budget(Params):
    """How long and how fast to learn.

    Attributes:
        epochs: passes over the training pictures.
        batch_size: the most pictures in one step.
        optimizer: ``adamw`` or ``sgd`` (Nesterov, momentum 0.9).
        learning_rate: the highest, reached after the warm-up; then a cosine to zero.
        weight_decay: on matrices and filters, not on biases and norms.
        warmup_epochs: epochs of linear rise; may be a fraction.
        clip_norm: the most the gradient's norm may be.
    """

    epochs: Annotated[int, Field(ge=0)]
    batch_size: Annotated[int, Field(ge=1)]
    optimizer: Literal["adamw", "sgd"]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_epochs: Annotated[float, Field(ge=0)]
    clip_norm: Annotated[float, Field(gt=0)]


@dataclass
class History:
    """What a training has seen so far.

    Attributes:
        rows: one dictionary of numbers per epoch, ``epoch`` (from 1) among them.
        best_epoch: the epoch whose watched figure was best; 0 before the first.
        best_value: that figure; higher is better.
        best: its weights.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = -math.inf
    best: dict[str, "Tensor"] = field(default_factory=dict)

    def note(self, row: dict[str, float], watch: str | None, model: "nn.Module") -> None:
        """Add an epoch; keep its weights if it is the best so far (the last one when nothing is watched)."""
        self.rows.append(row)
        value = row.get(watch, math.nan) if watch else float(row["epoch"])
        if value > self.best_value or not self.best:
            self.best_epoch, self.best_value = int(row["epoch"]), value if value == value else -math.inf  # noqa: PLR0124 - NaN
            self.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@dataclass(frozen=True)
class Plan:
    """A training, all but the weights.

    Attributes:
        budget: how long and how fast.
        machine: where.
        seed: of all its draws.
        num_batches: steps in an epoch.
        batches: gives an epoch's batches.
        loss: gives a batch's named terms from the model, the batch and a seed of the step.
        judge: measures the model after an epoch.
        watch: the measured figure that chooses the best epoch, higher is better; None takes the last.
        patience: epochs without a better figure before the training stops; 0 never stops early.
        work: folder of the state to go on from.
        key: what the state must have been made from; another state is thrown away.
        what: name of the training, for records.
    """

    budget: Budget
    machine: Machine
    seed: int
    num_batches: int
    batches: Callable[[int], Iterable[Any]]
    loss: Callable[["nn.Module", Any, int], Losses]
    judge: Callable[["nn.Module", int], dict[str, float]]
    watch: str | None
    patience: int
    work: Path
    key: str
    what: str


def train(model: "nn.Module", groups: list[dict[str, Any]], plan: Plan) -> Generator[Metrics | Progress, None, History]:
    """Train in place; yield each epoch's figures; return the history with the best weights.

    Epochs found in ``plan.work`` are not trained again; their figures are yielded again, so that each record is complete.

    Args:
        model: on its device; left with the last epoch's weights.
        groups: parameter groups with ``scale``; see ``stages/parts/tuning``.
        plan: everything else.

    Raises:
        RawlineError: the loss is not finite.
    """
    optimizer = make_optimizer(groups, plan.budget)
    history = resume(model, optimizer, plan)
    total = plan.budget.epochs
    for row in history.rows:
        yield _metrics(row)
    for epoch in range(len(history.rows) + 1, total + 1):
        if _tired(history, plan):
            break
        row = {"epoch": float(epoch), **_epoch(model, optimizer, plan, epoch)}
        model.eval()
        with seeded(derive(plan.seed, "judge")):
            row |= plan.judge(model, epoch)
        history.note(row, plan.watch, model)
        keep(model, optimizer, history, plan)
        yield _metrics(row)
        yield Progress(epoch, total, f"epochs of {plan.what}")
    return history


def _tired(history: History, plan: Plan) -> bool:
    return bool(plan.patience) and len(history.rows) - history.best_epoch >= plan.patience


def _metrics(row: dict[str, float]) -> Metrics:
    values = {name: value for name, value in row.items() if name != "epoch" and math.isfinite(value)}
    return Metrics(values, step=int(row["epoch"]))


def _epoch(model: "nn.Module", optimizer: "Optimizer", plan: Plan, epoch: int) -> dict[str, float]:
    """Train one epoch; return the mean of each term of the loss."""
    model.train()
    still(model)
    sums: dict[str, float] = {}
    with seeded(derive(plan.seed, "epoch", epoch)):
        for step, batch in enumerate(plan.batches(epoch)):
            rate(optimizer, plan.budget, epoch - 1 + (step + 0.5) / plan.num_batches)
            terms = _step(model, optimizer, plan, batch, derive(plan.seed, "step", epoch, step))
            _finite(terms, plan, epoch, step)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value / plan.num_batches
    parts = {f"train/loss_{name}": value for name, value in sums.items()} if len(sums) > 1 else {}
    return {"train/loss": sum(sums.values()), **parts, "rate": optimizer.param_groups[0]["lr"]}


def _step(model: "nn.Module", optimizer: "Optimizer", plan: Plan, batch: Any, seed: int) -> dict[str, float]:
    """Take one step; return the terms of the loss before it."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    with plan.machine.autocast():
        terms = plan.loss(model, batch, seed)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(torch.stack(list(terms.values())).sum())
    torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], plan.budget.clip_norm)
    optimizer.step()
    return {name: float(value.detach()) for name, value in terms.items()}


def _finite(terms: dict[str, float], plan: Plan, epoch: int, step: int) -> None:
    bad = [name for name, value in terms.items() if not math.isfinite(value)]
    if bad:
        raise RawlineError(
            f"{plan.what}: the loss '{bad[0]}' is {terms[bad[0]]} in epoch {epoch}, step {step}; "
            f"learning_rate is {plan.budget.learning_rate}: try a lower one, or precision: fp32"
        )


def still(model: "nn.Module") -> None:
    """Keep the statistics of BatchNorm layers whose weights do not learn: they belong to the frozen block."""
    from torch import nn  # noqa: PLC0415 - heavy; only those who train need it

    for module in model.modules():
        is_norm = isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))
        if is_norm and module.weight is not None and not module.weight.requires_grad:
            module.eval()


def learns(groups: list[dict[str, Any]]) -> bool:
    """Tell whether there is a weight to learn in any group; an optimiser of none is none."""
    return any(p.requires_grad for group in groups for p in group["params"])


def make_optimizer(groups: list[dict[str, Any]], budget: Budget) -> "Optimizer":
    """Return the optimiser, weights divided into those that decay and those that do not."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    divided = []
    for group in groups:
        for decays in (True, False):
            some = [p for p in group["params"] if (p.ndim > 1) == decays]
            decay = budget.weight_decay if decays else 0.0
            divided.append({"params": some, "scale": group["scale"], "weight_decay": decay})
    kept = [group for group in divided if group["params"]]
    if budget.optimizer == "sgd":
        return torch.optim.SGD(kept, lr=budget.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(kept, lr=budget.learning_rate)


def rate(optimizer: "Optimizer", budget: Budget, epoch: float) -> None:
    """Set the learning rate at a point in time, in epochs from 0: linear warm-up, then cosine to zero."""
    for group in optimizer.param_groups:
        group["lr"] = budget.learning_rate * group["scale"] * factor(epoch, budget.warmup_epochs, budget.epochs)


def factor(epoch: float, warmup: float, epochs: float) -> float:
    """Return the share of the highest learning rate (Loshchilov & Hutter 2017, arXiv:1608.03983, one cycle).

    Example:
        >>> [round(factor(e, 1, 5), 2) for e in (0, 1, 3, 5)]
        [0.0, 1.0, 0.5, 0.0]
    """
    if epoch < warmup:
        return epoch / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (epoch - warmup) / max(epochs - warmup, 1e-9))))


def keep(model: "nn.Module", optimizer: "Optimizer", history: History, plan: Plan) -> None:
    """Write the state to go on from, whole or not at all."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    past = {"rows": history.rows, "best_epoch": history.best_epoch, "best_value": history.best_value, "best": history.best}
    state = {"key": plan.key, "model": model.state_dict(), "optimizer": optimizer.state_dict(), **past}
    with files.atomic(plan.work / STATE) as temporary:
        torch.save(state, temporary)


def resume(model: "nn.Module", optimizer: "Optimizer", plan: Plan) -> History:
    """Load the state of an earlier, killed run of the same training, if there is one."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    file = plan.work / STATE
    if not file.is_file():
        return History()
    state = torch.load(file, map_location=plan.machine.device, weights_only=True)
    if state["key"] != plan.key:
        return History()
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return History(state["rows"], state["best_epoch"], state["best_value"], state["best"])
