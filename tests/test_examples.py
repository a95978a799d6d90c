"""The apps of another team in `examples/` run as they stand."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from constructs_lib.config.team_dashboards import TeamDashboard
from tests.rendered import DIST, ROOT
from tests.test_halves import of_manifests, of_templates

EXAMPLES_DIRECTORY = ROOT / "examples"
EXAMPLES = sorted(EXAMPLES_DIRECTORY.glob("*/app.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_example_renders(example: Path, tmp_path: Path):
    """An example runs outside of the repository and writes manifests."""
    environment = {**os.environ, "CDK8S_OUTDIR": str(tmp_path / "out")}

    subprocess.run([sys.executable, str(example)], cwd=tmp_path, env=environment, check=True)

    documents = [document for path in (tmp_path / "out").iterdir() for document in yaml.safe_load_all(path.read_text())]
    assert {document["kind"] for document in documents} >= {"NetworkPolicy", "ConfigMap"}
    assert any(document["kind"] in {"StatefulSet", "Deployment"} for document in documents)


def test_halves_of_the_example_agree(tmp_path: Path) -> None:
    """Who backs up and restores by the manifests may by the templates, in the same bucket, by the same queues; and what
    agents tell, somebody outside looks at.
    """
    app, halves = EXAMPLES_DIRECTORY / "backup" / "app.py", {half: tmp_path / half for half in ("k8s", "aws")}
    outputs = {"CDK8S_OUTDIR": str(halves["k8s"]), "CDK_OUTDIR": str(tmp_path / "cdk.out")}
    subprocess.run([sys.executable, str(app)], cwd=tmp_path, env={**os.environ, **outputs}, check=True)
    halves["aws"].mkdir()
    template = shutil.copy(tmp_path / "cdk.out" / "ShopBackup.template.json", halves["aws"])

    manifests, templates = of_manifests(tmp_path), of_templates(tmp_path)

    assert manifests == templates
    assert {use.prefix for use in manifests.uses} == {f"{top}/shop/shop/prometheus/" for top in ("blocks", "points")}
    made = Counter(each["Type"] for each in json.loads(Path(template).read_text())["Resources"].values())
    assert (made["AWS::Lambda::Function"], made["AWS::SNS::Subscription"]) == (1, 1)
    assert (len(manifests.watched), len(manifests.started), len(manifests.told)) == (2, 2, 2 + 2)
    of_replicas, of_the_watch, of_servers, of_drills = 3 * 2, 2, 4 * 2, 2
    assert made["AWS::CloudWatch::Alarm"] == of_replicas + of_the_watch + of_servers + of_drills


def test_dashboard_of_the_example_is_handed_over(tmp_path: Path) -> None:
    """By the uid that is its own, with the right that the platform's Grafana needs to read it."""
    environment = {**os.environ, "CDK8S_OUTDIR": str(tmp_path)}
    app = EXAMPLES_DIRECTORY / "onboarded-service" / "app.py"
    subprocess.run([sys.executable, str(app)], cwd=tmp_path, env=environment, check=True)

    documents = [each for path in tmp_path.iterdir() for each in yaml.safe_load_all(path.read_text())]
    (text,) = (each["data"]["data.json"] for each in documents if each["metadata"]["name"] == "dashboard-checkout")
    assert TeamDashboard.read(text, namespace="shop", name="checkout").title == "Checkout"
    bound = {each["subjects"][0]["name"] for each in documents if each["kind"] == "RoleBinding"}
    assert bound == {"prometheus", "grafana"}


def test_contract_of_the_example_is_that_of_production() -> None:
    """The team works with the document that the platform publishes today."""
    published = DIST / "prod" / "platform.json"

    assert (EXAMPLES_DIRECTORY / "onboarded-service" / "platform.json").read_bytes() == published.read_bytes()
