"""The model card says what the model is, how good it is with counts and intervals, and what to mind."""

from pipelines.register import Params, card, registry
from pipelines.register.gate import Evidence, Figure, decide
from pipelines.register.lineage import Lineage

RULES = {
    "name": "shapes",
    "metric": "accuracy",
    "min_quality": 0.8,
    "judged_by": "low",
    "max_drop": 0.0,
    "max_class_drop": None,
}
MODEL = {
    "name": "shapes",
    "classes": ["cat", "dog"],
    "size_px": [64, 96],
    "backbone": {"name": "resnet18"},
    "head": {"name": "linear"},
    "tuning": {"name": "full"},
    "policy": {"online": [{"name": "hue"}, {"transform": {"__class_fullname__": "HorizontalFlip"}}]},
}


def facts() -> card.Facts:
    figure = Figure(0.9, 0.85, 0.93, 200)
    evidence = Evidence(
        "accuracy", figure, "FAIL", "t" * 64, {"cat": Figure(None), "dog": Figure(0.8, n=3)}, figures={"accuracy": figure}
    )
    origin = Lineage("c" * 40, "true", "l" * 64, {"data/preprocessed": "1234.dir"})
    return card.Facts(
        task="classify",
        name="shapes-classify",
        evidence=evidence,
        decision=decide(evidence, None, Params(**RULES, allow_undecided=True)),
        origin=origin,
        model=MODEL,
        audit={"reasons": ["night is 20 points below day"]},
        params={},
        counts={"train": 100, "val": 20, "test": 200},
        groups=[{"group by": "light", "worst groups": "night", "accuracy": "0.700"}],
    )


def test_the_card_holds_what_a_reviewer_asks():
    """Classes, counts, hash, commit, policy, figures with interval and n, verdict and why, limits, how to load."""
    text = card.render(facts())
    for words in (
        "**2 classes:** cat, dog", "pictures of 96 x 64 px", "| accuracy | 0.900 | 0.850 to 0.930 | 200 |",
        "| cat | undefined |  |  |",
        "100 train, 20 val, 200 test", "`data/preprocessed`: 1234.dir", "commit cccccccccccc with uncommitted changes",
        "Augmentation: hue, HorizontalFlip", "## Audit: FAIL", "night is 20 points below day", "| light | night | 0.700 |",
        "not passed: challenger only", "Intended use and limits", 'load_model("models:/shapes-classify@challenger")',
    ):  # fmt: skip
        assert words in text


def test_the_card_is_the_same_for_the_same_facts():
    """It names no time, host or run."""
    assert card.render(facts()) == card.render(facts())


def test_a_long_card_is_cut_at_a_line():
    """The registry's description has a limit; what is cut says where the whole card is."""
    long = "\n".join(f"line {number}" for number in range(2000))
    short = registry.shorten(long)
    assert len(short) <= registry.MAX_DESCRIPTION
    assert "MODEL_CARD.md" in short
    kept = short.split("\n\n")[0].splitlines()
    assert kept == long.splitlines()[: len(kept)]


def test_tags_name_commit_data_and_verdict():
    """Every tag is text; data hashes stand under ``data.``, source runs under ``run.``."""
    tags = card.tags(facts(), {"finetune": "r1"})
    assert tags["commit"] == "c" * 40
    assert tags["commit_dirty"] == "true"
    assert tags["data.data/preprocessed"] == "1234.dir"
    assert tags["run.finetune"] == "r1"
    assert tags["metric.accuracy"] == "0.900 [0.850, 0.930], n = 200"
    assert all(isinstance(value, str) for value in tags.values())
