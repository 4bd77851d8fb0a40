"""A registered model loads in a fresh process, from its own code, and takes pictures in every form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.register import package, run
from stages.core import artefacts
from stages.core.errors import DataError
from tests.pipeline import registry_project as project

LOAD = """
import base64, json, sys
from pathlib import Path
import mlflow, numpy as np, pandas as pd
root, uri, picture = sys.argv[1:]
mlflow.set_tracking_uri(uri)
model = mlflow.pyfunc.load_model("models:/shapes-classify@challenger")
content = Path(picture).read_bytes()
array = np.zeros((20, 30, 3), np.uint8)
coded = base64.b64encode(content).decode()
given = [coded, Path(picture), content, array, [Path(picture), array], np.stack([array, array]), pd.Series([coded]),
         pd.DataFrame({"image": [coded, content]}), {"image": content}, model.input_example]
answers = [model.predict(one) for one in given]
from mlflow.pyfunc.scoring_server import init
from starlette.testclient import TestClient
server = TestClient(init(model))
folder = Path(mlflow.artifacts.download_artifacts("models:/shapes-classify@challenger"))
body = json.loads((folder / "serving_input_example.json").read_text())
answers.append(server.post("/invocations", json=body).json()["predictions"])
def refused(*given):
    return server.post("/invocations", json={"inputs": list(given)})
alone, among = refused(picture), refused(coded, picture, "/dev/zero", coded)
rest = {"status": alone.status_code, "told": alone.json()["message"], "among": among.json()["predictions"]}
ours = [m for m in sys.modules if m.split(".")[0] in ("pipelines", "stages")]
code = sys.modules[model.unwrap_python_model().code].__file__
print(json.dumps({"answers": answers, "rest": rest, "code": code, "ours": ours}))
"""


def _with_fakes(holder: Path, plain=package.code) -> Path:
    """Travel with a checkpoint and a preprocessing of known behaviour."""
    folder = plain(holder)
    (folder / "core" / "checkpoint.py").write_text(project.CHECKPOINT)
    (folder / "parts" / "cameras" / "_preparation.py").write_text(project.PREPROCESS)
    return folder


def test_a_registered_model_predicts_in_a_fresh_process(tmp_path, monkeypatch) -> None:
    """The model brings its code: no project on the path, every form of picture, one answer each, over REST too."""
    (tmp_path / "project").mkdir()
    project.make(tmp_path / "project", monkeypatch)
    monkeypatch.setattr(package, "code", _with_fakes)
    notes = list(run(project.job()))
    assert notes
    assert project.holders() == {"challenger": 1, "champion": 1}
    picture = next((tmp_path / "project" / artefacts.PREPROCESSED / "images").iterdir())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    arguments = [str(tmp_path / "project"), f"sqlite:///{tmp_path}/project/mlflow.db", str(picture)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(elsewhere), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *arguments], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert [len(a) for a in told["answers"]] == [1, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1]
    assert all(one["label"] == "disc" for answer in told["answers"] for one in answer)
    assert told["answers"][3][0]["width"] == 30
    assert "/code/stages/" in told["code"]
    assert not told["ours"], "the project's own packages were loaded"
    assert told["rest"]["status"] == 400
    assert "pathlib.Path" in told["rest"]["told"]
    assert ["error" in answer for answer in told["rest"]["among"]] == [False, True, True, False]


def test_a_model_that_does_not_load_is_not_registered(tmp_path, monkeypatch) -> None:
    """A package that lacks what it needs is found before it becomes a version; nothing half-made stays behind."""
    project.make(tmp_path, monkeypatch)

    def broken(holder: Path, plain=package.code) -> Path:
        folder = plain(holder)
        (folder / "core" / "checkpoint.py").write_text("raise RuntimeError('no such part')")
        return folder

    monkeypatch.setattr(package, "code", broken)
    with pytest.raises(DataError, match=r"does not work in a fresh process: RuntimeError: no such part") as caught:
        list(run(project.job()))
    assert "\n" not in str(caught.value)
    client = project.client()
    assert not client.search_model_versions("name='shapes-classify'")
    assert not client.search_logged_models([client.get_experiment_by_name("shapes").experiment_id])
