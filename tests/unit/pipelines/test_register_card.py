"""The model card says what the model is, how good it is with counts and intervals, and what to mind."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.register import Params, card, registry, rules
from pipelines.register.gate import decide
from pipelines.register.judgement import Check, Code, Decision, Evidence, Figure
from pipelines.register.lineage import Lineage
from stages.judge import degenerate, meaning
from tests.markdown import NAMES, parsed, shape, unwanted

RULES = {
    "name": "shapes",
    "metric": "accuracy",
    "min_quality": 0.8,
    "judged_by": "low",
    "max_drop": 0.0,
    "max_class_drop": None,
    "allow_undecided": True,
    "allow_degenerate": False,
    "code": "clean",
    "incomparable_champion": "refuse",
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


def said_of(*faults: dict[str, Any], metric: str = "accuracy", asked: tuple[str, ...] = ("accuracy",)) -> dict[str, Any]:
    """Return what evidence holds of the faults that an evaluation lists."""
    content = {"degenerate": list(faults), "degenerate_asked": list(asked)}
    return {"degenerate": degenerate.of(content, metric), "degenerate_by": content}


def facts(dirty: str = "true", num_classes: int = 2) -> card.Facts:
    figure = Figure(0.9, 0.85, 0.93, 200)
    many = {f"class {number:04d}": Figure(number / 1000, 0.0, 1.0, 5) for number in range(2, num_classes)}
    classes = {"cat": Figure(None, n=0), "dog": Figure(0.8, n=3), **many}
    evidence = Evidence("accuracy", figure, "FAIL", "t" * 64, classes, figures={"accuracy": figure}, **said_of())
    origin = Lineage("c" * 40, dirty, "l" * 64, *[{"data/preprocessed": "1234.dir"}] * 2)
    return card.Facts(
        task="classify",
        name="shapes-classify",
        evidence=evidence,
        decision=decide(evidence, None, Params(**RULES), Code(clean=True, reason="all 9 files of code equal the commit")),
        origin=origin,
        model=MODEL | {"classes": list(classes)},
        audit={"reasons": ["night is 20 points below day"]},
        params={},
        counts={"train": 100, "val": 20, "test": 200},
        class_figure="F1",
        groups=[{"group by": "light", "worst groups": "night", "accuracy": "0.700"}],
    )


def test_the_card_holds_what_a_reviewer_asks():
    """Classes, counts, hash, commit, policy, figures with interval and n, verdict and why, limits, how to load."""
    text = card.render(facts())
    for words in (
        "**2 classes:** cat, dog", "pictures of 96 x 64 px", "accuracy   0.900   0.850 to 0.930   200",
        "class   F1          n", "cat     undefined   0", "dog     0.800       3",
        "100 train, 20 val, 200 test", "`data/preprocessed`: `1234.dir`", "commit cccccccccccc **with uncommitted changes**",
        "Augmentation: hue, HorizontalFlip", "## Audit: FAIL", "night is 20 points below day",
        "light      night          0.700",
        "- code: yes: all 9 files of code equal the commit",
        "not passed: challenger only", "Intended use and limits", 'load_model("models:/shapes-classify/VERSION")',
    ):  # fmt: skip
        assert words in text


def test_the_card_says_what_made_the_units_and_which_classes_no_training_example_shows():
    """The column or near copies, where several pictures are one draw; of many such classes the first."""
    assert "made by near copies: one unit is one draw" in card.render(replace(facts(), units="near copies"))
    assert "Units of pictures" not in card.render(facts())
    assert "No training example" not in card.render(facts())
    unseen = {"no_example": ["a_b", *map(str, range(21))]}
    assert "**No training example** of a\\_b, 0, 1" in (text := card.render(replace(facts(), model=MODEL | unseen)))
    assert ", 18 and 2 more: the model" in text


def test_a_transform_that_is_never_drawn_is_not_named():
    """One of probability 0, and all in a choice of probability 0; of models of before, the copies' without copies."""
    flip, hue = ({"__class_fullname__": name, "p": 0.5} for name in ("Flip", "Hue"))
    inner = {"__class_fullname__": "OneOf", "p": 0, "transforms": [flip]}
    assert card.policy({"online": {"transforms": [inner, hue, {**flip, "p": 0.0}]}}) == "Hue"
    made = {"copies": 0, "balance": "none", "offline": {"transforms": [flip]}, "online": {"transforms": [hue]}}
    assert card.policy(made) == "Hue"
    assert card.policy(made | {"copies": 1}) == card.policy(made | {"num_copies": 3}) == "Flip, Hue"


def test_what_a_reader_must_know_stands_below_the_figures():
    """A note stands beside the figures that it is about, and a figure says how many pictures hold its units."""
    many = Figure(0.5, 0.4, 0.6, 900, 4)
    found = facts()
    told = replace(found, notes=["2 test pictures hold more."], evidence=replace(found.evidence, figures={"miou": many}))
    text = card.render(told)
    assert text.index("900 in 4 pictures") < text.index("2 test pictures hold more.") < text.index("## Gate")
    assert str(many) == "0.500 [0.400, 0.600], n = 900 in 4 pictures"


def test_a_verdict_stands_beside_its_limits():
    made = facts()
    limits = {"max_gap": 0.234, "min_worst_group": 0.8, "min_group": 10, "alpha": 0.05, "leave_out": ["id"]}
    text = card.render(replace(made, audit={"reasons": [], "settings": limits}))
    assert (
        "gaps of 23.4 points out of 100 between groups, no group below 80; groups of 10 or more pictures that hold" in text
    )
    assert "columns left out: id." in text
    in_units = card.render(replace(made, units="near copies", audit={"reasons": [], "settings": limits}))
    assert "groups of 10 or more units that hold what a figure is read from are compared; chance" in in_units
    assert "Allowed:" not in card.render(made)  # an audit of before does not say


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "UNDECIDED"])
def test_the_card_says_what_a_verdict_means(verdict: str):
    """FAIL may be by the floor alone, UNDECIDED by much else than too few pictures: the report's own text says both."""
    made = facts()
    text = card.render(replace(made, evidence=replace(made.evidence, verdict=verdict)))
    assert meaning.VERDICTS in text
    assert "served unequally" not in text


def test_what_was_not_audited_stands_on_card_and_tag():
    """With the permission that lets it pass, each reason in a line; a long list is cut for the tag, never on the card."""
    found = facts()
    lines = ["everything: the data set has no group column", "too few pictures to tell: accuracy by light"]
    undecided = replace(found.evidence, verdict="UNDECIDED", left_open=lines)
    text = card.render(replace(found, evidence=undecided, params={"allow_undecided": True}))
    assert "**Not audited, or not decided (allow_undecided lets it pass):**\n\n- everything: the data set has no" in text
    assert card.tags(replace(found, evidence=undecided), {})["not_audited"] == "; ".join(lines)
    assert card.tags(found, {})["not_audited"] == "nothing"
    assert "Not audited" not in card.render(found)
    many = replace(found, evidence=replace(undecided, left_open=[f"reason {n}: x" for n in range(300)]))
    assert len(card.tags(many, {})["not_audited"]) == card.MAX_OPEN
    assert "reason 299" in card.render(many)


def test_cells_never_touch_where_markdown_tables_have_no_style():
    """MLflow's page draws tables without gaps: every table is a block of code whose cells stand under their heads."""
    text = card.render(facts())
    assert "|" not in text
    assert text.count("```text") == 3
    for block in re.findall(r"```text\n(.*?)\n```", text, re.DOTALL):
        head, *rows = block.splitlines()
        starts = [m.start() for m in re.finditer(r"(?:(?<=^)|(?<=   ))\S", head)]
        for row in rows:
            assert all(start == 0 or row[start - 3 : start].strip() == "" for start in starts), block


def test_the_numbers_stand_first_and_survive_the_cut():
    """With a thousand classes the description of 5,000 characters holds figures, verdict, gate; no block is left open."""
    text = card.render(facts(num_classes=1000))
    short = registry.shorten(text * 3)
    assert text.index("accuracy   0.900") < 500
    assert len(text) < registry.MAX_DESCRIPTION
    assert "Audit: **FAIL**. Gate: **challenger only**" in text.split("##")[0]
    assert "980 more classes, none lower" in text
    assert len(short) <= registry.MAX_DESCRIPTION
    assert short.count("\n```") % 2 == 0
    for cut in range(len(text), len(text) + 400, 7):
        assert registry.shorten("x\n" * ((5400 - cut) // 2) + text + "y\n" * 3000).count("\n```") % 2 == 0


@pytest.mark.parametrize(
    ("dirty", "said", "silent"),
    [
        ("true", "with uncommitted changes", "code state unknown"),
        ("unknown", "code state unknown", "with uncommitted changes"),
        ("a word of tomorrow", "code state unknown", "with uncommitted changes"),
        ("false", "Code: commit cccccccccccc.", "code state unknown"),
    ],
)
def test_code_that_nobody_vouches_for_never_reads_as_clean(dirty, said, silent):
    """Unknown is said as clearly as changed, in the first lines and under the data."""
    text = card.render(facts(dirty))
    assert said in text.split("##")[0]
    assert silent not in text


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


def hostile(name: str) -> card.Facts:
    """Return facts in which everything that data or parameters name has this name."""
    known = facts()
    figure = Figure(0.9, 0.85, 0.93, 200)
    found = replace(
        known.evidence,
        metric=name,
        classes={name: figure},
        figures={name: figure},
        **said_of(*({"kind": name, "reason": name, "figures": [one]} for one in (name, f"{name}{name}")), metric=name),
        left_open=[name],
    )
    model = {key: {"name": name} for key in ("backbone", "head", "tuning")}
    return replace(
        known,
        name=name,
        evidence=found,
        decision=Decision(
            (Check("classes", holds=False, reason=f"fell by more than 0.1: {name} by 0.200"), Check(name, True, name))
        ),
        origin=replace(known.origin, trained_on={f"data/{name}": name}),
        model={**MODEL, **model, "name": name, "classes": [name, name], "policy": {"online": [{"name": name}]}},
        audit={"reasons": [name, f"setting: accuracy is 70.0 for {name} and 90.0 for {name}, a gap."]},
        groups=[{"group by": name, "worst groups": name, name: "0.700"}],
        class_figure=name,
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_name_makes_anything_of_the_card(name):
    """With hostile names the page has the blocks that it has with plain ones, and no link, picture or HTML."""
    tokens, plain = parsed(card.render(hostile(name))), parsed(card.render(hostile("cat")))
    assert shape(tokens) == shape(plain)
    assert not unwanted(tokens)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \n\t\x1b\\`*_{}[]()<>#+-.!|~&:@/=1\u2028"), min_size=1, max_size=30).filter(str.strip))
def test_no_text_makes_anything_of_the_card(name):
    """The same for names of any signs."""
    tokens = parsed(card.render(hostile(name)))
    assert shape(tokens) == shape(parsed(card.render(hostile("cat"))))
    assert not unwanted(tokens)


def test_tags_name_commit_data_and_verdict():
    """Every tag is text; data hashes stand under ``data.``, source runs under ``run.``."""
    tags = card.tags(facts(), {"finetune": "r1"})
    assert tags["commit"] == "c" * 40
    assert tags["commit_dirty"] == "true"
    assert tags["data.data/preprocessed"] == "1234.dir"
    odd = replace(facts(), origin=replace(facts().origin, data={"data/mine (2)": "5678.dir"}))
    assert "data.data/mine _2_-" in "".join(card.tags(odd, {}))  # MLflow takes no brackets
    assert tags["run.finetune"] == "r1"
    assert tags["metric.accuracy"] == "0.900 [0.850, 0.930], n = 200"
    assert all(isinstance(value, str) for value in tags.values())


def test_the_first_line_is_what_a_list_of_versions_shows():
    """Verdict and headline figure come before anything else."""
    assert card.render(facts()).splitlines()[0] == "FAIL, accuracy 0.900 [0.850, 0.930], n = 200, challenger only"


def test_how_to_load_names_the_very_version():
    """An alias may have moved by the time that somebody reads it; in the package the number is not known yet."""
    text = card.render(replace(facts(), version="7"))
    assert text.count("models:/shapes-classify/7") == 2
    assert "VERSION" not in text
    assert "@challenger" not in text
    assert "VERSION: its number in the registry" in card.render(facts())


def test_intervals_have_a_column_where_there_are_any():
    """The classes' figure is named by the head of its column; an empty column says nothing."""
    text = card.render(facts(num_classes=3))
    assert "class        F1          95 % interval    n" in text
    assert "class   F1          n\n" in card.render(facts())


def test_rules_that_are_not_the_commit_s_stand_on_card_and_version(tmp_path):
    """A floor that was lowered without a commit, by hand or by an experiment of DVC, is named with both values."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    raw = {"seed": 1, "tasks": {"classify": {}}, "register": {"classify": {"min_quality": 0.8, "code": "clean"}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert rules.changed(tmp_path, commit, "classify", {}, raw) == ()
    now = {"seed": 2, "tasks": {"classify": {}}, "register": {"classify": {"min_quality": 0.3, "code": "clean"}}}
    found = rules.changed(tmp_path, commit, "classify", {}, now)
    assert found == ("register.classify.min_quality 0.8 -> 0.3",)
    told = replace(facts(), rules=found, experiment="fried-weep")
    assert card.tags(told, {})["rules_changed"] == "register.classify.min_quality 0.8 -> 0.3"
    assert card.tags(told, {})["dvc_experiment"] == "fried-weep"
    assert "not the rules of the commit" in card.render(told)
    assert "not the rules of the commit" not in card.render(facts())
    assert {"rules_changed", "dvc_experiment"}.isdisjoint(card.tags(facts(), {}))


def test_the_card_calls_nothing_unseen_that_was_learnt_from():
    """Where units or copies of test pictures are learnt from, the heading does not say that no training has seen them."""
    assert "## Figures on the test split, which no training has seen\n" in card.render(facts())
    text = card.render(replace(facts(), torn=True))
    assert "## Figures on the test split\n" in text
    assert "no training has seen" not in text


@pytest.mark.parametrize("commit", ["a" * 12, "unknown"])
def test_rules_of_a_commit_that_git_does_not_know_stand_as_unknown(commit):
    """The card does not say that they were changed, nor that they were not."""
    found = rules.changed(Path(), commit, "a", {}, {})
    assert found == (f"unknown: git does not give params.yaml of commit {commit}",)
    text = card.render(replace(facts(), rules=found))
    assert "whether these are the rules of the commit" in text
    assert "not the rules of the commit" not in text
