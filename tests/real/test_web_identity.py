"""IAM roles for service accounts: a real STS reads the trust that is rendered, and our programs bring it tokens.

versitygw is STS, IAM and S3, and fetches the keys of two issuers that it knows; only one of them is the cluster's. moto
is SQS and CloudWatch, behind a door at which the same IAM is asked. The agent and Loki find their tokens as EKS'
webhook gives them to containers: by variables and a file. All of it is in a network of its own, since versitygw refuses
issuers with private addresses.
"""

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aws_cdk as cdk
import boto3
import pytest

from constructs_lib.aws import BackupPipeline, BackupSchedule, ObjectStore, PrometheusAlarms
from constructs_lib.cloudwatch import DRILLS, USAGE
from constructs_lib.config.loki import LokiConfig
from constructs_lib.contract import Bucket, Identity, WebIdentity
from constructs_lib.restore_points import BackupLimits, Origin, RestorePoints
from constructs_lib.units import Bytes
from tests.aws.synthesized import template
from tests.cluster.errors import ClusterError
from tests.cluster.fixture import needed
from tests.cluster.machine import Machine, in_network
from tests.cluster.outside.metrics import Metrics
from tests.cluster.outside.moto import Moto
from tests.cluster.outside.provider import base64url, openssl
from tests.cluster.outside.queues import Queues
from tests.cluster.outside.signature import Credentials
from tests.cluster.outside.templates import Role, deployment
from tests.cluster.programs import built, require
from tests.cluster.waiting import wait
from tests.real import agents
from tests.real.loki import loki, push
from tests.real.loopback import asked, soon
from tests.real.s3 import ACCESS, BUCKET, REGION, SECRET, environment
from tests.rendered import ROOT

ACCOUNT = "000000000000"  # versitygw knows no other
HOST = "203.0.113.77"  # IAM takes no issuer with a port
DOOR = "203.0.113.78"  # of SQS and CloudWatch
STS, S3 = "http://127.0.0.1:8001", "http://127.0.0.1:8002"
TRUSTED = WebIdentity(account=ACCOUNT, issuer=f"{HOST}/id/OURS")
STRANGE = replace(TRUSTED, issuer=f"{HOST}/id/STRANGE")
PROMETHEUS = Origin(cluster="blue", namespace="monitoring", component="prometheus")
LOKI = Identity(cluster="blue", namespace="monitoring", service_account="loki")
LOGS = Bucket(name="logs", region=REGION)
NAME = "blue-monitoring-prometheus"
REPLICA, FOREIGN = PROMETHEUS.queue("prometheus-0"), "green_monitoring_prometheus-0"
SUBJECT, AUDIENCE = "system:serviceaccount:monitoring:prometheus", "sts.amazonaws.com"
SOON = timedelta(seconds=60)
# What the agent does with its queue, and whether it may do more.
TAKE = """
import sys
from datetime import timedelta
import botocore.session
from botocore.exceptions import ClientError
from constructs_lib.agent.starts import Queue, Starts

name, region = sys.argv[1:]
starts = Starts()
queue = Queue.connect(name, region=region, starts=starts)
assert queue.poll(timedelta(0)), starts.reached
print(starts.waiting)
starts.begin()
starts.end()
assert queue.poll(timedelta(0))
print(len(starts.held()))
client = botocore.session.get_session().create_client("sqs", region_name=region)
try:
    client.send_message(QueueUrl=client.get_queue_url(QueueName=name)["QueueUrl"], MessageBody="start")
except ClientError as error:
    print(error.response["Error"]["Code"])
"""
# Likewise, with CloudWatch.
TELL = """
import sys
from constructs_lib.agent.cloudwatch import CloudWatch

namespace, region = sys.argv[1:]
CloudWatch.connect(region=region, namespace=namespace).tell({"CpuUsed": 12.5}, unit="Percent", dimensions={"A": "b"})
"""


class Issuer:
    """A cluster's issuer of tokens: its key, and what it publishes."""

    def __init__(self, directory: Path, identity: WebIdentity) -> None:
        self.url = f"https://{identity.issuer}"
        self.key = directory / f"{identity.issuer.rpartition('/')[2]}.key"
        openssl("genrsa", "-out", str(self.key), "2048")
        modulus = openssl("rsa", "-in", str(self.key), "-noout", "-modulus").decode().strip().partition("=")[2]
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": "1",
            "e": "AQAB",
            "n": base64url(bytes.fromhex(modulus)),
        }
        path = identity.issuer.removeprefix(HOST)
        self.documents: Mapping[str, Any] = {
            f"{path}/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            },
            f"{path}/keys": {"keys": [key]},
        }

    def token(self, subject: str = SUBJECT, audience: str = AUDIENCE) -> Path:
        """The file of a token, as the API server gives it to the pods of a service account."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": subject, "aud": [audience], "iat": now - 10, "exp": now + 3600}
        head = {"alg": "RS256", "kid": "1"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = base64url(openssl("dgst", "-sha256", "-sign", str(self.key), given=text.encode()))
        file = self.key.with_suffix(".token")
        file.write_text(f"{text}.{signature}")
        return file


def certified(directory: Path) -> tuple[Path, Path]:
    """A certificate of the hosts of the issuers and of SQS, and its key."""
    certificate, key = directory / "host.crt", directory / "host.key"
    request = ("req", "-config", "/dev/null", "-x509", "-days", "1", "-subj", "/CN=issuers", "-nodes")
    names = ("-addext", f"subjectAltName=IP:{HOST},IP:{DOOR}", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl(*request, "-newkey", "rsa:2048", "-keyout", str(key), "-out", str(certificate), *names)
    return certificate, key


@contextmanager
def published(issuers: list[Issuer], machine: Machine, certificate: Path, key: Path) -> Iterator[None]:
    """The issuers' documents, by TLS."""
    documents = {path: document for issuer in issuers for path, document in issuer.documents.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(documents[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with machine.call(lambda: ThreadingHTTPServer((HOST, 443), Handler)) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


def injected(role: str, token: Path) -> dict[str, str]:
    """What EKS' webhook tells a container, and where STS is."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    said = {"AWS_ROLE_ARN": arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_STS_REGIONAL_ENDPOINTS": "regional"}
    return {**said, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL_STS": STS}


@dataclass(frozen=True, slots=True)
class Aws:
    """An account that knows two issuers, with the roles and the buckets of a template.

    Args:
        machine: Where all of it runs.
        ours: The issuer of the cluster.
        strange: Of another one.
        objects: Where those of the buckets are files.
        queues: Of SQS.
        metrics: Of CloudWatch.
        certificate: Whom its clients trust.
    """

    machine: Machine
    ours: Issuer
    strange: Issuer
    objects: Path
    queues: Queues
    metrics: Metrics
    certificate: Path

    def make(self, name: str, trust: Mapping[str, Any], policies: Mapping[str, Any]) -> None:
        """Make a role."""

        def made() -> None:
            iam = self._iam()
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
            for policy, document in policies.items():
                iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))

        self.machine.call(made)

    def know(self, issuer: Issuer) -> None:
        """Make its provider."""
        audiences = [AUDIENCE, "somebody-else"]
        self.machine.call(
            lambda: self._iam().create_open_id_connect_provider(
                Url=issuer.url, ClientIDList=audiences, ThumbprintList=["0" * 40]
            )
        )

    def listed(self, token: Path, *, role: str = NAME, component: str = "prometheus") -> CompletedProcess[str]:
        """What the agent says of restore points, in a container to which EKS' webhook has given a token."""
        own = {name: value for name, value in environment(S3).items() if "ACCESS_KEY" not in name}
        place = (f"--bucket={BUCKET}", f"--region={REGION}", f"--source=blue/monitoring/{component}/prometheus-0")
        return subprocess.run(
            [*in_network(self.machine.network), *agents.command("list", *place)],
            check=False,
            capture_output=True,
            text=True,
            env=own | injected(role, token),
            timeout=60,
        )

    def taken(self, token: Path, queue: str) -> CompletedProcess[str]:
        """What the agent does with a queue, likewise."""
        return self._ran(token, TAKE, queue, REGION)

    def told(self, token: Path, namespace: str) -> CompletedProcess[str]:
        """What the agent does with CloudWatch, likewise."""
        return self._ran(token, TELL, namespace, REGION)

    def _ran(self, token: Path, program: str, *arguments: str) -> CompletedProcess[str]:
        own = {name: value for name, value in environment(S3).items() if "ACCESS_KEY" not in name}
        there = {f"AWS_ENDPOINT_URL_{name}": f"https://{DOOR}" for name in ("SQS", "CLOUDWATCH")}
        reached = {**there, "AWS_CA_BUNDLE": str(self.certificate)}
        return subprocess.run(
            [*in_network(self.machine.network), sys.executable, "-c", program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=own | injected(NAME, token) | reached,
            cwd=ROOT,
            timeout=60,
        )

    def _iam(self) -> Any:
        return boto3.client(
            "iam", endpoint_url=STS, region_name=REGION, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
        )


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Role]:
    """Those that pods take, by name, as they are rendered."""
    directory = tmp_path_factory.mktemp("templates")
    points = RestorePoints(bucket=Bucket(name=BUCKET, region=REGION), limits=BackupLimits(queued=True))

    def build(stack: cdk.Stack) -> None:
        pipeline = BackupPipeline(
            stack, "Points", restore_points=points, replicas={PROMETHEUS: PROMETHEUS.replicas()}, web_identity=TRUSTED
        )
        BackupSchedule(stack, "Schedule", pipeline=pipeline)
        PrometheusAlarms(stack, "Alarms", pipeline=pipeline)
        ObjectStore(stack, "Logs", bucket=LOGS, identity=LOKI, web_identity=TRUSTED)

    (directory / "Both.template.json").write_text(json.dumps(template(build, region=REGION).to_json()))
    made = deployment(directory, region=REGION, account=ACCOUNT)
    starters = {schedule.role for schedule in made.schedules}
    return {role.name: role for role in made.roles.values() if role.arn not in starters}


@pytest.fixture(scope="module")
def account(roles: Mapping[str, Role], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """With both roles, both buckets, two queues and both issuers."""
    with needed():
        require()
    directory = tmp_path_factory.mktemp("aws")
    for path in (directory / "iam", directory / "s3" / BUCKET, directory / "s3" / LOGS.name):
        path.mkdir(parents=True)
    machine = Machine("aws", directory / "machine")
    machine.boot()
    try:
        machine.ip(f"address add {HOST}/32 dev lo", f"address add {DOOR}/32 dev lo")
        ours, strange = Issuer(directory, TRUSTED), Issuer(directory, STRANGE)
        certificate, key = certified(directory)
        with published([ours, strange], machine, certificate, key):
            socket = str(directory / "iam.sock")
            root = (f"ROOT_ACCESS_KEY={ACCESS}", f"ROOT_SECRET_KEY={SECRET}", f"SSL_CERT_FILE={certificate}")
            for url, options in (
                (STS, ("iam", "--dir", str(directory / "iam"), "--private-ports", socket)),
                (S3, ("--iam-standalone-endpoint", socket, "--iam-cache-disable", "posix", str(directory / "s3"))),
            ):
                port = ("--port", url.removeprefix("http://"), "--region", REGION, "--health", "/health")
                machine.start(url.rpartition(":")[2], ["env", *root, built("versitygw"), *port, *options])
                machine.call(partial(soon, f"{url}/health"))
            moto = Moto(machine, directory, region=REGION)
            queues = Queues(moto, host=DOOR)
            identity = Credentials(access_key=ACCESS, secret_key=SECRET)
            moto.start(
                address=DOOR,
                certificate=str(certificate),
                key=str(key),
                authority=str(certificate),
                iam=socket,
                root=identity,
            )
            for name in (REPLICA, FOREIGN):
                wait("there is a queue", lambda name=name: queues.ask("CreateQueue", QueueName=name), SOON)
            made = Aws(machine, ours, strange, directory / "s3", queues, Metrics(moto), certificate)
            for issuer in (ours, strange):
                made.know(issuer)
            for role in roles.values():
                made.make(role.name, role.trust, role.policies)
            yield made
    finally:
        machine.stop()


def test_the_agent_has_the_rights_of_its_role_by_its_token(account: Aws) -> None:
    """STS takes the token for the role that the service account names, and S3 the session."""
    done = account.listed(account.ours.token())
    assert done.returncode == 0, done.stderr


def test_the_session_is_worth_what_the_role_is(account: Aws) -> None:
    """What other components have is not seen."""
    done = account.listed(account.ours.token(), component="thanos")
    assert done.returncode != 0
    assert "AccessDenied" in done.stdout + done.stderr


def test_the_agent_takes_what_starts_it_by_its_token(account: Aws) -> None:
    """From the queue of its replica, which SQS gives to its session; and it starts nobody."""
    account.queues.ask("SendMessage", QueueUrl=account.queues.url(REPLICA), MessageBody="start")
    done = account.taken(account.ours.token(), REPLICA)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "0", "AccessDeniedException"]), done.stderr
    assert account.queues.waiting(REPLICA) == (0, 0)


def test_no_other_cluster_s_queue_is_its(account: Aws) -> None:
    """It gets nothing from there, and what is in it stays."""
    account.queues.ask("SendMessage", QueueUrl=account.queues.url(FOREIGN), MessageBody="start")
    done = account.taken(account.ours.token(), FOREIGN)
    assert done.returncode != 0
    assert f"no identity-based policy allows the sqs:GetQueueUrl action on arn:aws:sqs:{REGION}" in done.stderr
    assert account.queues.waiting(FOREIGN) == (1, 0)


def test_the_agent_tells_what_its_server_uses_by_its_token(account: Aws) -> None:
    """CloudWatch takes it of the one namespace of which the role may tell, and of no other."""
    begin = time.time()
    for namespace, code in ((USAGE, 0), (DRILLS, 1)):
        done = account.told(account.ours.token(), namespace)
        assert done.returncode == code, done.stderr
    assert "no identity-based policy allows the cloudwatch:PutMetricData action on * constructs-lib/rest" in done.stderr
    (told,) = account.metrics.told(USAGE, "CpuUsed", {"A": "b"}, since=begin)
    assert (told.value, told.unit) == (12.5, "Percent")
    assert begin < told.at < time.time()
    assert account.metrics.told(USAGE, "CpuUsed", {"A": "b"}, since=told.at + 0.01) == []
    assert account.metrics.told(USAGE, "CpuUsed", {"A": "c"}) == []
    assert account.metrics.told(DRILLS, "CpuUsed", {"A": "b"}) == []
    with pytest.raises(ClusterError, match="name all dimensions"):
        account.metrics.told(USAGE, "CpuUsed", {})


def test_loki_has_the_rights_of_its_role_by_its_token(account: Aws, tmp_path: Path) -> None:
    """A line is an object of its bucket."""
    config = LokiConfig(directory=str(tmp_path / "volume"), bucket=LOGS, memory=Bytes.gib(2))
    token = account.ours.token("system:serviceaccount:monitoring:loki")
    variables = {"POD_IP": "127.0.0.1", "TMPDIR": str(tmp_path / "volume")} | injected("blue-monitoring-loki", token)
    address = (f"-s3.endpoint={S3.removeprefix('http://')}", "-s3.insecure=true", "-s3.force-path-style=true")
    listen = [f"-server.{name}-listen-address=127.0.0.1" for name in ("http", "grpc")]
    command = loki(config.to_dict(), tmp_path, *listen, *address, "-ingester.min-ready-duration=0s")
    account.machine.start("loki", ["env", *(f"{name}={value}" for name, value in variables.items()), *command])
    url = f"http://127.0.0.1:{config.to_dict()['server']['http_listen_port']}"

    def stored() -> list[Path]:
        asked(f"{url}/flush", {})
        return list((account.objects / LOGS.name / "fake").glob("*/*"))

    def told() -> None:
        soon(f"{url}/ready")
        push(url, "a line", time.time_ns())
        wait("the line is stored", stored, SOON)

    account.machine.call(told)
    account.machine.kill("loki")


REFUSED: Mapping[str, Mapping[str, str]] = {
    "another service account": {"subject": "system:serviceaccount:monitoring:loki"},
    "a service account of a longer name": {"subject": f"{SUBJECT}-2"},
    "another namespace": {"subject": SUBJECT.replace("monitoring", "shop")},
    "another audience": {"audience": "somebody-else"},
}


@pytest.mark.parametrize("claims", REFUSED.values(), ids=list(REFUSED))
def test_a_token_of_or_for_somebody_else_takes_nothing(account: Aws, claims: Mapping[str, str]) -> None:
    """The cluster's issuer has signed it, and the account knows the audience: only the role does not trust it."""
    done = account.listed(account.ours.token(**claims))
    assert done.returncode != 0
    assert "AssumeRoleWithWebIdentity" in done.stdout + done.stderr


def test_a_token_of_another_cluster_takes_nothing(account: Aws) -> None:
    """It says the same of itself, and the account knows its issuer."""
    done = account.listed(account.strange.token())
    assert done.returncode != 0
    assert "AssumeRoleWithWebIdentity" in done.stdout + done.stderr


def test_it_is_the_trust_that_refuses(account: Aws, roles: Mapping[str, Role]) -> None:
    """A role of which nothing is asked but an issuer is had by all of its tokens: those above are good ones."""
    for issuer, identity in ((account.ours, TRUSTED), (account.strange, STRANGE)):
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": identity.provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike": {f"{identity.issuer}:aud": "*"}},
        }
        name = f"open-to-{identity.issuer.rpartition('/')[2]}"
        account.make(name, {"Version": "2012-10-17", "Statement": [statement]}, roles[NAME].policies)
        for claims in ({}, *REFUSED.values()):
            done = account.listed(issuer.token(**claims), role=name)
            assert done.returncode == 0, (claims, done.stderr)
