"""The apps of another team in `examples/` run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*/app.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_example_renders(example: Path, tmp_path: Path):
    """An example runs outside of the repository and writes manifests."""
    environment = {**os.environ, "CDK8S_OUTDIR": str(tmp_path / "out")}

    subprocess.run([sys.executable, str(example)], cwd=tmp_path, env=environment, check=True)

    documents = [document for path in (tmp_path / "out").iterdir() for document in yaml.safe_load_all(path.read_text())]
    assert {document["kind"] for document in documents} >= {"StatefulSet", "NetworkPolicy", "ConfigMap"}
