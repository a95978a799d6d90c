"""What a program that calls AI models is asked to export: the library's contract, since the programs are others'."""

from constructs_lib.metrics.model import Kind, Metric, Program

MODELS = Program(
    name="models",
    version="1",
    job="orchestrator",
    metrics=(
        # Every call, failed or not.
        Metric("ai_model_requests_total", Kind.COUNTER, ("model",)),
        # Calls without a usable answer, whether refused, timed out or malformed.
        Metric("ai_model_errors_total", Kind.COUNTER, ("model",)),
        # Until the last word. A bucket must end where it is too slow, by default at 10 seconds, one at twice that.
        Metric("ai_model_request_duration_seconds", Kind.HISTOGRAM, ("model",)),
        # At the price of the day, in dollars.
        Metric("ai_model_cost_dollars_total", Kind.COUNTER, ("model",)),
    ),
    source="constructs_lib/metrics/models.py",
)
