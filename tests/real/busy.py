"""A busy day on the cluster: more visitors, a bad release, a slow model, and a program that crashes."""

import copy
from collections.abc import Mapping, Sequence

import yaml

from constructs_lib.metrics.application import APPLICATION
from constructs_lib.metrics.models import MODELS
from tests.real.applications import Page, applications
from tests.real.healthy.applications import ANSWERED
from tests.real.logs import writer
from tests.real.teams import Document
from tests.real.tracing import APPLICATIONS

# So many of all answers of a bad release took at most so long, in seconds.
SLOW = {"0.1": 0.1, "0.25": 0.2, "0.5": 0.35, "1.0": 0.6, "2.0": 0.85, "5.0": 1.0, "+Inf": 1.0}
SLOW_CALLS = {"1.0": 0.05, "2.5": 0.15, "5.0": 0.3, "10.0": 0.6, "20.0": 1.0, "+Inf": 1.0}
# How they are sent, by which service, and how many of what kind.
SPANS = (
    ("grpc", "api", ("--rate", "6", "--operation", "GET /leads", "--duration", "0.04")),
    ("http", "backend", ("--rate", "3", "--operation", "POST /quotes", "--duration", "0.2")),
    ("grpc", "orchestrator", ("--rate", "1", "--operation", "enrich", "--duration", "2", "--kind", "internal")),
    ("http", "backend", ("--rate", "1", "--operation", "POST /quotes", "--duration", "1.5", "--error")),
)
CRASHING = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "importer", "namespace": APPLICATIONS, "labels": {"app": "importer"}},
    "spec": {"containers": [{"name": "importer", "image": "registry.local/probe:1", "args": ["tcp", "127.0.0.1:1"]}]},
}


def busy(service: str, rate: float, leads: Mapping[str, float]) -> Page:
    """What one more pod of a service exports: it answers well, and creates leads, so many an hour."""
    told = Page()
    _add_answers(told, service, rate, {"200": 0.97, "404": 0.03}, ANSWERED)
    for source, an_hour in leads.items():
        told.grows(APPLICATION, "leads_created_total", an_hour / 3600, source=source)
    return told


def bad(service: str, rate: float) -> Page:
    """What a pod of a bad release exports: it is slow, and fails."""
    told = Page()
    _add_answers(told, service, rate, {"200": 0.5, "500": 0.3, "503": 0.2}, SLOW)
    return told


def overrun(rate: float) -> Page:
    """What the service of the models exports when a model is slow and fails, and entries wait."""
    told, model = Page(), {"model": "large"}
    told.is_now(APPLICATION, "queue_depth", 1350, queue="enrichment")
    told.grows(MODELS, "ai_model_requests_total", rate, **model)
    told.grows(MODELS, "ai_model_errors_total", rate * 0.15, **model)
    for le, share in SLOW_CALLS.items():
        told.grows(MODELS, "ai_model_request_duration_seconds_bucket", rate * share, le=le, **model)
    told.grows(MODELS, "ai_model_request_duration_seconds_count", rate, **model)
    told.grows(MODELS, "ai_model_request_duration_seconds_sum", rate * 9, **model)
    told.grows(MODELS, "ai_model_cost_dollars_total", 30 / 3600, **model)
    return told


def pod(service: str, number: int, told: Page) -> Document:
    """One more pod of a service, in all but its name and what it exports like the first."""
    (first,) = (
        each
        for each in yaml.safe_load_all(applications())
        if each["kind"] == "Pod"
        and (each["metadata"]["name"], each["metadata"]["namespace"]) == (service, APPLICATIONS)
    )
    made: Document = copy.deepcopy(first)
    made["metadata"]["name"] = f"{service}-{number}"
    made["spec"]["containers"][0]["env"] = [{"name": "METRICS", "value": told.text()}]
    return made


def writing(name: str, rate: int, count: int, text: str) -> Document:
    """A program that writes lines."""
    return writer(name, count, rate, 1, app=name, text=text, namespace=APPLICATIONS)


def _add_answers(told: Page, service: str, rate: float, codes: Mapping[str, float], took: Mapping[str, float]) -> None:
    for code, share in codes.items():
        told.grows(APPLICATION, "http_requests_total", rate * share, service=service, code=code)
    for le, share in took.items():
        told.grows(APPLICATION, "http_request_duration_seconds_bucket", rate * share, service=service, le=le)
    told.grows(APPLICATION, "http_request_duration_seconds_count", rate, service=service)
    told.grows(APPLICATION, "http_request_duration_seconds_sum", rate * 0.2, service=service)


# Minutes after the beginning, what comes, and the pods that go.
HAPPENS: tuple[tuple[float, Sequence[Document], Sequence[str]], ...] = (
    (0, (CRASHING, writing("scheduler", 2, 5000, 'level=info msg="job done"')), ()),
    (0.5, (pod("backend", 2, bad("backend", 8)), writing("mailer", 1, 400, 'level=warn msg="mail waits"')), ()),
    (1, (pod("api", 2, busy("api", 18, {"search": 150, "partner": 60})),), ()),
    (
        2,
        (pod("orchestrator", 2, overrun(0.6)), writing("quotes", 1, 30, "panic: runtime error: index out of range")),
        (),
    ),
    (4, (pod("api", 3, busy("api", 12, {"search": 90})), writing("imports", 3, 600, 'level=error msg="bad row"')), ()),
    (6, (), ("api-2",)),
    (8.5, (pod("data-service", 2, busy("data-service", 4, {})),), ("backend-2", "orchestrator-2")),
    (9.5, (), ("api-3",)),
)
END = 11
