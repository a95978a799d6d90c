"""The door by which a command tells of itself."""

from prometheus_client import REGISTRY, start_http_server
from prometheus_client.registry import Collector as Source


def serve(metrics: Source, port: int) -> None:
    """Tell of metrics, and of the process, whoever asks."""
    REGISTRY.register(metrics)
    try:
        start_http_server(port, addr="::")  # of both families
    except OSError:
        start_http_server(port)
