"""A secret that stands in a parameter reaches neither MLflow nor the screen."""

from pathlib import Path

import pytest
import yaml

from tests.pipeline import toy

SECRET = "s3cretpw"  # noqa: S105 - it is nobody's
SOURCE = f"https://me:{SECRET}@host.example/data.zip?token={SECRET}123456"
SHOWN = "https://***@host.example/data.zip?token=***"


@pytest.mark.slow
def test_a_secret_in_a_parameter_stays_in_the_project(tmp_path: Path) -> None:
    """Parameters of parent and stage, the stage's note on the screen, and the kept params.yaml and dvc.lock, still YAML."""
    project = toy.make(tmp_path)
    text = (tmp_path / "toy.py").read_text()
    (tmp_path / "toy.py").write_text(text.replace('yield Note("written")', 'yield Note(f"read {p.fail}")'))
    project.set("acquire", fail=SOURCE)
    done = project.dvc("repro", "acquire")
    assert done.returncode == 0, done.stderr
    project.settle()
    shown = done.stdout + done.stderr
    assert f"read {SHOWN}" in shown
    assert SECRET not in shown
    (parent,) = project.parents()
    assert parent.data.params["acquire.fail"] == SHOWN
    assert project.children(parent)["acquire"].data.params["fail"] == SHOWN
    places = [path for path in (tmp_path / "tracking").rglob("*") if path.is_file()]
    assert {"params.yaml", "dvc.lock", "mlflow.db"} <= {path.name for path in places}
    assert not [path for path in places if SECRET.encode() in path.read_bytes()]
    for name, keys in (("params.yaml", ()), ("dvc.lock", ("stages", "acquire", "params", "params.yaml"))):
        content = yaml.safe_load(next(path for path in places if path.name == name).read_text())
        for key in keys:
            content = content[key]
        assert content["acquire"]["fail"] == SHOWN
        assert SECRET in (tmp_path / name).read_text()
