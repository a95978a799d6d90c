"""The customer's applications of the test cluster export what the contracts ask for."""

import os
import subprocess
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from constructs_lib.metrics.application import APPLICATION
from constructs_lib.metrics.models import MODELS
from tests.cluster.programs import built
from tests.real.applications import page
from tests.real.healthy.applications import ANSWERS
from tests.real.loopback import free_port, soon


@pytest.fixture
def exported() -> Iterator[str]:
    """Where the service of the models answers."""
    port = free_port()
    environment = {**os.environ, "METRICS": page(MODELS.job)}
    with subprocess.Popen([built("probe"), "serve", str(port)], env=environment) as program:
        yield f"http://127.0.0.1:{port}/metrics"
        program.terminate()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each series and its value."""
    families = text_string_to_metric_families(text)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def test_every_metric_of_the_contracts_is_exported() -> None:
    """By some service, and no other one."""
    told = {line.partition("{")[0].partition(" ")[0] for name in ANSWERS for line in page(name).splitlines()}

    asked = {name for program in (APPLICATION, MODELS) for each in program.metrics for name in each.series()}
    assert told - {"#"} == asked


def test_counters_grow_and_gauges_stand_still(exported: str) -> None:
    """Whoever asks twice sees by how much."""
    before = samples(soon(exported))
    time.sleep(0.2)
    after = samples(soon(exported))

    assert before.keys() == after.keys()
    still = {name for (name, labels), value in after.items() if value <= before[name, labels]}
    assert still == {"queue_depth", "ai_model_errors_total"}  # one of the models never fails
