"""What applications and models export on a quiet day: some are busy, some are hardly asked."""

from apps.environment import Environment
from constructs_lib.config.discovery import ANNOTATED_PODS
from constructs_lib.metrics.application import APPLICATION
from constructs_lib.metrics.models import MODELS
from tests.real.healthy.workloads import Workload, target_of
from tests.real.simulation import Course, System, Target, but, counts, grows, happens, minute, steady, sways

# Answers of each pod in a second; what is asked for once in a minute has one error in the hour.
BUSY, SELDOM = {"api": 20.0, "backend": 5.0, "orchestrator": 2.0}, {"data-service": 0.015}
ANSWERS = BUSY | SELDOM
CODES = {"200": 0.95, "404": 0.047, "500": 0.003}
# So many of all answers took at most so long, in seconds.
ANSWERED = {"0.1": 0.6, "0.25": 0.85, "0.5": 0.965, "1.0": 0.99, "2.0": 0.998, "5.0": 1.0, "+Inf": 1.0}
# Calls in a second, and how many of them failed.
MODEL_CALLS = {"large": (0.5, 0.01), "small": (0.02, 0.0)}
CALLED = {"1.0": 0.2, "2.5": 0.6, "5.0": 0.9, "10.0": 0.98, "20.0": 0.999, "+Inf": 1.0}
DOLLARS_AN_HOUR = {"large": 3.0, "small": 0.2}
LEADS_AN_HOUR = {"search": 30, "partner": 4, "letter": 0.3}


def histogram(per_second: float, shares: dict[str, float]) -> dict[str, Course]:
    """The buckets of a histogram."""
    return {le: counts(per_second * share) for le, share in shares.items()}


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """All services' pods, and the models behind one of them."""
    for workload in pods:
        if workload.job in values.application_services:
            for target in workload.targets():
                _add_service(system, target, workload.name)
    api, orchestrator = target_of(pods, "api"), target_of(pods, MODELS.job)
    for source, leads in LEADS_AN_HOUR.items():
        system.add(APPLICATION, api, "leads_created_total", counts(leads / 3600), source=source)
    # Another team's pod, found by its annotation, fails whatever it is asked, and says so by the same names.
    stranger = target_of(pods, ANNOTATED_PODS)
    system.add(APPLICATION, stranger, "http_requests_total", counts(1), service="worker", code="500")
    system.add(MODELS, stranger, "ai_model_cost_dollars_total", grows(1), model="large")
    # A batch arrives, and is worked off in two minutes.
    system.add(APPLICATION, orchestrator, "queue_depth", but(sways(40, 30), minute(15), 2, 5000), queue="enrichment")
    system.add(APPLICATION, orchestrator, "queue_depth", steady(0), queue="dead-letters")
    system.add(APPLICATION, api, "observability_cost_total", grows(2 / 3600))
    system.add(APPLICATION, api, "infrastructure_cost_total", grows(80 / 3600))
    for model in MODEL_CALLS:
        _add_model(system, orchestrator, model)


def _add_service(system: System, target: Target, service: str) -> None:
    rate, name = ANSWERS[service], "http_request_duration_seconds"
    for code, share in CODES.items():
        rare = code == "500" and service in SELDOM
        course = happens(minute(25)) if rare else counts(rate * share)
        system.add(APPLICATION, target, "http_requests_total", course, service=service, code=code)
    for le, course in histogram(rate, ANSWERED).items():
        system.add(APPLICATION, target, f"{name}_bucket", course, service=service, le=le)
    system.add(APPLICATION, target, f"{name}_sum", grows(0.15 * rate), service=service)
    system.add(APPLICATION, target, f"{name}_count", counts(rate), service=service)


def _add_model(system: System, target: Target, model: str) -> None:
    (rate, failing), name = MODEL_CALLS[model], "ai_model_request_duration_seconds"
    errors = counts(rate * failing) if failing else happens(minute(35))
    system.add(MODELS, target, "ai_model_requests_total", counts(rate), model=model)
    system.add(MODELS, target, "ai_model_errors_total", errors, model=model)
    for le, course in histogram(rate, CALLED).items():
        system.add(MODELS, target, f"{name}_bucket", course, model=model, le=le)
    system.add(MODELS, target, f"{name}_sum", grows(2.6 * rate), model=model)
    system.add(MODELS, target, f"{name}_count", counts(rate), model=model)
    system.add(MODELS, target, "ai_model_cost_dollars_total", grows(DOLLARS_AN_HOUR[model] / 3600), model=model)
