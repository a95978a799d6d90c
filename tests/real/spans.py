"""Numbered traces, sent by OTLP at a rate over one connection that lives as long as the sender does.

    python spans.py grpc ADDRESS:PORT NAME --requests 100 --traces 20 --rate 10

Each trace is one span, and its id follows from the name and its number, which goes on from request to request. For each
request a line of JSON is printed, a `Sent`, as soon as it was answered or given up; none is sent twice. It runs in
network namespaces of pods, where names are not resolved: the server is told by its address.
"""

import argparse
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as Request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse as Response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

NANOSECONDS = 10**9
KINDS = {"server": Span.SPAN_KIND_SERVER, "client": Span.SPAN_KIND_CLIENT, "internal": Span.SPAN_KIND_INTERNAL}
CONNECTION = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a request.

    Args:
        at: When it was sent, in seconds since 1970.
        seconds: Until it was answered or given up.
        acknowledged: Whether the server took all of it.
        answer: What the server said, or why there is no answer.
        traces: The ids of its traces.
    """

    at: float
    seconds: float
    acknowledged: bool
    answer: str
    traces: list[str]


def trace_id(name: str, number: int) -> str:
    """The id of a trace, as Jaeger writes it."""
    return _digest(name, number)[:16].hex()


def read(output: str) -> list[Sent]:
    """What the sender has printed; the last line may still be in the writing."""
    return [Sent(**json.loads(line)) for line in output.splitlines(keepends=True) if line.endswith("\n")]


def acknowledged(sent: Iterable[Sent]) -> list[str]:
    """The ids of the traces that the server took, in the order of their numbers."""
    return [trace for request in sent if request.acknowledged for trace in request.traces]


def by_grpc(server: str, patience: float) -> Callable[[Request], str]:
    """What sends a request, and gives what is wrong with the answer."""
    export = TraceServiceStub(grpc.insecure_channel(server, CONNECTION)).Export

    def send(request: Request) -> str:
        try:
            return _rejected(export(request, timeout=patience))
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"

    return send


def by_http(server: str, patience: float) -> Callable[[Request], str]:
    """The same, by HTTP."""
    connection = HTTPConnection(server, timeout=patience)

    def send(request: Request) -> str:
        headers = {"Content-Type": "application/x-protobuf"}
        try:
            connection.request("POST", "/v1/traces", request.SerializeToString(), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (HTTPException, OSError) as error:
            connection.close()  # the next request opens it again
            return repr(error)
        return _rejected(Response.FromString(body)) if answer.status == 200 else f"{answer.status}: {body!r}"

    return send


def request(given: argparse.Namespace, numbers: range) -> Request:
    """The traces of these numbers, all of which begin now."""
    built = Request()
    resource = built.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=given.service)))
    begin = time.time_ns() - round(given.ago * NANOSECONDS)
    spans = resource.scope_spans.add().spans
    for number in numbers:
        digest = _digest(given.name, number)
        spans.add(
            trace_id=digest[:16],
            span_id=digest[16:24],
            name=given.operation,
            kind=KINDS[given.kind],
            start_time_unix_nano=begin,
            end_time_unix_nano=begin + round(given.duration * NANOSECONDS),
            status=Status(code=Status.STATUS_CODE_ERROR if given.error else Status.STATUS_CODE_UNSET),
        )
    return built


def _digest(name: str, number: int) -> bytes:
    return hashlib.sha256(f"{name}/{number}".encode()).digest()


def _rejected(response: Response) -> str:
    partial = response.partial_success
    return f"{partial.rejected_spans} rejected: {partial.error_message}" if partial.rejected_spans else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("grpc", "http"))
    parser.add_argument("server", help="address and port")
    parser.add_argument("name", help="from which the ids follow")
    parser.add_argument("--first", type=int, default=0, help="number of the first trace")
    parser.add_argument("--requests", type=int, help="how many; without it, until it is ended")
    parser.add_argument("--traces", type=int, default=1, help="of each request")
    parser.add_argument("--rate", type=float, default=10, help="requests a second, if the server is quick enough")
    parser.add_argument("--patience", type=float, default=10, help="seconds until a request is given up")
    parser.add_argument("--service", default="api", help="whose spans they are")
    parser.add_argument("--operation", default="GET /", help="the name of the spans")
    parser.add_argument("--kind", choices=KINDS, default="server", help="of the spans")
    parser.add_argument("--error", action="store_true", help="whether they failed")
    parser.add_argument("--duration", type=float, default=0.01, help="of each span, in seconds")
    parser.add_argument("--ago", type=float, default=0, help="when they began, in seconds before they are sent")
    return parser.parse_args()


def main(given: argparse.Namespace) -> None:
    """Send, and print what became of it."""
    send = (by_grpc if given.way == "grpc" else by_http)(given.server, given.patience)
    begin = time.monotonic()
    for turn in itertools.count() if given.requests is None else range(given.requests):
        time.sleep(max(0, begin + turn / given.rate - time.monotonic()))
        first = given.first + turn * given.traces
        numbers = range(first, first + given.traces)
        at, started = time.time(), time.monotonic()
        wrong = send(request(given, numbers))
        sent = Sent(
            at=at,
            seconds=round(time.monotonic() - started, 3),
            acknowledged=not wrong,
            answer=wrong or "OK",
            traces=[trace_id(given.name, number) for number in numbers],
        )
        sys.stdout.write(f"{json.dumps(asdict(sent))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(_arguments())
