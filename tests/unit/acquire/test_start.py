"""The stage starts quickly: it brings in no training library."""

import subprocess
import sys


def test_no_heavy_library_is_imported() -> None:
    """Importing the stage and its sources leaves out torch, scikit-learn, scikit-image, matplotlib and MLflow."""
    code = (
        "import sys, stages.acquire; from stages.core import parts; "
        "[parts.load('sources', name, '') for name in parts.known('sources')]; "
        "print(sorted({'torch', 'torchvision', 'sklearn', 'skimage', 'matplotlib', 'mlflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
