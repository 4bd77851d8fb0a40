"""An overlay changes what it names and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines import overlay
from stages.core import params as parameters
from stages.core.errors import ParamsError

BASE = """# Values only.
seed: 7
name: scenes          # of the data set

# The models.
tasks:
  classify: {head: linear}   # one
  detect: {head: faster_rcnn}

acquire:
  source: scenes
  matrix: [0.6722, -0.0635, -0.0963, -0.4287, 1.2460, 0.2028, -0.0908, 0.2162, 0.5668, 0.1234, 0.2345, 0.3456, 0.4567]
  scenes:
    num_images: 800     # enough
    bias: null
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return parameter file and overlay; the check of their values has its own tests."""
    monkeypatch.setattr(overlay, "check_all", lambda raw, workdir: None)
    (tmp_path / "params.yaml").write_text(BASE)
    return tmp_path / "params.yaml", tmp_path / "over.yaml"


def test_mappings_merge_tasks_are_replaced_and_comments_stay(files: tuple[Path, Path]) -> None:
    """The result reads as the sum of both; every line that is not named is byte for byte the same."""
    target, over = files
    over.write_text("name: bccd\ntasks:\n  detect: {head: other}\nacquire:\n  source: voc\n  voc: {path: x}\n")
    changes = overlay.use(over, target)
    after = parameters.read(target)
    assert after["tasks"] == {"detect": {"head": "other"}}
    assert after["acquire"]["scenes"] == {"num_images": 800, "bias": None}
    assert after["acquire"]["voc"] == {"path": "x"}
    assert (after["seed"], after["name"]) == (7, "bccd")
    assert "name: scenes -> bccd" in changes
    assert "acquire.source: scenes -> voc" in changes
    text = target.read_text()
    for line in ("# Values only.", "# The models.", "    num_images: 800     # enough", "    bias: null"):
        assert line in text
    assert next(row for row in BASE.splitlines() if "matrix" in row) in text


def test_using_it_twice_changes_nothing(files: tuple[Path, Path]) -> None:
    """The second time no line is reported and no byte differs."""
    target, over = files
    over.write_text("name: bccd\n")
    overlay.use(over, target)
    once = target.read_bytes()
    assert overlay.use(over, target) == []
    assert target.read_bytes() == once


def test_a_wrong_result_is_not_written(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The parameter file is as before when the sum of both is refused."""
    target, over = files

    def refuse(raw: object, workdir: object) -> None:
        raise ParamsError("no")

    monkeypatch.setattr(overlay, "check_all", refuse)
    over.write_text("name: bccd\n")
    with pytest.raises(ParamsError):
        overlay.use(over, target)
    assert target.read_text() == BASE


@pytest.mark.parametrize(("text", "told"), [
    ("pretrain: {epoch: 3}\n", "(OVER: pretrain.epoch)"),
    ("preprocess: {size_px: big}\n", "(OVER: preprocess.size_px)"),
    ("acquire: {source: voc}\n", "(params.yaml under OVER: acquire.voc."),
])  # fmt: skip
def test_a_fault_names_the_file_that_it_stands_in(tmp_path: Path, text: str, told: str) -> None:
    """Whoever laid an overlay over looks into it first; what it lacks is said of both."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    over = tmp_path / "over.yaml"
    over.write_text(text)
    with pytest.raises(ParamsError) as caught:
        overlay.use(over, tmp_path / "params.yaml")
    assert told.replace("OVER", str(over)) in str(caught.value)


def test_every_overlay_of_the_project_fits_its_parameters() -> None:
    """Each file of params/ names only keys that lie in params.yaml or belong to a part."""
    root = Path(__file__).parents[3]
    base = parameters.read(root / "params.yaml")
    for file in sorted((root / "params").glob("*.yaml")):
        assert set(parameters.read(file)) <= set(base), file


ROOT = Path(__file__).parents[3]


def flat(node: Any, where: str = "") -> dict[str, str]:
    """Return every value that is no mapping by its dotted path, told apart by type."""
    if not isinstance(node, dict):
        return {where: repr(node)}
    if not node:
        return {where: "{}"}
    return {k: v for key, inner in node.items() for k, v in flat(inner, f"{where}.{key}" if where else str(key)).items()}


def test_a_value_behind_an_alias_changes_in_the_place_named_alone(tmp_path: Path) -> None:
    """The project's own file shares one compute among all trainings: detect's device is detect's; comments stay."""
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (tmp_path / "over.yaml").write_text("finetune: {detect: {compute: {device: cuda}}}\n")
    before = parameters.read(tmp_path / "params.yaml")
    changes = overlay.use(tmp_path / "over.yaml", tmp_path / "params.yaml")
    after = parameters.read(tmp_path / "params.yaml")
    assert changes == ["finetune.detect.compute.device: auto -> cuda"]
    assert flat(after) == flat(before) | {"finetune.detect.compute.device": "'cuda'"}
    old, new = text.splitlines(), (tmp_path / "params.yaml").read_text().splitlines()
    assert [(a, b) for a, b in zip(old, new, strict=True) if a != b] == [
        ("    compute: *compute", "    compute: {device: cuda, precision: auto, threads: 0}")
    ]


def test_a_value_that_others_take_over_changes_for_itself(files: tuple[Path, Path]) -> None:
    """Where the anchor stands the new value stands too; those that refer to it, or merge it in, keep the old one."""
    target, over = files
    target.write_text("a: &x {n: 1, m: {k: 1}}  # first\nb: *x\nc: {<<: *x, n: 3}\nd: &y 5\ne: *y\n")
    over.write_text("a: {n: 2}\nc: {m: {k: 9}}\nd: 6\n")
    assert overlay.use(over, target) == ["a.n: 1 -> 2", "c.m.k: 1 -> 9", "d: 5 -> 6"]
    expected = {"a": {"n": 2, "m": {"k": 1}}, "b": {"n": 1, "m": {"k": 1}}, "c": {"n": 3, "m": {"k": 9}}, "d": 6, "e": 5}
    assert parameters.read(target) == expected
    assert "# first" in target.read_text()


def test_anchors_of_both_files_do_not_meet(files: tuple[Path, Path]) -> None:
    """An overlay may use a name that the parameter file uses for something else."""
    target, over = files
    target.write_text("a: 1\nb: &x {n: 1}\nc: *x\n")
    over.write_text("a: &x {n: 2}\nd: *x\ne: {<<: *x, p: &y 7}\nf: *y\n")
    overlay.use(over, target)
    expected = {"a": {"n": 2}, "b": {"n": 1}, "c": {"n": 1}, "d": {"n": 2}, "e": {"n": 2, "p": 7}, "f": 7}
    assert parameters.read(target) == expected


def test_a_key_that_stands_twice_is_one_line(files: tuple[Path, Path]) -> None:
    """The stages' reader would take the last; here nobody could say which is meant."""
    target, over = files
    over.write_text("name: a\nname: b\n")
    with pytest.raises(ParamsError, match="duplicate key") as caught:
        overlay.use(over, target)
    assert "\n" not in str(caught.value)
    assert target.read_text() == BASE


def test_what_cannot_be_written_without_changing_more_is_refused(files: tuple[Path, Path]) -> None:
    """YAML 1.1, which the stages read, and 1.2, which keeps comments, differ in some numbers; none changes in silence."""
    target, over = files
    target.write_text("a: 010\nb: 0o10\nc: 1_0\nd: 12:30\ne: 1e3\nf: yes\ng: 0.10\nh: .nan\n")
    over.write_text("x: 010\ny: 12:30\nz: no\n")
    before, text = parameters.read(target), target.read_text()
    try:
        overlay.use(over, target)
    except ParamsError as error:
        assert "edit" in str(error)  # noqa: PT017 - either end is right, a changed value is not
        assert target.read_text() == text
    else:
        assert flat(parameters.read(target)) == flat(before | parameters.read(over))


KEYS = "abcd"
SCALARS = ("1", "0.10", "true", "null", "word", '"quoted"', "[1, 2]", "[]", "{}", "1.5e-3")


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw a YAML file with comments, anchors, aliases and merge keys; names of anchors are the same in every file."""
    names: list[str] = []
    mappings: list[str] = []

    def node(depth: int, flow: bool) -> str:
        kind = draw(st.sampled_from(("scalar", "mapping", "mapping", "alias")))
        if kind == "alias" and names:
            return f"*{draw(st.sampled_from(names))}"
        if kind == "scalar" or depth == 3 or (kind == "alias" and not names):
            return anchored(draw(st.sampled_from(SCALARS)), " ", names)
        flow = flow or draw(st.booleans())
        keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1, max_size=3))
        merged = draw(st.lists(st.sampled_from(mappings), max_size=2)) if mappings else []
        lines = [f"{key}: {node(depth + 1, flow)}" for key in keys]
        if merged:
            told = f"*{merged[0]}" if len(merged) == 1 else f"[{', '.join(f'*{name}' for name in merged)}]"
            lines.insert(draw(st.integers(0, len(lines))), f"<<: {told}")
        if flow:
            return anchored(f"{{{', '.join(lines)}}}", " ", names, mappings)
        pad = "  " * depth
        return anchored("\n".join(f"{pad}{line}{comment()}" for line in lines), "\n", names, mappings)

    def anchored(text: str, gap: str, *lists: list[str]) -> str:
        if draw(st.booleans()):
            name = f"n{len(names)}"
            for one in lists:
                one.append(name)
            return f"&{name}{gap}{text}"
        return f"{gap}{text}" if gap == "\n" else text

    def comment() -> str:
        return draw(st.sampled_from(("", "  # a word")))

    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1, max_size=4))
    return "# head\n" + "".join(f"{key}: {node(1, False)}\n" for key in keys)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents(), documents())
@example("a: &n0 {b: &n1 {c: 1}}\nb: {<<: *n0, d: *n1}\n", "b: {b: {c: &n0 2}, d: {c: *n0}}\n")
def test_the_file_afterwards_says_what_a_plain_merge_of_both_says(files: tuple[Path, Path], base: str, over: str) -> None:
    """Whatever anchors, aliases and merge keys either has: the stages read the sum; the lines told are the real changes."""
    target, top = files
    target.write_text(base)
    top.write_text(over)
    before = yaml.safe_load(base)
    expected = flat(overlay.merge(before, yaml.safe_load(over)))
    changes = overlay.use(top, target)
    assert flat(yaml.safe_load(target.read_text())) == expected
    assert flat(before) == flat(yaml.safe_load(base))
    old = flat(before)
    told = {line.partition(":")[0] for line in changes}
    for path in {path for path in old.keys() | expected.keys() if old.get(path) != expected.get(path)}:
        assert any(path == one or path.startswith(f"{one}.") or one.startswith(f"{path}.") for one in told), path
    assert bool(told) == (old != expected)
    assert target.read_text().startswith("# head") or base[0] != "#"
