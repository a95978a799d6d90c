"""AWS outside of the test cluster: what the tests of stores and backups rely on."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.outside.aws import Bucket, access
from tests.cluster.outside.signature import Credentials, signed
from tests.cluster.outside.world import Outside
from tests.cluster.podidentity import ADDRESS
from tests.cluster.programs import built
from tests.real.images import AGENT

pytestmark = pytest.mark.stage(0)
NAMESPACE = "aws"
REGION = "us-east-1"
PREFIX = "mine/"
AGENT_URL = f"http://{ADDRESS}/v1/credentials"
TOKENS = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
INJECTED = {
    "AWS_STS_REGIONAL_ENDPOINTS": "regional",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": AGENT_URL,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{TOKENS}/eks-pod-identity-token",
}
LABEL = "eks.amazonaws.com/pod-identity"
PYTHON = "/usr/bin/python3"
# A request with headers and body as they are given, or a header that is the content of a file: status, then body.
SEND = """
import json, ssl, sys, urllib.error, urllib.request
method, url, headers, body, token = sys.argv[1:]
headers = json.loads(headers) | ({"Authorization": open(token).read()} if token else {})
trust = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
request = urllib.request.Request(url, body.encode() or None, headers, method=method)
try:
    answer = urllib.request.urlopen(request, timeout=3, context=trust)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode(), sep="\\n", end="")
"""
# Two requests on one connection, and a third one if the second was not answered; whom it speaks with is not verified.
CONNECTED = """
import http.client, ssl, sys
connection = http.client.HTTPSConnection(sys.argv[1], context=ssl._create_unverified_context(), timeout=10)
def ask():
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    print(answer.status, flush=True)
ask()
sys.stdin.readline()
try:
    ask()
except OSError:
    connection.close()
    print("cut off", flush=True)
    ask()
"""


def pod(name: str, account: str, **spec: Any) -> dict[str, Any]:
    """A pod that holds Python, with a label of its name."""
    main = {"name": "main", "image": AGENT.name, "command": [PYTHON, "-c", "import signal; signal.pause()"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {"serviceAccountName": account, "terminationGracePeriodSeconds": 0, "containers": [main], **spec},
    }


def selective() -> dict[str, Any]:
    """A pod of which one container is skipped, and an init container has a region of its own."""
    item = pod("selective", "writer")
    (main,) = item["spec"]["containers"]
    region = {"name": "AWS_REGION", "value": "eu-west-1"}
    first = {"name": "first", "image": AGENT.name, "command": [PYTHON, "-c", ""], "env": [region]}
    item["spec"] |= {"containers": [main, main | {"name": "aside"}], "initContainers": [first]}
    item["metadata"]["annotations"] = {"eks.amazonaws.com/skip-containers": "aside,other"}
    return item


def own_token(audience: str) -> dict[str, Any]:
    """A pod of an account without association, which asks for a token of an audience where others are given one."""
    source = {"serviceAccountToken": {"audience": audience, "path": "eks-pod-identity-token"}}
    item = pod("stranger", "stranger", volumes=[{"name": "mine", "projected": {"sources": [source]}}])
    item["spec"]["containers"][0]["volumeMounts"] = [{"name": "mine", "mountPath": TOKENS}]
    return item


def egress(name: str, rule: dict[str, Any]) -> dict[str, Any]:
    """What the pod of that name may reach."""
    spec = {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Egress"], "egress": [rule]}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def buckets(outside: Outside) -> tuple[Bucket, Bucket]:
    """A bucket of which the associated account may use a prefix, and one that is none of its business."""
    mine, other = (outside.aws.bucket(f"aws-test-{name}") for name in ("mine", "other"))
    outside.aws.allow(NAMESPACE, "writer", mine.name, PREFIX)
    return mine, other


@pytest.fixture(scope="module")
def pods(cluster: Cluster, outside: Outside, buckets: tuple[Bucket, Bucket]) -> Iterator[None]:
    """Pods of accounts with and without association, and two whose egress is restricted."""
    outside.aws.associate(NAMESPACE, "elsewhere", access(buckets[0].name), cluster="another")
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
        for name in ("writer", "stranger", "elsewhere")
    ]
    pods = [
        pod("writer", "writer"),
        pod("allowed", "writer"),
        pod("denied", "writer"),
        pod("elsewhere", "elsewhere"),
        own_token("pods.eks.amazonaws.com"),
        selective(),
    ]
    agent = {"to": [{"ipBlock": {"cidr": f"{ADDRESS}/32"}}], "ports": [{"port": 80}]}
    others = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [f"{ADDRESS}/32"]}}]}
    policies = [egress("allowed", agent), egress("denied", others)]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.apply(yaml.safe_dump_all([namespace, *accounts, *policies, *pods]))
    cluster.wait_ready(NAMESPACE, *(f"pod/{item['metadata']['name']}" for item in pods))
    yield
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def send(
    cluster: Cluster, pod: str, method: str, url: str, body: str = "", *, token: str = "", **headers: str
) -> tuple[int, str]:
    """Send a request from a pod: status and body of the answer."""
    arguments = (method, url, json.dumps(headers), body, token)
    status, _, answer = cluster.exec(NAMESPACE, pod, PYTHON, "-c", SEND, *arguments, container="main").partition("\n")
    return int(status), answer


def credentials(cluster: Cluster, pod: str) -> dict[str, str]:
    """What a client of AWS in a pod gets by the variables that are injected."""
    status, answer = send(cluster, pod, "GET", AGENT_URL, token=INJECTED["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
    assert status == 200, answer
    found: dict[str, str] = json.loads(answer)
    return found


@pytest.fixture(scope="module")
def session(cluster: Cluster, pods: None) -> Credentials:
    """The credentials of the associated account."""
    found = credentials(cluster, "writer")
    assert set(found) == {"AccessKeyId", "SecretAccessKey", "Token", "AccountId", "Expiration"}
    left = datetime.fromisoformat(found["Expiration"]) - datetime.now().astimezone()
    assert 3000 < left.total_seconds() <= 3600
    return Credentials(access_key=found["AccessKeyId"], secret_key=found["SecretAccessKey"], token=found["Token"])


def s3(cluster: Cluster, session: Credentials, method: str, url: str, body: str = "") -> tuple[int, str]:
    """A request to S3 by a pod, with credentials."""
    headers = signed(session, method, url, body.encode(), service="s3", region=REGION)
    return send(cluster, "writer", method, url, body, **headers)


def connects(cluster: Cluster, pod: str, target: str) -> bool:
    """Whether something listens there that a pod may reach."""
    scan = [*cluster.in_network_of(NAMESPACE, pod), built("probe"), "scan", f"{target}/tcp"]
    return "OPEN" in subprocess.run(scan, capture_output=True, text=True, check=True).stdout


def environment(container: dict[str, Any]) -> dict[str, str]:
    """The variables of a container."""
    return {variable["name"]: variable["value"] for variable in container.get("env", [])}


def mounts(container: dict[str, Any]) -> list[str]:
    """Where a container finds tokens for AWS."""
    return [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "eks-pod-identity-token"]


def test_an_associated_account_uses_its_prefix(
    cluster: Cluster, outside: Outside, buckets: tuple[Bucket, Bucket], session: Credentials
) -> None:
    """A pod writes, lists and reads below its prefix, by all names of its bucket, with their certificates verified."""
    mine, _ = buckets
    hosts = (f"{mine.name}.s3.{REGION}.amazonaws.com", f"{mine.name}.s3.dualstack.{REGION}.amazonaws.com")
    urls = [*(f"https://{host}" for host in hosts), f"https://s3.{REGION}.amazonaws.com/{mine.name}"]

    for number, url in enumerate(urls):
        assert s3(cluster, session, "PUT", f"{url}/{PREFIX}{number}/a", f"content {number}") == (200, "")
        assert s3(cluster, session, "GET", f"{url}/{PREFIX}{number}/a") == (200, f"content {number}")
        status, listed = s3(cluster, session, "GET", f"{url}/?list-type=2&prefix={PREFIX.replace('/', '%2F')}")
        assert (status, listed.count("<Key>")) == (200, number + 1)

    assert mine.keys() == mine.keys(PREFIX) == [f"{PREFIX}{number}/a" for number in range(3)]
    assert mine.keys(f"{PREFIX}1") == [f"{PREFIX}1/a"]
    assert mine.read(f"{PREFIX}2/a") == b"content 2"
    assert s3(cluster, session, "DELETE", f"{urls[0]}/{PREFIX}0/a") == (204, "")
    assert mine.keys() == [f"{PREFIX}1/a", f"{PREFIX}2/a"]
    with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED"):
        send(cluster, "writer", "GET", f"https://{outside.aws.addresses[f's3.{REGION}.amazonaws.com']}/")


def test_what_the_role_does_not_allow_is_refused(
    cluster: Cluster, buckets: tuple[Bucket, Bucket], session: Credentials
) -> None:
    """Another bucket, another prefix and the bucket itself are refused by S3, and so is a session without its token."""
    mine, other = (f"https://{bucket.name}.s3.{REGION}.amazonaws.com" for bucket in buckets)
    requests = [
        ("PUT", f"{other}/{PREFIX}a"),
        ("GET", f"{other}/?list-type=2&prefix={PREFIX.replace('/', '%2F')}"),
        ("PUT", f"{mine}/yours/a"),
        ("GET", f"{mine}/yours/a"),
        ("GET", f"{mine}/?list-type=2&prefix=yours"),
        ("GET", f"{mine}/?list-type=2"),
        ("DELETE", f"{mine}/"),
    ]

    answers = {request: s3(cluster, session, *request) for request in requests}

    assert {(status, "<Code>AccessDenied</Code>" in text) for status, text in answers.values()} == {(403, True)}, (
        answers
    )
    without = Credentials(access_key=session.access_key, secret_key=session.secret_key)
    assert s3(cluster, without, "PUT", f"{mine}/{PREFIX}b", "x")[0] == 403
    assert buckets[1].keys() == []


def test_what_s3_cannot_judge_is_no_deployment(outside: Outside, tmp_path: Path) -> None:
    """A template whose bucket has a policy that means nothing here is refused, with the reason that S3 gives."""
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}],
        "Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}},
    }
    policy = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": {"Statement": [statement]}}
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "aws-test-template"}},
        "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": policy},
    }
    (tmp_path / "Test.template.json").write_text(json.dumps({"Resources": resources}))

    with pytest.raises(ClusterError, match=r"(?s)/aws-test-template.*Policy has an invalid condition key"):
        outside.aws.deploy(tmp_path)


def test_who_is_not_associated_gets_nothing(cluster: Cluster, pods: None) -> None:
    """Nothing is injected into the pod, and the agent refuses its token, and any token for another audience."""
    for name in ("stranger", "elsewhere"):
        found = cluster.get("pod", name, NAMESPACE)
        (container,) = found["spec"]["containers"]
        assert environment(container) == {}
        assert "eks-pod-identity-token" not in {volume["name"] for volume in found["spec"]["volumes"]}
        assert LABEL not in found["metadata"]["labels"]
    default = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    asked = {
        name: send(cluster, name, "GET", AGENT_URL, token=token)
        for name, token in {"stranger": f"{TOKENS}/eks-pod-identity-token", "writer": default}.items()
    }
    assert asked["stranger"][0] == 404
    assert "(ResourceNotFoundException): no association of stranger in aws is known" in asked["stranger"][1]
    assert asked["writer"][0] == 400
    assert "(InvalidTokenException)" in asked["writer"][1]
    assert send(cluster, "writer", "GET", AGENT_URL) == (400, "Service account token cannot be empty")


def test_containers_are_given_what_the_real_webhook_gives(cluster: Cluster, pods: None) -> None:
    """Containers and init containers get variables and token, but for those that are skipped; own values stay."""
    found = cluster.get("pod", "selective", NAMESPACE)
    (first,), (main, aside) = found["spec"]["initContainers"], found["spec"]["containers"]
    (volume,) = (volume for volume in found["spec"]["volumes"] if volume["name"] == "eks-pod-identity-token")
    (source,) = volume["projected"]["sources"]

    assert environment(main) == INJECTED
    assert environment(aside) == {}
    own = {name: value for name, value in INJECTED.items() if name != "AWS_DEFAULT_REGION"}
    assert environment(first) == own | {"AWS_REGION": "eu-west-1"}
    assert [mounts(container) for container in (first, main, aside)] == [[TOKENS], [TOKENS], []]
    token = {"audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": "eks-pod-identity-token"}
    assert source == {"serviceAccountToken": token}
    assert found["metadata"]["labels"][LABEL] == "enabled"


def test_network_policies_hold_for_the_agent(cluster: Cluster, outside: Outside, pods: None) -> None:
    """A pod whose policy names the agent gets credentials, and one whose policy does not gets none."""
    assert credentials(cluster, "allowed")
    with pytest.raises(ClusterError, match="urlopen error"):
        credentials(cluster, "denied")
    address = outside.aws.addresses[f"s3.{REGION}.amazonaws.com"]
    assert [connects(cluster, name, f"{address}:443") for name in ("allowed", "denied")] == [False, True]


def test_s3_fails_as_long_as_a_test_wants(
    cluster: Cluster, outside: Outside, buckets: tuple[Bucket, Bucket], session: Credentials
) -> None:
    """Every request is answered with the error meanwhile, also by another name, and afterwards S3 is well again."""
    (mine, _), names = buckets, (f"s3.{REGION}", f"s3.dualstack.{REGION}")
    urls = [f"https://{mine.name}.{name}.amazonaws.com/{PREFIX}failing" for name in names]

    for status in (503, 500):
        with outside.aws.failing(status):
            answers = [s3(cluster, session, method, url) for url in urls for method in ("GET", "PUT", "DELETE")]
            assert credentials(cluster, "writer")
        assert {(status, "ServiceUnavailable" in text) for status, text in answers} == {(status, True)}
        assert [s3(cluster, session, "PUT", url, "well")[0] for url in urls] == [200, 200]

    assert mine.read(f"{PREFIX}failing") == b"well"


def test_a_connection_to_s3_does_not_outlive_its_failure(cluster: Cluster, outside: Outside, pods: None) -> None:
    """A client that is connected already is cut off, so that it fails too."""
    address = outside.aws.addresses[f"s3.{REGION}.amazonaws.com"]
    script = [*cluster.in_network_of(NAMESPACE, "writer"), sys.executable, "-c", CONNECTED, str(address)]

    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        assert client.stdout.readline() == "403\n"
        with outside.aws.failing():
            said, _ = client.communicate("\n")

    assert said.splitlines() == ["cut off", "503"]
