"""The door of the tests' SQS and CloudWatch: whom it believes, by AWS's own client, and what it asks about."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.credentials import Credentials as Keys
from urllib3 import HTTPResponse

from tests.cluster.outside.door import CLOUDWATCH, SQS, Asked, RefusedError, asked, asked_by, refuse_scope
from tests.cluster.outside.signature import TIME, Credentials, Request, Scope, SignedBy, signed

REGION, HOST = "us-east-1", "sqs.us-east-1.amazonaws.com"
SESSION = Credentials(access_key="ASIAEXAMPLE", secret_key="secret/+key", token="a token/+=")  # noqa: S106  # nobody's
URL = f"https://{HOST}/000000000000/blue_shop_till-0"
QUEUES = f"arn:aws:sqs:{REGION}:000000000000:"
BODY = json.dumps({"QueueUrl": URL, "WaitTimeSeconds": 20}).encode()
HEADERS = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ReceiveMessage"}


def by_botocore(credentials: Credentials = SESSION, *, query: str = "", region: str = REGION) -> Request:
    """A request as it arrives from a client of AWS."""
    request = AWSRequest("POST", f"https://{HOST}/{query}", {"Host": HOST, **HEADERS}, BODY)
    SigV4Auth(Keys(credentials.access_key, credentials.secret_key, credentials.token), "sqs", region).add_auth(request)
    return Request("POST", f"/{query}", {name.lower(): value for name, value in request.headers.items()}, BODY)


def by(request: Request) -> SignedBy:
    """What it says of its signature."""
    found = SignedBy.read(request.headers["authorization"])
    assert found
    return found


def valid(request: Request, secret_key: str = SESSION.secret_key) -> bool:
    """Whether it was signed by a key."""
    said = by(request)
    return request.signature(said.scope.key(secret_key), said.scope, said.headers) == said.signature


@pytest.mark.parametrize("query", ["", "?b=2&a=1", "?flag", "?a=%2F"])
def test_the_signature_of_a_client_of_aws_is_valid(query: str) -> None:
    """Of all that it signs, and it says who it is."""
    request = by_botocore(query=query)
    said = by(request)
    assert valid(request)
    assert (said.access_key, said.scope.region, said.scope.service) == (SESSION.access_key, REGION, "sqs")
    assert {"host", "x-amz-date", "x-amz-security-token", "x-amz-target"} <= set(said.headers)


def test_our_own_signature_is_that_of_a_client_of_aws() -> None:
    """At the same time, by the same credentials: other tests sign so."""
    headers = signed(SESSION, "POST", f"https://{HOST}/?b=2&a", BODY, service="sqs", region=REGION)
    request = Request("POST", "/?b=2&a", headers, BODY)
    other = AWSRequest("POST", f"https://{HOST}/?b=2&a=", {"Host": HOST}, BODY)
    other.context["timestamp"] = headers["x-amz-date"]
    for name in ("X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"):
        other.headers[name] = headers[name.lower()]
    auth = SigV4Auth(Keys(SESSION.access_key, SESSION.secret_key, SESSION.token), "sqs", REGION)
    expected = auth.signature(auth.string_to_sign(other, auth.canonical_request(other)), other)
    assert by(request).signature == expected
    assert valid(request)


@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, method="PUT"),
        lambda request: replace(request, target="/?a"),
        lambda request: replace(request, body=BODY.replace(b"till-0", b"till-1")),
        lambda request: replace(request, headers={**request.headers, "x-amz-target": "AmazonSQS.PurgeQueue"}),
        lambda request: replace(request, headers={**request.headers, "x-amz-security-token": "another"}),
        lambda request: replace(request, headers={**request.headers, "host": "elsewhere"}),
        lambda request: replace(request, headers={**request.headers, "x-amz-date": "20261128T020000Z"}),
    ],
    ids=["method", "path", "body", "action", "token", "host", "time"],
)
def test_what_was_changed_on_the_way_is_not_what_was_signed(change: Callable[[Request], Request]) -> None:
    """Whatever it is."""
    assert not valid(change(by_botocore()))


def test_another_key_does_not_sign_for_it() -> None:
    """Nor the same one for another service."""
    request = by_botocore()
    assert not valid(request, "another")
    said = by(request)
    other = Scope(said.scope.day, said.scope.region, "s3")
    assert request.signature(other.key(SESSION.secret_key), said.scope, said.headers) != said.signature


@pytest.mark.parametrize("text", ["", "Basic YTpi", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256"])
def test_what_is_no_signature_is_none(text: str) -> None:
    """It is not guessed what somebody might have meant."""
    assert SignedBy.read(text) is None


def refused(request: Request, *, service: str = "sqs", region: str = REGION, later: timedelta = timedelta(0)) -> str:
    """The code with which the scope of a request is refused; empty when it is not."""
    at = datetime.strptime(request.headers["x-amz-date"], TIME).replace(tzinfo=UTC)
    try:
        refuse_scope(by(request), request.headers, service=service, region=region, now=at + later)
    except RefusedError as error:
        return error.code
    return ""


def test_a_signature_is_for_this_service_region_and_time() -> None:
    """A quarter of an hour, either way; and who has a token has signed it."""
    request, plain = by_botocore(), by_botocore(replace(SESSION, token=""))
    assert refused(request) == refused(plain) == ""
    for minutes in (-15, 15):
        assert refused(request, later=timedelta(minutes=minutes)) == ""
        assert refused(request, later=timedelta(minutes=minutes, seconds=minutes / 15)) == "SignatureDoesNotMatch"
    assert refused(request, region="eu-west-1") == refused(request, service="monitoring") == "SignatureDoesNotMatch"
    other = signed(SESSION, "POST", f"https://{HOST}/", BODY, service="s3", region=REGION)
    assert refused(replace(request, headers=other)) == "SignatureDoesNotMatch"
    added = replace(plain, headers={**plain.headers, "x-amz-security-token": "stolen"})
    assert refused(added) == "IncompleteSignature"


@pytest.mark.parametrize(
    ("target", "given", "action", "queue"),
    [
        ("ReceiveMessage", {"QueueUrl": URL}, "sqs:ReceiveMessage", "blue_shop_till-0"),
        ("GetQueueUrl", {"QueueName": "blue_shop_till-1"}, "sqs:GetQueueUrl", "blue_shop_till-1"),
        ("DeleteMessageBatch", {"QueueUrl": URL, "Entries": []}, "sqs:DeleteMessage", "blue_shop_till-0"),
    ],
)
def test_policies_are_asked_about_the_action_on_the_queue(
    target: str, given: dict[str, object], action: str, queue: str
) -> None:
    """By the names that policies have for them."""
    headers = {"x-amz-target": f"AmazonSQS.{target}"}
    assert asked_by(headers) is SQS
    assert asked(SQS, headers, json.dumps(given).encode(), queues=QUEUES) == Asked(action, f"{QUEUES}{queue}")


def test_policies_are_asked_about_the_namespace_of_metrics() -> None:
    """By what AWS's own client really sends; there is no resource, so that a condition alone tells namespaces apart."""
    session = botocore.session.Session()
    session.set_credentials(SESSION.access_key, SESSION.secret_key, SESSION.token)
    client = session.create_client("cloudwatch", region_name=REGION)
    sent: list[AWSPreparedRequest] = []

    def take(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, HTTPResponse(io.BytesIO(b"{}"), preload_content=False))

    client.meta.events.register("before-send", take)
    data = [{"MetricName": "CpuUsed", "Dimensions": [{"Name": "Cluster", "Value": "blue"}], "Value": 1.5}]
    client.put_metric_data(Namespace="constructs-lib/prometheus", MetricData=data)
    (request,) = sent
    headers = {name.lower(): each if isinstance(each, str) else each.decode() for name, each in request.headers.items()}
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    there = Request("POST", "/", {**headers, "host": f"monitoring.{REGION}.amazonaws.com"}, body)

    assert valid(there)
    assert by(there).scope.service == CLOUDWATCH.service
    assert request.url == f"https://monitoring.{REGION}.amazonaws.com/"
    assert asked_by(headers) is CLOUDWATCH
    namespace = {"cloudwatch:namespace": "constructs-lib/prometheus"}
    assert asked(CLOUDWATCH, headers, body, queues=QUEUES) == Asked("cloudwatch:PutMetricData", "*", namespace)


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("AmazonSQS.ListQueues", b"{}", "AccessDeniedException"),
        ("DynamoDB.GetItem", b"{}", "UnsupportedOperation"),
        ("", b"Action=ReceiveMessage&QueueUrl=a", "UnsupportedOperation"),
        ("AmazonSQS.ReceiveMessage", b'["QueueUrl"]', "UnsupportedOperation"),
        (f"{CLOUDWATCH.prefix}PutMetricData", b"{}", "AccessDeniedException"),
        (f"{CLOUDWATCH.prefix}GetMetricStatistics", b'{"Namespace": "a"}', "AccessDeniedException"),
    ],
    ids=["no-queue", "service", "form", "list", "no-namespace", "reading"],
)
def test_what_no_policy_can_be_asked_about_is_refused(target: str, body: bytes, code: str) -> None:
    """It is never handed on unasked."""
    with pytest.raises(RefusedError) as refusal:
        asked(asked_by({"x-amz-target": target}), {"x-amz-target": target}, body, queues=QUEUES)
    assert refusal.value.code == code
