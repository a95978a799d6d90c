"""The customer's applications: what `applications.yaml` holds, each service with the metrics that it is asked for.

Names and labels are those of the contracts, the numbers those of a quiet day.
"""

from pathlib import Path

import yaml

from constructs_lib.metrics.application import APPLICATION
from constructs_lib.metrics.model import Program
from constructs_lib.metrics.models import MODELS
from constructs_lib.promql import metric
from tests.real.healthy.applications import (
    ANSWERED,
    ANSWERS,
    CALLED,
    CODES,
    DOLLARS_AN_HOUR,
    LEADS_AN_HOUR,
    MODEL_CALLS,
)

FILE = Path(__file__).with_name("applications.yaml")
HOUR = 3600  # seconds
LIMITS = {"cpu": "100m", "memory": "64Mi"}


class Page:
    """What a pod exports, as `probe serve` makes it of its variable METRICS."""

    def __init__(self) -> None:
        self._families: dict[str, list[str]] = {}

    def is_now(self, program: Program, name: str, value: float, /, **labels: str) -> None:
        """Add a series that stands still."""
        self._add(program, name, f"{value:g}", labels)

    def grows(self, program: Program, name: str, a_second: float, /, **labels: str) -> None:
        """Add a series that grows from the start of the pod on."""
        self._add(program, name, f"{a_second:.12g}/s", labels)

    def text(self) -> str:
        """The page."""
        return "\n".join(line for lines in self._families.values() for line in lines)

    def _add(self, program: Program, name: str, value: str, labels: dict[str, str]) -> None:
        assert program.labels_of(name) == labels.keys(), f"{name} has the labels {program.labels_of(name)}"
        (family,) = (each for each in program.metrics if name in each.series())
        lines = self._families.setdefault(family.name, [f"# TYPE {family.name} {family.kind.value}"])
        lines.append(f"{metric(name, **labels)} {value}")


def page(service: str) -> str:
    """What a service exports: each its requests, and one of them each what is the whole product's."""
    told, rate = Page(), ANSWERS[service]
    for code, share in CODES.items():
        told.grows(APPLICATION, "http_requests_total", rate * share, service=service, code=code)
    _add_histogram(told, APPLICATION, "http_request_duration_seconds", rate, ANSWERED, service=service)
    if service == APPLICATION.job:
        for source, leads in LEADS_AN_HOUR.items():
            told.grows(APPLICATION, "leads_created_total", leads / HOUR, source=source)
        told.grows(APPLICATION, "observability_cost_total", 2 / HOUR)
        told.grows(APPLICATION, "infrastructure_cost_total", 80 / HOUR)
    if service == MODELS.job:
        told.is_now(APPLICATION, "queue_depth", 40, queue="enrichment")
        for model, (calls, failing) in MODEL_CALLS.items():
            told.grows(MODELS, "ai_model_requests_total", calls, model=model)
            told.grows(MODELS, "ai_model_errors_total", calls * failing, model=model)
            _add_histogram(told, MODELS, "ai_model_request_duration_seconds", calls, CALLED, model=model)
            told.grows(MODELS, "ai_model_cost_dollars_total", DOLLARS_AN_HOUR[model] / HOUR, model=model)
    return told.text()


def applications() -> str:
    """All of it, to apply."""
    documents = list(yaml.safe_load_all(FILE.read_text()))
    for document in documents:
        if document["kind"] == "Pod" and document["metadata"]["name"] in ANSWERS:
            container = document["spec"]["containers"][0]
            container["env"] = [{"name": "METRICS", "value": page(document["metadata"]["name"])}]
            container["resources"] = {"limits": LIMITS}
    return yaml.safe_dump_all(documents)


def _add_histogram(
    told: Page, program: Program, name: str, rate: float, shares: dict[str, float], /, **labels: str
) -> None:
    for le, share in shares.items():
        told.grows(program, f"{name}_bucket", rate * share, le=le, **labels)
    told.grows(program, f"{name}_sum", rate * 0.15, **labels)
    told.grows(program, f"{name}_count", rate, **labels)
