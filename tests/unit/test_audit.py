"""The audit's table and page say what was found."""

import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from stages import audit
from stages.core import artefacts, figures, files
from stages.core.errors import ParamsError
from stages.core.stage import Metrics
from stages.judge import meaning, verdicts
from stages.parts import reports
from tests.fake_models import Prediction, other, scores
from tests.judging import TASKS, answer, judged, project, run


class Links(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep sources and addresses."""
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset")]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Audit a biased classifier and return its page."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data, bias=0.5), answer("classify", data, bias=0.6))
    return (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")


def test_the_page_is_self_contained(page: str) -> None:
    """The page loads nothing from elsewhere and runs no script."""
    links = Links()
    links.feed(page)
    assert links.found
    assert all(link.startswith("data:image/png;base64,") for link in links.found)
    assert "script" not in links.tags
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_says_verdict_and_reason_first(page: str) -> None:
    """Verdict, plain reason, every group with its count, figures and method stand on the page, in that order."""
    order = ["FAIL</strong>", "setting: accuracy is", "How good it is overall", "Verdict by column", "Every group", "Method"]
    at = [page.index(text) for text in order]
    assert at == sorted(at)
    assert meaning.VERDICTS in page[at[-1] :]
    for group in ("usual", "unusual", "dark", "light", "dark, unusual"):
        assert f"<td>{group}</td>" in page


def test_the_table_lists_every_group(page: str) -> None:
    """The CSV has each measure by group and intersection; counts of a column add up to the pictures; values are right."""
    assert page
    table = pd.read_csv(artefacts.audited("classify") / "groups.csv")
    predictions = pd.read_parquet(artefacts.evaluated("classify") / "predictions.parquet")
    manifest = pd.read_parquet(artefacts.PREPROCESSED / "manifest.parquet").merge(predictions, on="image_id")
    right = manifest["predicted"] == manifest["label_x"]
    rows = table[(table["measure"] == "accuracy") & (table["columns"] == "setting")].set_index("group")
    assert rows["n"].sum() == len(predictions)
    assert rows["value"].to_dict() == pytest.approx(right.groupby(manifest["group_setting"]).mean().to_dict(), abs=1e-6)
    assert set(table["columns"]) == {"ink", "setting", "ink x setting"}
    assert {"accuracy", "macro_f1", "recall/disc"} <= set(table["measure"])


def test_the_row_of_a_fail_says_what_fails(page: str) -> None:
    """As many rows name the gap or the floor as the metrics file has findings that fail."""
    found = files.read_json(artefacts.audit_metrics("classify"))["by_group"]
    failed = [entry for columns in found.values() for entry in columns.values() if entry["verdict"] == "FAIL"]
    assert failed
    assert len(re.findall(r">FAIL by (?:gap|floor|gap and floor)</td>", page)) == len(failed)


def test_text_from_data_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group named like a tag stands on the page as text."""
    data = project(tmp_path, monkeypatch, num_images=60)
    file = artefacts.PREPROCESSED / "manifest.parquet"
    manifest = pd.read_parquet(file)
    manifest["group_ink"] = manifest["group_ink"].replace("dark", "<script>x</script>")
    manifest.to_parquet(file, index=False)
    judged("classify", data, monkeypatch, answer("classify", data))
    text = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_looser_limit_changes_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same model no longer fails when larger gaps are allowed, without being evaluated anew."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data, bias=0.6))
    assert files.read_json(artefacts.audit_metrics("classify"))["verdict"] == "FAIL"
    run(audit, "classify", max_gap=1.0, min_worst_group=0.0)
    assert files.read_json(artefacts.audit_metrics("classify"))["verdict"] == "PASS"


def test_a_poor_model_is_told_in_one_sentence_for_each_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is below the floor everywhere gets one sentence per figure, not one per column."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data))
    run(audit, "classify", max_gap=1.0, min_worst_group=1.0)
    reasons = files.read_json(artefacts.audit_metrics("classify"))["reasons"]
    assert len(reasons) <= 2
    assert all("is shown to be below the floor of 100 in a group of" in reason for reason in reasons)


def _with_columns(folder: Path, monkeypatch: pytest.MonkeyPatch, **given: object) -> None:
    """Judge a good classifier on a data set with further columns."""
    data = project(folder, monkeypatch)
    manifest = data.manifest.assign(**given)
    manifest.to_parquet(artefacts.PREPROCESSED / "manifest.parquet", index=False)
    judged("classify", data, monkeypatch, answer("classify", data))


def test_an_id_column_is_named_and_never_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column of ids is no group: page, reasons and metrics name it, and nothing passes until it is left out."""
    _with_columns(tmp_path, monkeypatch, group_id=[f"x{n}" for n in range(120)], group_age=[str(n % 50) for n in range(120)])
    run(audit, "classify", max_gap=1.0, min_worst_group=0.0)
    content = files.read_json(artefacts.audit_metrics("classify"))
    text = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert content["verdict"] == "UNDECIDED"
    assert content["not_audited"] == {"id": 84}
    assert "id has 84 different values" in content["reasons"][0]
    assert "audit.classify.leave_out" in content["reasons"][0]
    assert "id has 84 different values" in text
    assert re.search(r"age: \d\d different numbers, sorted by quantile into 0 to \d+, \d+ to \d+, ", text)
    assert "id" not in content["by_group"]["accuracy"]
    table = pd.read_csv(artefacts.audited("classify") / "groups.csv")
    assert len(table.query("columns == 'age' and measure == 'accuracy'")) == 4
    run(audit, "classify", max_gap=1.0, min_worst_group=0.0, leave_out=["id"])
    content = files.read_json(artefacts.audit_metrics("classify"))
    assert (content["verdict"], content["not_audited"]) == ("PASS", {})
    assert "id was left out" in (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")


def test_the_values_of_a_column_are_counted_on_the_judged_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures without a label are not judged: what keeps a column of numbers from its ranges adds up to its values."""
    data = project(tmp_path, monkeypatch)
    ages = [str(n) if n % 10 else f"{n}+" for n in range(120)]
    labels = [label if n % 4 else None for n, label in enumerate(data.manifest["label"])]
    manifest = data.manifest.assign(group_age=ages, label=labels)
    manifest.to_parquet(artefacts.PREPROCESSED / "manifest.parquet", index=False)
    judged("classify", data, monkeypatch, answer("classify", data))
    content = files.read_json(artefacts.audit_metrics("classify"))
    known = manifest[(manifest["split"] == "test") & manifest["label"].notna()]["group_age"]
    words = known.str.endswith("+").sum()
    assert content["not_audited"] == {"age": len(known)}
    said = f"age has {len(known)} different values, {len(known) - words} numbers and {words} other values ("
    assert any(said in reason for reason in content["reasons"])
    assert said in (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert f"age: {len(known)} different values and no groups" in content["left_open"]


def test_only_an_id_column_is_nothing_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the only column holds ids, the verdict is UNDECIDED for that reason alone."""
    _with_columns(tmp_path, monkeypatch, group_setting=[f"x{n}" for n in range(120)], group_ink=None)
    run(audit, "classify", leave_out=["ink"])
    content = files.read_json(artefacts.audit_metrics("classify"))
    assert content["verdict"] == "UNDECIDED"
    assert len(content["reasons"]) == 1
    assert "setting has 84 different values" in content["reasons"][0]


def test_what_was_left_open_is_listed_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reason in one line, in the metrics and on the page: an id, a column left out, one group, small groups, doubt."""
    test = [f"t{n}" for n in range(120)]
    _with_columns(
        tmp_path, monkeypatch, group_id=test, group_site="here", group_ink=None,
        group_light=["dusk" if n % 30 == 29 else ("day", "night")[n % 2] for n in range(120)],
        group_rare=["no" if n < 118 else "yes" for n in range(120)],
    )  # fmt: skip
    run(audit, "classify", leave_out=["ink"])
    lines = files.read_json(artefacts.audit_metrics("classify"))["left_open"]
    assert lines[:2] == ["id: 84 different values and no groups", "left out by leave_out: ink"]
    told = dict(line.split(": ", 1) for line in lines[2:])
    assert told["one group alone"] == "site"
    assert told["groups of fewer than 10 pictures"] == "light dusk"
    assert told["fewer than two groups of 10 pictures"].startswith("rare")
    assert "accuracy by light" in told["too few pictures to tell"]
    text = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert "<li>one group alone: site</li>" in text
    assert "<details open><summary>Not audited" in text


def test_a_verdict_says_on_which_limits_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other limits are other evidence, also where verdict and gaps stay: so a registration of it is another."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data))
    told = []
    for max_gap in (1.0, 0.99):
        run(audit, "classify", max_gap=max_gap, min_worst_group=0.0)
        told.append(files.read_json(artefacts.audit_metrics("classify")))
    assert [one["verdict"] for one in told] == ["PASS", "PASS"]
    assert [one["settings"]["max_gap"] for one in told] == [1.0, 0.99]


def test_nothing_is_left_open_where_all_was_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PASS of all columns lists nothing; without any column everything is open, with that reason."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data))
    run(audit, "classify", max_gap=1.0, min_worst_group=0.0)
    assert files.read_json(artefacts.audit_metrics("classify"))["left_open"] == []
    assert "Not audited" not in (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    data = project(tmp_path, monkeypatch, groups=False)
    judged("classify", data, monkeypatch, answer("classify", data))
    lines = files.read_json(artefacts.audit_metrics("classify"))["left_open"]
    assert lines == ["everything: the data set has no group column"]
    (reason,) = reports.reasons([], verdicts.Limits(0.1, 0.5, 0.05))
    assert all(place in reason for place in ("your table", "metadata.csv", "acquire.path_pattern"))
    assert "manifest" not in reason  # which acquire writes
    assert "no group column but id, left out" in reports.reasons([], verdicts.Limits(0.1, 0.5, 0.05), leave_out=["id"])[0]
    drawn = reports.Drawn("pictures", "", [])
    whole = "everything: the evaluation is degenerate (few_units), and the data set has no group column"
    assert reports.left_open([], {}, [], {"few_units": "few"}, 10, drawn) == [whole]


def test_pictures_without_a_value_are_judged_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fails where a column says nothing does not pass; few such pictures are named, and so are all."""
    data = project(tmp_path, monkeypatch)
    manifest = data.manifest.assign(
        group_ink=[None if n % 3 == 0 else "dark" if n % 3 == 1 else "light" for n in range(120)],
        group_setting=[None if n in (60, 61) else "usual" if n % 2 else "unusual" for n in range(120)],
    )
    manifest.to_parquet(artefacts.PREPROCESSED / "manifest.parquet", index=False)
    unknown = set(manifest[manifest["group_ink"].isna()]["image_id"])

    def answered(row: object) -> Prediction:
        right, labels = row.label, data.info.labels  # type: ignore[attr-defined]
        return scores(other(right, labels) if row.image_id in unknown else right, labels, 0.9)  # type: ignore[attr-defined]

    judged("classify", data, monkeypatch, answered)
    content = files.read_json(artefacts.audit_metrics("classify"))
    test = manifest[manifest["split"] == "test"]
    num = {name: int(test[name].isna().sum()) for name in ("group_ink", "group_setting")}
    assert content["verdict"] == "FAIL"
    assert "0.0 for no value" in content["reasons"][0]
    line = f"pictures without a value: ink {num['group_ink']} of {len(test)}, setting 2 of {len(test)}"
    assert line in content["left_open"]
    assert "groups of fewer than 10 pictures: setting no value" in content["left_open"]
    rows = pd.read_csv(artefacts.audited("classify") / "groups.csv").query("measure == 'accuracy'").set_index("columns")
    for name in ("ink", "setting"):
        assert rows.loc[name, "num_pictures"].sum() == len(test)
    assert f"<li>{line}</li>" in (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")


def test_few_pictures_without_a_value_beside_one_value_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit passes, says that the column is one group alone, and of how many pictures it knows nothing."""
    data = project(tmp_path, monkeypatch)
    test = data.subset("test").manifest["image_id"].tolist()
    sites = [None if name in test[:9] else "here" for name in data.manifest["image_id"]]
    data.manifest.assign(group_site=sites).to_parquet(artefacts.PREPROCESSED / "manifest.parquet", index=False)
    judged("classify", data, monkeypatch, answer("classify", data))
    run(audit, "classify", max_gap=1.0, min_worst_group=0.0)
    content = files.read_json(artefacts.audit_metrics("classify"))
    assert content["verdict"] == "PASS"
    assert content["left_open"] == [f"pictures without a value: site 9 of {len(test)}", "one group alone: site"]
    assert not any("site" in columns and columns != "site" for columns in content["by_group"]["accuracy"])


def test_a_column_that_is_not_there_cannot_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name ends in one line that names it and the columns there are."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged("classify", data, monkeypatch, answer("classify", data))
    with pytest.raises(ParamsError, match=r"leave_out names sting, but the group columns are ink, setting"):
        run(audit, "classify", leave_out=["sting"])


def test_every_group_has_interval_and_count(page: str) -> None:
    """Each group on the page has its interval and its count with the unit, in MLflow its value, low, high and n."""
    assert page
    rows = [r for r in page.split("<tr") if '<td class="chart"' in r]
    assert rows
    cells = [cell.split("<svg")[0] for row in rows for cell in row.split('<td class="chart"')[1:]]
    assert all(re.search(r"\d+\.\d to \d+\.\d, \d+ pictures", cell) for cell in cells)
    told = set().union(*(asdict(r)["values"] for r in run(audit, "classify") if isinstance(r, Metrics)))
    for end in ("", ".low", ".high", ".n"):
        assert f"group/accuracy/setting/unusual{end}" in told


@pytest.mark.parametrize("task", TASKS)
def test_every_class_stands_on_the_page(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each figure of each class has its interval and its count of pictures, as the metrics file has them."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged(task, data, monkeypatch, answer(task, data, bias=0.3))
    page = (artefacts.audited(task) / "report.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("Every class") : page.index("Verdict by column")]).split())
    found = files.read_json(artefacts.evaluate_metrics(task))["per_class"]
    assert found
    for name, own in found.items():
        assert name in text
        for one in (raw for raw in own.values() if figures.is_figure(raw)):
            shown = [f"{100 * one[key]:.1f}" for key in ("value", "low", "high")]
            count = f"{one['n']:,}" + (f" in {one['pictures']} pictures" if one["pictures"] != one["n"] else "")
            assert f"{shown[0]} {shown[1]} to {shown[2]} {count}" in text


def test_groups_too_small_to_compare_are_numbers_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With value and n, so that they read as small; the page claims nothing where nothing is compared."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged("classify", data, monkeypatch, answer("classify", data))
    told = set().union(*(asdict(r)["values"] for r in run(audit, "classify", min_group=1000) if isinstance(r, Metrics)))
    for group in ("usual", "unusual"):
        assert {f"group/accuracy/setting/{group}", f"group/accuracy/setting/{group}.n"} <= told
    page = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert "all 0 claims" not in page
    assert "nothing was large enough to be compared" in page
    assert "in brackets" not in page


def test_p_stands_where_there_is_a_gap_to_reject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap within the limit has none: p = 1 beside it reads as certainty of the contrary."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged("classify", data, monkeypatch, answer("classify", data))
    run(audit, "classify", max_gap=0.9)
    page = (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")
    assert "p, if no gap exceeds 90.0" in page
    assert not re.search(r"p = \d", page)
