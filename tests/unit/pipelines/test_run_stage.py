"""What a stage is given by the wrapper."""

from pathlib import Path

from pipelines.run_stage import load_job, work_folder
from stages.core import params as parameters

HOME = Path(__file__).parents[3]
SEEN = {"data/preprocessed": "1" * 32, "stages/pretrain.py": "2" * 32}


def test_a_checkpoint_is_found_again_for_the_same_work_alone() -> None:
    """Parameters, inputs and address name the folder: a training never goes on from what was made of other data."""
    raw = parameters.read(HOME / "params.yaml")
    job = load_job("pretrain", None, raw, HOME)[1]
    own = work_folder("pretrain", job, SEEN)
    assert work_folder("pretrain", job, dict(reversed(SEEN.items()))) == own
    raw["pretrain"]["epochs"] += 1
    longer = load_job("pretrain", None, raw, HOME)[1]
    others = [
        work_folder("pretrain", job, {**SEEN, "data/preprocessed": "3" * 32}),
        work_folder("pretrain", longer, SEEN),
        work_folder("pretrain@other", job, SEEN),
    ]
    assert len({own, *others}) == 4
