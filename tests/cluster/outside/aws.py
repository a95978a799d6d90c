"""AWS: S3, IAM with STS, SQS, CloudWatch, and those parts of EKS that give pods their roles."""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests import alarms
from tests.cluster.authority import PUBLIC, Authority
from tests.cluster.errors import ClusterError
from tests.cluster.injection import AUDIENCE, associations, seen
from tests.cluster.machine import Machine
from tests.cluster.outside.client import FORM, ask
from tests.cluster.outside.door import SQS
from tests.cluster.outside.eks import S3
from tests.cluster.outside.files import write
from tests.cluster.outside.functions import command
from tests.cluster.outside.metrics import Metrics
from tests.cluster.outside.moto import ACCOUNT, Moto
from tests.cluster.outside.queues import Queues
from tests.cluster.outside.record import Record
from tests.cluster.outside.signature import Credentials, signed
from tests.cluster.outside.templates import Association, Deployment, Function, Role, Schedule, deployment
from tests.cluster.outside.topics import Topics
from tests.cluster.outside.trust import (
    refuse_plain,
    refuse_uncalled,
    refuse_unheard,
    refuse_unknown,
    refuse_unstarting,
    refuse_untrusting,
)
from tests.cluster.programs import built, python
from tests.cluster.spec import ClusterSpec
from tests.cluster.waiting import wait

VERSION = "2012-10-17"  # of policies
IAM_VERSION = "2010-05-08"
IAM_SOCKET = "/run/iam.sock"  # of the machine's own /run
# S3 by its addresses is the server of failures instead, and whoever is connected already must connect again.
FAILING = """
table ip failing {{
  chain instead {{
    type nat hook prerouting priority dstnat
    ip daddr {{ {s3} }} tcp dport 443 dnat to {eks}
  }}
  chain cut {{
    type filter hook input priority filter
    iifname "eth0" ip daddr {{ {s3} }} tcp dport 443 reject with tcp reset
  }}
}}
"""
SOON = timedelta(seconds=30)
UNSIGNED = 403  # is answered to whom nobody knows


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of S3, seen where it is kept: no fault and no policy is in the way."""

    name: str
    directory: Path

    def keys(self, prefix: str = "") -> list[str]:
        """The keys of its whole objects below a prefix, sorted."""
        found = (path.relative_to(self.directory) for path in self.directory.rglob("*") if path.is_file())
        unfinished = ".sgwtmp"  # parts of uploads
        return sorted(str(key) for key in found if key.parts[0] != unfinished and str(key).startswith(prefix))

    def read(self, key: str) -> bytes:
        """The content of an object."""
        return (self.directory / key).read_bytes()


def access(bucket: str, prefix: str = "") -> dict[str, Any]:
    """The policy of who may list, read, write and delete what lies below a prefix of a bucket, and nothing else."""
    arn = f"arn:aws:s3:::{bucket}"
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": arn,
                "Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}},
            },
            {"Effect": "Allow", "Action": objects, "Resource": f"{arn}/{prefix}*"},
        ],
    }


class Aws:
    """A machine that is AWS for the cluster.

    S3 is versitygw, twice, for the two names that clients know, and `versitygw iam` is IAM and STS: a pod's token
    really becomes a session, and a request that no policy of its role allows is really refused. SQS and CloudWatch are
    moto, and before it a door at which the same IAM is asked; SNS, too, which tests alone ask. When schedules send, and
    when functions are called, is up to a test: see `fire` and `call`.

    Args:
        kubectl: `Kubernetes.kubectl` of the cluster.
    Attributes:
        addresses: Name of a host -> its address, which is also that of all names below one of S3.
        queues: SQS.
        metrics: CloudWatch.
        topics: SNS.
        schedules: Those that are deployed, by the name of the queue to which they send.
        functions: Likewise, by name.
        alarms: Likewise, their properties; a test judges them.
    """

    def __init__(self, spec: ClusterSpec, authority: Authority, directory: Path, kubectl: Callable[..., str]) -> None:
        self.machine = Machine("aws", directory)
        self._spec, self._authority, self._directory, self._kubectl = spec, authority, directory, kubectl
        self._hosts = spec.aws
        self.addresses: Mapping[str, IPv4Address] = spec.aws.addresses
        self._root = Credentials(access_key=f"AKIA{secrets.token_hex(8).upper()}", secret_key=secrets.token_hex(20))
        self._record = Record(directory)
        self._roles: dict[str, str] = {}  # cluster/namespace/service account -> ARN
        self._made: set[str] = set()  # ARNs of roles
        self._moto = Moto(self.machine, directory, region=spec.region)
        self.queues, self.metrics = Queues(self._moto, host=spec.aws.sqs), Metrics(self._moto)
        self.topics = Topics(self._moto)
        self.schedules: dict[str, Schedule] = {}
        self._users: dict[str, Credentials] = {}  # by the ARN of the role
        self.functions: dict[str, Function] = {}
        self.alarms: dict[str, Mapping[str, Any]] = {}

    def start(self) -> None:
        """Start everything, on a machine that has its network."""
        issuer = self._hosts.issuer
        self._names.write_text("127.0.0.1 localhost\n")
        self._name({**self.addresses, **self._spec.outside_addresses})  # what runs here finds them without DNS
        self.machine.run("mount", "--bind", str(self._names), "/etc/hosts")
        (self._directory / "iam").mkdir()
        self._objects.mkdir()
        self._gateway(self._hosts.iam, "iam", "--dir", str(self._directory / "iam"), "--private-ports", IAM_SOCKET)
        for host in self._hosts.s3_addresses:
            options = ("--virtual-domain", host, "--iam-standalone-endpoint", IAM_SOCKET, "--iam-cache-disable")
            self._gateway(host, *options, "posix", str(self._objects))
        self._moto.start(
            address=str(self.addresses[self._hosts.sqs]),
            certificate=self._authority.path(f"{PUBLIC}.crt"),
            key=self._authority.path(f"{PUBLIC}.key"),
            authority=self._trusted,
            iam=IAM_SOCKET,
            root=self._root,
        )
        write(self._directory / "associations.json", {})
        configuration = write(
            self._directory / "eks.json",
            {
                "certificate": self._authority.path(f"{PUBLIC}.crt"),
                "key": self._authority.path(f"{PUBLIC}.key"),
                "authority": self._trusted,
                "address": str(self.addresses[issuer]),
                "issuer": self._spec.issuer,
                "auth": self._hosts.auth,
                "sts": [self._hosts.sts, str(self.addresses[self._hosts.sts])],
            },
        )
        self.machine.start("eks", python("tests.cluster.outside.eks", configuration))

    def wait_ready(self) -> None:
        """Wait until everything answers, and make the cluster known, whose API server must be ready."""
        for file, path in (("issuer.json", "/.well-known/openid-configuration"), ("keys.json", "/openid/v1/jwks")):
            write(self._directory / file, json.loads(self._kubectl("get", "--raw", path)))
        wait("AWS answers", self._ready, SOON)
        known = {"Url": self._spec.issuer, "ClientIDList.member.1": AUDIENCE, "ThumbprintList.member.1": "0" * 40}
        self._iam("CreateOpenIDConnectProvider", **known)

    def deploy(self, templates: Path) -> dict[str, Bucket]:
        """Make what a directory of CloudFormation's templates has of buckets, queues, schedules, functions, alarms,
        topics, roles and associations.

        Of a bucket, its name and its policy are those of the template; of a topic, its name.

        Returns:
            The buckets by name.
        Raises:
            ClusterError: a role that EKS, EventBridge or Lambda may not take, a topic to which an alarm may not
                publish, or a policy that means something else here.
        """
        made = deployment(templates, region=self._spec.region, account=ACCOUNT)
        buckets = {name: self.bucket(name) for name in made.buckets}
        for name, statements in made.buckets.items():
            if statements:
                policy = json.dumps({"Version": VERSION, "Statement": statements})
                self._ask_s3(self._hosts.s3, "PUT", f"/{name}?policy=", policy.encode())
        accounts: dict[str, list[Association]] = {}
        for association in made.associations:
            role = made.roles[association.role]
            refuse_untrusting(role, association, region=self._spec.region, account=ACCOUNT)
            accounts.setdefault(role.arn, []).append(association)
        for arn, associated in accounts.items():
            refuse_unknown(made.roles[arn])
            self._make_role(made.roles[arn], *((each.namespace, each.service_account) for each in associated))
        self._associate({each.key: each.role for each in made.associations})
        for queue in made.queues.values():
            refuse_plain(queue)
            self.queues.make(queue)
        for schedule in made.schedules:
            role = made.roles[schedule.role]
            refuse_unstarting(role, schedule, account=ACCOUNT)
            refuse_unknown(role)
            self._make_user(role)
            self.schedules[schedule.target.rpartition(":")[2]] = schedule
        self._make_alarms(made)
        return buckets

    def fire(self, queue: str) -> None:
        """Send to a queue what its schedule says, as EventBridge Scheduler does when it is time.

        Raises:
            ClusterError: the role of the schedule does not allow it.
        """
        schedule = self.schedules[queue]
        host = self._hosts.sqs
        body = json.dumps({"QueueUrl": self.queues.url(queue), "MessageBody": schedule.input}).encode()
        starter = self._users[schedule.role]
        headers = signed(starter, "POST", f"https://{host}/", body, service=SQS.service, region=self._spec.region)
        self._ask(host, "POST", "/", body, headers=headers | SQS.target("SendMessage"))

    def call(self, function: str, event: Mapping[str, object], code: Path) -> str:
        """Call a function, as Lambda does: what it logged.

        Args:
            code: The directory in which its code is.
        Raises:
            ClusterError: it failed; the message ends with what it wrote.
        """
        called = self.functions[function]
        credentials = self._users[called.role]
        called_by = command(called, code, credentials, region=self._spec.region, authority=self._trusted)
        return self.machine.run(*called_by, stdin=json.dumps(event))

    def bucket(self, name: str) -> Bucket:
        """Make a bucket."""
        self._ask_s3(self._hosts.s3, "PUT", f"/{name}")
        self._name({f"{name}.{host}": address for host, address in self._hosts.s3_addresses.items()})
        return Bucket(name, self._objects / name)

    def allow(self, namespace: str, service_account: str, bucket: str, prefix: str = "") -> None:
        """Associate a service account with a role of its own that allows `access` to a bucket."""
        self.associate(namespace, service_account, access(bucket, prefix))

    def associate(
        self, namespace: str, service_account: str, policy: Mapping[str, object], *, cluster: str | None = None
    ) -> None:
        """Associate a service account with a role of its own, or change that role; pods started before have none.

        Args:
            policy: What the role may do, as in IAM's JSON.
            cluster: Name of the cluster of the service account, this one by default.
        """
        association = f"{cluster or self._spec.name}/{namespace}/{service_account}"
        arn = f"arn:aws:iam::{ACCOUNT}:role/{association.replace('/', '.')[:64]}"
        role = Role(arn=arn, trust={}, policies={"access": policy})
        self._make_role(role, (namespace, service_account))
        self._associate({association: arn})

    @contextmanager
    def failing(self, status: int = 503) -> Iterator[None]:
        """Let S3 answer every request with an error for a while, and cut the connections that it has."""
        s3 = ", ".join(str(address) for address in self._hosts.s3_addresses.values())
        with self._record.failing(S3, status):
            self.machine.run("nft", "--file", "-", stdin=FAILING.format(s3=s3, eks=self.addresses[self._hosts.auth]))
            try:
                yield
            finally:
                self.machine.run("nft", "delete", "table", "ip", "failing")

    @property
    def _trusted(self) -> str:
        return self._authority.path(f"{PUBLIC}-ca.crt")

    @property
    def _names(self) -> Path:
        return self._directory / "hosts"

    def _name(self, addresses: Mapping[str, IPv4Address]) -> None:
        """Let the machine know names."""
        with self._names.open("a") as file:
            file.writelines(f"{address} {name}\n" for name, address in addresses.items())

    @property
    def _objects(self) -> Path:
        return self._directory / "s3"

    def _gateway(self, host: str, *arguments: str) -> None:
        """Start versitygw under a name and at its address."""
        options = {
            "port": f"{self.addresses[host]}:443",
            "cert": self._authority.path(f"{PUBLIC}.crt"),
            "key": self._authority.path(f"{PUBLIC}.key"),
            "access": self._root.access_key,
            "secret": self._root.secret_key,
            "region": self._spec.region,
        }
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        trust = f"SSL_CERT_FILE={self._authority.path(f'{PUBLIC}-ca.crt')}"
        self.machine.start(host, ["env", trust, built("versitygw"), *flags, "--keep-alive", *arguments])

    def _ready(self) -> bool:
        self.machine.check()
        self.queues.ask("ListQueues")
        for host in (self._hosts.sqs, self._hosts.cloudwatch):
            if (status := self._status(host)) != UNSIGNED:
                raise ClusterError(f"{host} answers nobody with {status}")
        self._iam("ListRoles")
        for host in self._hosts.s3_addresses:
            self._ask_s3(host, "GET", "/")
        issuer, path = self._hosts.issuer, self._spec.issuer.partition(self._hosts.issuer)[2]
        self._ask(issuer, "GET", f"{path}/keys", headers={})
        return True

    def _make_role(self, role: Role, *accounts: tuple[str, str]) -> None:
        """Make a role that the session of a token of these service accounts is of, or change what it may do."""
        if role.arn not in self._made:
            self._iam("CreateRole", RoleName=role.name, AssumeRolePolicyDocument=self._trust(*accounts))
            self._made.add(role.arn)
        for name, policy in role.policies.items():
            self._iam("PutRolePolicy", RoleName=role.name, PolicyName=name, PolicyDocument=json.dumps(policy))

    def _make_alarms(self, made: Deployment) -> None:
        """Make functions, what judges what they tell, and who hears of that."""
        for function in made.functions.values():
            role = made.roles[function.role]
            refuse_uncalled(role)
            refuse_unknown(role)
            self._make_user(role)
        for name, alarm in made.alarms.items():
            asking = alarms.arn(name, region=self._spec.region, account=ACCOUNT)
            for action in {*alarm.get("AlarmActions", ()), *alarm.get("OKActions", ())}:
                refuse_unheard(made.topics[action], asking, account=ACCOUNT)
        for topic in made.topics:
            self.topics.make(topic)
        self.functions |= made.functions
        self.alarms |= made.alarms

    def _make_user(self, role: Role) -> None:
        """Make a user who may do what the role of a service may: versitygw has sessions for tokens of pods alone."""
        if role.arn in self._users:
            return
        self._iam("CreateUser", UserName=role.name)
        for name, policy in role.policies.items():
            self._iam("PutUserPolicy", UserName=role.name, PolicyName=name, PolicyDocument=json.dumps(policy))
        made = self._iam("CreateAccessKey", UserName=role.name)
        access_key, secret_key = (re.search(rf"<{name}>([^<]+)<", made) for name in ("AccessKeyId", "SecretAccessKey"))
        assert access_key
        assert secret_key
        self._users[role.arn] = Credentials(access_key=access_key[1], secret_key=secret_key[1])

    def _associate(self, roles: Mapping[str, str]) -> None:
        self._roles |= roles
        write(self._directory / "associations.json", self._roles)
        self._tell_cluster()

    def _trust(self, *accounts: tuple[str, str]) -> str:
        """The stand-in of a trust in EKS, which versitygw does not know: that in the cluster's issuer."""
        issuer = self._spec.issuer.removeprefix("https://")
        subject = [f"system:serviceaccount:{namespace}:{account}" for namespace, account in accounts]
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{issuer}:sub": subject, f"{issuer}:aud": AUDIENCE}},
        }
        return json.dumps({"Version": VERSION, "Statement": [statement]})

    def _tell_cluster(self) -> None:
        """Let the cluster's admission know the associations, and return when it does."""
        pairs = [association.split("/") for association in self._roles]
        known = [(namespace, account) for cluster, namespace, account in pairs if cluster == self._spec.name]
        text = yaml.safe_dump(associations(known))
        applied = self._kubectl("apply", "--server-side", "--output", "json", "--filename", "-", input=text)
        version = json.loads(applied)["metadata"]["resourceVersion"]
        wait("associations are known to admission", lambda: seen(self._kubectl) == version, SOON)

    def _iam(self, action: str, **parameters: str) -> str:
        form = urlencode({"Action": action, "Version": IAM_VERSION, **parameters}).encode()
        host = self._hosts.iam
        headers = signed(self._root, "POST", f"https://{host}/", form, service="iam", region=self._spec.region)
        return self._ask(host, "POST", "/", form, headers=headers | FORM)

    def _ask_s3(self, host: str, method: str, path: str, body: bytes = b"") -> str:
        headers = signed(self._root, method, f"https://{host}{path}", body, service=S3, region=self._spec.region)
        return self._ask(host, method, path, body, headers=headers)

    def _status(self, host: str) -> int:
        """What is answered to a request that nobody signed."""
        address, authority = str(self.addresses[host]), self._trusted
        return self.machine.call(lambda: ask(host, address, "POST", "/", headers={}, authority=authority))[0]

    def _ask(self, host: str, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str]) -> str:
        address, authority = str(self.addresses[host]), self._trusted
        status, text = self.machine.call(
            lambda: ask(host, address, method, path, body, headers=headers, authority=authority)
        )
        if status >= 300:
            raise ClusterError(f"{method} https://{host}{path} was answered with {status}: {text}")
        return text
