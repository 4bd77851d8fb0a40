"""The training loop: schedule, stopping, choosing the best, and errors a person can read."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.core import training
from stages.core.compute import Machine
from stages.core.errors import RawlineError
from stages.core.stage import Metrics
from stages.core.training import Budget, Plan

BUDGET = {
    "epochs": 6, "batch_size": 4, "optimizer": "adamw", "learning_rate": 0.05, "weight_decay": 0.0, "warmup_epochs": 1.0,
    "clip_norm": 10.0,
}  # fmt: skip


def plan(work: Path, figures: list[float] | None = None, **changes: object) -> Plan:
    """Fit y = x w on fixed data; the watched figure is given or minus the loss."""
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    y = x @ torch.tensor([1.0, -2.0, 0.5])

    def judge(model: torch.nn.Module, epoch: int) -> dict[str, float]:
        with torch.no_grad():
            loss = float(((model(x)[:, 0] - y) ** 2).mean())
        return {"val/score": figures[epoch - 1] if figures else -loss}

    values = {
        "budget": Budget(**{**BUDGET, **changes.pop("budget", {})}),
        "machine": Machine("cpu", bf16=False),
        "seed": 1,
        "num_batches": 3,
        "batches": lambda epoch: ((x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)),
        "loss": lambda model, batch, seed: {
            "square": ((model(batch[0])[:, 0] - batch[1]) ** 2).mean() + 0 * torch.rand(1)[0]
        },
        "judge": judge,
        "watch": "val/score",
        "patience": 0,
        "work": work,
        "key": "a",
        "what": "a test",
    }
    return Plan(**{**values, **changes})


def run(plan: Plan, stop_after: int | None = None) -> tuple[torch.nn.Module, training.History | None, list[object]]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    loop, records = training.train(model, [{"params": list(model.parameters()), "scale": 1.0}], plan), []
    while True:
        try:
            records.append(next(loop))
        except StopIteration as end:
            return model, end.value, records
        if stop_after and len([r for r in records if isinstance(r, Metrics)]) > stop_after:
            loop.close()  # after the next epoch's state was written, as a kill between two epochs
            return model, None, records


def test_it_learns_and_yields_a_curve(tmp_path: Path) -> None:
    """The loss falls, each epoch gives one step of the curve, the best is the best seen."""
    model, history, records = run(plan(tmp_path, budget={"epochs": 30}))
    curve = [r for r in records if isinstance(r, Metrics)]
    assert [r.step for r in curve] == list(range(1, 31))
    assert curve[-1].values["train/loss"] < 0.2 * curve[0].values["train/loss"]
    assert history is not None
    assert history.best_value == max(r.values["val/score"] for r in curve)
    assert set(history.best) == set(model.state_dict())


def test_the_best_epoch_keeps_its_own_weights(tmp_path: Path) -> None:
    """The first of two equal maxima wins, and later steps do not change the kept weights."""
    model, history, _ = run(plan(tmp_path, figures=[1, 3, 2, 3, 0, 0]))
    assert history is not None
    assert history.best_epoch == 2
    assert not torch.equal(history.best["weight"], model.state_dict()["weight"])


def test_patience_stops(tmp_path: Path) -> None:
    """After two epochs without a better figure the training ends, and says so by its length."""
    _, history, _ = run(plan(tmp_path, figures=[1, 3, 2, 3, 9, 9], patience=2))
    assert history is not None
    assert len(history.rows) == 4


def test_an_undefined_figure_never_wins(tmp_path: Path) -> None:
    """NaN is no best; when all are NaN the first epoch's weights are kept rather than none."""
    _, history, records = run(plan(tmp_path, figures=[math.nan, 1, math.nan, 0.5, 0, 0]))
    assert history is not None
    assert history.best_epoch == 2
    assert "val/score" not in records[0].values
    _, history, _ = run(plan(tmp_path / "b", figures=[math.nan] * 6))
    assert history is not None
    assert history.best


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("stop_after", [2, 4])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path, optimizer: str, stop_after: int) -> None:
    """Killed after any epoch and run again, weights, best and curve are those of the uninterrupted run, exactly."""
    budget = {"optimizer": optimizer}
    whole, history, records = run(plan(tmp_path / "whole", budget=budget))
    run(plan(tmp_path / "parts", budget=budget), stop_after)
    calls = []
    again = plan(tmp_path / "parts", budget=budget)
    batches = again.batches
    again = Plan(**{**again.__dict__, "batches": lambda epoch: calls.append(epoch) or batches(epoch)})
    resumed, history_b, records_b = run(again)
    assert calls == list(range(calls[0], 7))
    assert calls[0] > stop_after
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert history is not None
    assert history_b is not None
    assert history.rows == history_b.rows
    assert torch.equal(history.best["weight"], history_b.best["weight"])
    assert [r for r in records if isinstance(r, Metrics)] == [r for r in records_b if isinstance(r, Metrics)]


def test_another_trainings_state_is_not_taken(tmp_path: Path) -> None:
    """A state made from other inputs is ignored: the result is that of a fresh run."""
    run(plan(tmp_path / "a", key="other", budget={"learning_rate": 0.001}))
    stale, _, _ = run(plan(tmp_path / "a"))
    fresh, _, _ = run(plan(tmp_path / "b"))
    assert all(torch.equal(a, b) for a, b in zip(stale.parameters(), fresh.parameters(), strict=True))


def test_a_loss_that_is_not_finite_stops_with_one_line(tmp_path: Path) -> None:
    """The message names the training, the term, epoch and step, the learning rate and what to try."""
    bad = plan(tmp_path, loss=lambda model, *_: {"square": model(torch.full((1, 3), math.inf)).sum()})
    with pytest.raises(RawlineError, match=r"a test: the loss 'square' is .* in epoch 1, step 0; learning_rate is 0.05"):
        run(bad)


@given(st.floats(0, 5), st.floats(0, 50))
def test_the_rate_stays_between_zero_and_one(warmup: float, epoch: float) -> None:
    """The factor is in [0, 1], 0 at the end, and never rises after the warm-up."""
    value = training.factor(epoch, warmup, 50)
    assert 0 <= value <= 1
    assert training.factor(50, warmup, 50) == pytest.approx(0, abs=1e-12)
    if epoch >= warmup:
        assert training.factor(min(epoch + 0.5, 50), warmup, 50) <= value + 1e-12


def test_norms_and_biases_do_not_decay() -> None:
    """Weight decay falls on matrices alone; scales multiply the rate of their group."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    groups = [{"params": list(net.parameters()), "scale": 0.5}]
    optimizer = training.make_optimizer(groups, Budget(**{**BUDGET, "weight_decay": 0.1}))
    decays = {tuple(p.shape): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decays == {(3, 2): 0.1, (3,): 0.0}
    training.rate(optimizer, Budget(**BUDGET), 1.0)
    assert {g["lr"] for g in optimizer.param_groups} == {0.025}
