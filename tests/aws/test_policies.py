"""What roles and bucket policies of the rendered templates allow, as a published evaluator of IAM's policies decides.

Each pair is a request that is allowed, and one beside it that is not.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from apps import aws
from apps.environments import PROD
from tests.cluster.outside.templates import Deployment, deployment
from tests.rendered import DIST, ROOT

ACCOUNT, STRANGER, REGION = "111122223333", "444455556666", "us-east-1"
EVALUATOR = Path(__file__).with_name("evaluate.mjs")
VERSION = "2012-10-17"
# Who asks: the pods of a service account, somebody of an account, AWS itself, or nobody that S3 knows.
PROMETHEUS, LOKI, SAVER = "prometheus", "loki", "grafana-backup"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:user/administrator"
ELSEWHERE = f"arn:aws:iam::{STRANGER}:user/administrator"
POWERLESS = f"arn:aws:iam::{ACCOUNT}:user/powerless"
ANONYMOUS = "anonymous"
EKS, EC2 = "pods.eks.amazonaws.com", "ec2.amazonaws.com"
# The cluster's issuer of tokens where roles are had by web identity, another one, and how IAM knows them.
CLUSTER = "insurance-lead-gen-prod"
ISSUER, STRANGE = (f"oidc.eks.{REGION}.amazonaws.com/id/{each * 32}" for each in "AB")
PROVIDER, STRANGE_PROVIDER = (f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}" for issuer in (ISSUER, STRANGE))
# The evaluator ignores keys of providers that AWS does not document by name: in their places it gets those of two that
# have the same claims.
DOCUMENTED = {ISSUER: "accounts.google.com", STRANGE: "cognito-identity.amazonaws.com"}
MIGHTY = {"Effect": "Allow", "Action": "*", "Resource": "*"}

BACKUP, LOGS = "arn:aws:s3:::replace-me-prod-backup", "arn:aws:s3:::replace-me-prod-logs"
OF_STAGING = "arn:aws:s3:::replace-me-staging-backup"
BELOW = "insurance-lead-gen-prod/monitoring/prometheus/"
POINT = f"{BACKUP}/points/{BELOW}prometheus-0/20261128T020000Z.json"
META = f"{BACKUP}/blocks/{BELOW}prometheus-0/01JDR0000000000000000000AB/meta-0f.json"
CHUNK = f"{BACKUP}/blocks/{BELOW}prometheus-1/01JDR0000000000000000000AB/chunks/000001"
DUMP = f"{BACKUP}/points/insurance-lead-gen-prod/monitoring/{SAVER}/database/20261128T020000Z.dump"
LINES, INDEX = f"{LOGS}/fake/a1b2c3/19a:19b:cd", f"{LOGS}/index/index_20420/compactor-1.tsdb.gz"


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks for something.

    Args:
        who: By a name of above.
        action: As IAM calls it.
        what: An ARN; for the role of a service account, that one's name.
        context: What else IAM is told; by default the request came by TLS.
    """

    who: str
    action: str
    what: str
    context: tuple[tuple[str, str], ...] = ()

    def of(self, who: str) -> "Request":
        return replace(self, who=who)

    def to(self, action: str, what: str | None = None) -> "Request":
        return replace(self, action=action, what=what or self.what)

    def on(self, what: str) -> "Request":
        return replace(self, what=what)

    def told(self, key: str, value: str) -> "Request":
        return replace(self, context=tuple({**dict(self.context), key: value}.items()))

    def without(self, key: str) -> "Request":
        return replace(self, context=tuple(pair for pair in self.context if pair[0] != key))

    @property
    def plain(self) -> "Request":
        return self.told("aws:SecureTransport", "false")


def listing(who: str, bucket: str, prefix: str | None) -> Request:
    return Request(who, "s3:ListBucket", bucket, () if prefix is None else (("s3:prefix", prefix),))


def takes(account: str, **said: str) -> Request:
    """EKS takes the role of a service account for a pod of which it says this."""
    tags = {"eks-cluster-name": "insurance-lead-gen-prod", "kubernetes-namespace": "monitoring"}
    tags |= {"kubernetes-service-account": account, **{name.replace("_", "-"): value for name, value in said.items()}}
    context = {"aws:SourceAccount": ACCOUNT, **{f"aws:RequestTag/{name}": value for name, value in tags.items()}}
    return Request(EKS, "sts:AssumeRole", account, tuple(context.items()))


def brings(
    account: str,
    *,
    subject: str | None = None,
    audience: str = "sts.amazonaws.com",
    issuer: str = ISSUER,
    provider: str = PROVIDER,
) -> Request:
    """Somebody brings a token that says this, to take the role that a service account of the cluster names."""
    context = {f"{issuer}:sub": subject or f"system:serviceaccount:monitoring:{account}", f"{issuer}:aud": audience}
    what = f"{CLUSTER}-monitoring-{account}"
    return Request(provider, "sts:AssumeRoleWithWebIdentity", what, tuple(context.items()))


ADDS, READS, SEES = (
    Request(PROMETHEUS, "s3:PutObject", CHUNK),
    Request(PROMETHEUS, "s3:GetObject", META),
    listing(PROMETHEUS, BACKUP, f"blocks/{BELOW}prometheus-0/"),
)
WRITES, LOOKS, DELETES = (
    Request(LOKI, "s3:PutObject", LINES),
    Request(LOKI, "s3:GetObject", INDEX),
    Request(LOKI, "s3:DeleteObject", INDEX),
)
SAVES = Request(SAVER, "s3:PutObject", DUMP)
GIVES_UP = Request(PROMETHEUS, "s3:AbortMultipartUpload", CHUNK)
PAIRS: Mapping[str, tuple[Request, Request]] = {
    # The agent beside Prometheus: by TLS, below its prefixes, adding and reading.
    "adds-by-tls": (ADDS, ADDS.plain),
    "adds-points-by-tls": (ADDS.on(POINT), ADDS.on(POINT).plain),
    "reads-by-tls": (READS, READS.plain),
    "lists-by-tls": (SEES, SEES.plain),
    "adds-of-its-cluster": (ADDS, ADDS.on(CHUNK.replace("-prod/", "-staging/"))),
    "adds-of-its-namespace": (ADDS, ADDS.on(CHUNK.replace("/monitoring/", "/shop/"))),
    "adds-of-its-component": (ADDS, ADDS.on(CHUNK.replace("/prometheus/", "/thanos/"))),
    "adds-of-its-exact-component": (ADDS, ADDS.on(CHUNK.replace("/prometheus/", "/prometheus-2/"))),
    "adds-blocks-and-points": (ADDS.on(POINT), ADDS.on(POINT.replace("/points/", "/locks/"))),
    "adds-below-its-prefix": (ADDS.on(POINT), ADDS.on(f"{BACKUP}/points/20261128T020000Z.json")),
    "adds-objects-only": (ADDS, ADDS.to("s3:PutObjectAcl")),
    "adds-what-may-be-replaced": (ADDS, ADDS.to("s3:PutObjectRetention")),
    "adds-and-deletes-nothing": (ADDS, ADDS.to("s3:DeleteObject")),
    "adds-and-deletes-no-version": (ADDS, ADDS.to("s3:DeleteObjectVersion")),
    "adds-points-and-deletes-none": (ADDS.on(POINT), ADDS.on(POINT).to("s3:DeleteObject")),
    "adds-to-its-bucket": (ADDS, ADDS.on(CHUNK.replace(BACKUP, OF_STAGING))),
    "adds-and-not-to-the-logs": (ADDS, ADDS.on(CHUNK.replace(BACKUP, LOGS))),
    "reads-of-its-component": (READS, READS.on(META.replace("/prometheus/", "/thanos/"))),
    "reads-points-of-its-cluster": (READS.on(POINT), READS.on(POINT.replace("-prod/", "-staging/"))),
    "reads-what-is-current": (READS, READS.to("s3:GetObjectVersion")),
    "reads-from-its-bucket": (READS, READS.on(META.replace(BACKUP, OF_STAGING))),
    "reads-no-logs": (READS, READS.on(LINES)),
    "gives-up-its-uploads": (GIVES_UP, GIVES_UP.on(CHUNK.replace("/prometheus/", "/thanos/"))),
    "sees-no-uploads-of-others": (GIVES_UP, Request(PROMETHEUS, "s3:ListBucketMultipartUploads", BACKUP)),
    "lists-below-its-prefix": (SEES, listing(PROMETHEUS, BACKUP, None)),
    "lists-not-all-blocks": (SEES, listing(PROMETHEUS, BACKUP, "blocks/")),
    "lists-its-points": (listing(PROMETHEUS, BACKUP, f"points/{BELOW}"), listing(PROMETHEUS, BACKUP, "points/")),
    "lists-its-component": (SEES, listing(PROMETHEUS, BACKUP, f"blocks/{BELOW.replace('prometheus', 'thanos')}")),
    "lists-its-bucket": (SEES, listing(PROMETHEUS, LOGS, f"blocks/{BELOW}")),
    "lists-no-versions": (SEES, SEES.to("s3:ListBucketVersions")),
    "leaves-the-lifecycle": (SEES, Request(PROMETHEUS, "s3:PutLifecycleConfiguration", BACKUP)),
    "leaves-the-policy": (SEES, Request(PROMETHEUS, "s3:PutBucketPolicy", BACKUP)),
    "leaves-the-policy-there": (SEES, Request(PROMETHEUS, "s3:DeleteBucketPolicy", BACKUP)),
    "leaves-the-versions-on": (SEES, Request(PROMETHEUS, "s3:PutBucketVersioning", BACKUP)),
    "leaves-the-bucket": (SEES, Request(PROMETHEUS, "s3:DeleteBucket", BACKUP)),
    # The saver of Grafana's database: likewise, below prefixes of its own.
    "saves-by-tls": (SAVES, SAVES.plain),
    "saves-and-deletes-nothing": (SAVES, SAVES.to("s3:DeleteObject")),
    "saves-below-its-prefix": (SAVES, SAVES.on(POINT)),
    "saves-for-nobody-else": (SAVES, SAVES.of(PROMETHEUS)),
    "reads-what-it-saved": (SAVES.to("s3:GetObject"), SAVES.to("s3:GetObject", POINT)),
    "shows-nobody-what-it-saved": (SAVES.to("s3:GetObject"), SAVES.to("s3:GetObject").of(PROMETHEUS)),
    # Loki: everything with objects of its own bucket, and nothing with the bucket.
    "writes-logs-by-tls": (WRITES, WRITES.plain),
    "reads-logs-by-tls": (LOOKS, LOOKS.plain),
    "writes-no-restore-points": (WRITES, WRITES.on(POINT)),
    "reads-no-restore-points": (LOOKS, LOOKS.on(META)),
    "deletes-no-restore-points": (DELETES, DELETES.on(POINT)),
    "deletes-no-version-of-logs": (DELETES, DELETES.to("s3:DeleteObjectVersion")),
    "lists-logs-only": (listing(LOKI, LOGS, None), listing(LOKI, BACKUP, None)),
    "leaves-its-bucket": (listing(LOKI, LOGS, "index/"), Request(LOKI, "s3:DeleteBucket", LOGS)),
    "lets-nothing-expire": (DELETES, Request(LOKI, "s3:PutLifecycleConfiguration", LOGS)),
    "gives-up-uploads-of-logs": (WRITES.to("s3:AbortMultipartUpload"), WRITES.to("s3:AbortMultipartUpload", POINT)),
    # Everybody else.
    "known-is-who-reads-points": (READS.on(POINT), READS.on(POINT).of(ANONYMOUS)),
    "known-is-who-adds": (ADDS, ADDS.of(ANONYMOUS)),
    "known-is-who-reads-logs": (LOOKS, LOOKS.of(ANONYMOUS)),
    "of-this-account-is-who-reads": (READS.of(ADMINISTRATOR), READS.of(ELSEWHERE)),
    "of-this-account-is-who-deletes": (DELETES.of(ADMINISTRATOR), DELETES.of(ELSEWHERE)),
    "allowed-is-who-reads": (READS, READS.of(POWERLESS)),
    "administrators-come-by-tls": (READS.of(ADMINISTRATOR), READS.of(ADMINISTRATOR).plain),
    # Who gets the roles.
    "takes-the-role-of-its-account": (takes(PROMETHEUS), takes(PROMETHEUS, kubernetes_service_account=LOKI)),
    "takes-the-role-of-the-saver": (takes(SAVER), takes(SAVER, kubernetes_service_account=PROMETHEUS)),
    "takes-the-role-of-its-namespace": (takes(PROMETHEUS), takes(PROMETHEUS, kubernetes_namespace="shop")),
    "takes-the-role-of-its-cluster": (takes(LOKI), takes(LOKI, eks_cluster_name="insurance-lead-gen-staging")),
    "takes-the-role-for-its-account": (takes(LOKI), takes(LOKI).told("aws:SourceAccount", STRANGER)),
    "takes-the-role-with-tags": (
        takes(PROMETHEUS).to("sts:TagSession"),
        takes(PROMETHEUS).to("sts:TagSession").without("aws:RequestTag/kubernetes-service-account"),
    ),
    "eks-takes-the-role": (takes(LOKI), takes(LOKI).of(EC2)),
    "no-administrator-takes-the-role": (takes(PROMETHEUS), takes(PROMETHEUS).of(ADMINISTRATOR)),
}
# With roles by web identity: who takes them, and that they may do the same as the others.
AGENT = f"{CLUSTER}-monitoring-{PROMETHEUS}"
TOKENS: Mapping[str, tuple[Request, Request]] = {
    "token-of-its-account": (brings(PROMETHEUS), brings(PROMETHEUS, subject="system:serviceaccount:monitoring:loki")),
    "token-of-its-exact-account": (brings(LOKI), brings(LOKI, subject="system:serviceaccount:monitoring:loki-0")),
    "token-of-its-namespace": (brings(LOKI), brings(LOKI, subject="system:serviceaccount:shop:loki")),
    "token-of-an-account": (brings(PROMETHEUS), brings(PROMETHEUS, subject="system:node:prometheus")),
    "token-for-sts": (brings(PROMETHEUS), brings(PROMETHEUS, audience="https://kubernetes.default.svc")),
    "token-for-sts-alone": (brings(LOKI), brings(LOKI, audience=EKS)),
    "token-of-its-cluster": (brings(LOKI), brings(LOKI, issuer=STRANGE, provider=STRANGE_PROVIDER)),
    "token-with-claims-of-its-cluster": (brings(PROMETHEUS), brings(PROMETHEUS, issuer=STRANGE)),
    "token-known-by-its-cluster": (brings(PROMETHEUS), brings(PROMETHEUS, provider=STRANGE_PROVIDER)),
    "token-with-a-subject": (brings(LOKI), brings(LOKI).without(f"{ISSUER}:sub")),
    "token-with-an-audience": (brings(PROMETHEUS), brings(PROMETHEUS).without(f"{ISSUER}:aud")),
    "token-and-nothing-else": (brings(LOKI), brings(LOKI).of(ADMINISTRATOR)),
    "token-and-not-pod-identity": (brings(LOKI), brings(LOKI).of(EKS).to("sts:AssumeRole")),
    "its-role-adds-by-tls": (ADDS.of(AGENT), ADDS.of(AGENT).plain),
    "its-role-adds-and-deletes-nothing": (ADDS.of(AGENT), ADDS.of(AGENT).to("s3:DeleteObject")),
    "its-role-adds-of-its-component": (ADDS.of(AGENT), ADDS.of(AGENT).on(CHUNK.replace("/prometheus/", "/thanos/"))),
}


@pytest.fixture(scope="module")
def made() -> Deployment:
    """What the templates of production make."""
    return deployment(DIST / "prod" / "aws", region=REGION, account=ACCOUNT)


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """What they make where the account trusts the cluster's issuer."""
    directory = tmp_path_factory.mktemp("aws")
    app = aws.new_app(directory)
    aws.stacks(app, "prod", PROD.but(aws_account=ACCOUNT, oidc_issuer=ISSUER))
    app.synth()
    return deployment(directory, region=REGION, account=ACCOUNT)


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": list(statements)}


def simulation(request: Request, made: Deployment) -> dict[str, Any]:
    """A request as the evaluator takes it, with all policies that have a say."""
    roles = {role.name: role for role in made.roles.values()}
    roles |= {association.service_account: made.roles[association.role] for association in made.associations}
    own: list[dict[str, Any]] = []
    principal: str | dict[str, str] = request.who
    if request.who in roles:
        role = roles[request.who]
        principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/eks-prometheus-0"
        own = [{"name": name, "policy": document} for name, document in role.policies.items()]
    elif request.who in (ADMINISTRATOR, ELSEWHERE):
        own = [{"name": "administrator", "policy": policy(MIGHTY)}]
    elif request.who == ANONYMOUS:
        principal = {"type": "Anonymous"}
    context = {"aws:SecureTransport": "true", **dict(request.context)}
    if request.action.startswith("sts:"):
        what, theirs = roles[request.what].arn, dict(roles[request.what].trust)
    else:
        what = request.what
        bucket = what.removeprefix("arn:aws:s3:::").partition("/")[0]
        theirs = policy(*made.buckets.get(bucket, ()))
    return {
        "request": {
            "principal": principal,
            "action": request.action,
            "resource": {"resource": what, "accountId": ACCOUNT},
            "contextVariables": context,
        },
        "identityPolicies": own,
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        **({"resourcePolicy": theirs} if theirs["Statement"] else {}),
    }


def decided(simulations: list[dict[str, Any]]) -> list[str]:
    """What the evaluator says of each."""
    asked = json.dumps(simulations)
    for issuer, documented in DOCUMENTED.items():
        asked = asked.replace(f'"{issuer}:', f'"{documented}:')
    done = subprocess.run(["node", EVALUATOR], input=asked, capture_output=True, text=True, check=True, cwd=ROOT)
    found: list[str] = json.loads(done.stdout)
    return found


def opened(simulation: dict[str, Any]) -> dict[str, Any]:
    """The same request, where everybody may do everything."""
    to_all = {"Effect": "Allow", "Principal": "*", "Action": "*"}
    is_role = simulation["request"]["action"].startswith("sts:")
    return {**simulation, "resourcePolicy": policy(to_all if is_role else {**to_all, "Resource": "*"})}


Decisions = Mapping[Request, tuple[str, str]]


def decisions_of(pairs: Iterable[tuple[Request, Request]], made: Deployment) -> Decisions:
    """Of every request, what is decided of it, and what would be if everybody might do everything: in one run."""
    requests = list({request: None for pair in pairs for request in pair})
    simulations = [simulation(request, made) for request in requests]
    found = decided([*simulations, *map(opened, simulations)])
    return dict(zip(requests, zip(found[: len(requests)], found[len(requests) :], strict=True), strict=True))


@pytest.fixture(scope="module")
def decisions(made: Deployment) -> Decisions:
    """Of those that EKS gives a role."""
    return decisions_of(PAIRS.values(), made)


@pytest.fixture(scope="module")
def by_token(trusting: Deployment) -> Decisions:
    """Of those that have a token."""
    return decisions_of(TOKENS.values(), trusting)


def differ(decisions: Decisions, may: Request, may_not: Request) -> None:
    """The one is allowed and the other is not; if everybody might do everything, the other would be, too."""
    assert decisions[may][0] == "Allowed"
    assert decisions[may_not][0] in ("ImplicitlyDenied", "ExplicitlyDenied")
    assert decisions[may_not][1] == "Allowed"


@pytest.mark.parametrize(("may", "may_not"), PAIRS.values(), ids=list(PAIRS))
def test_the_one_is_allowed_and_the_other_is_not(decisions: Decisions, may: Request, may_not: Request) -> None:
    """And it is the policies that say so: without them, the other would be allowed, too."""
    differ(decisions, may, may_not)


@pytest.mark.parametrize(("may", "may_not"), TOKENS.values(), ids=list(TOKENS))
def test_the_token_of_one_service_account_takes_its_role_and_no_other_does(
    by_token: Decisions, may: Request, may_not: Request
) -> None:
    """Likewise where the account trusts the cluster's issuer, in place of EKS Pod Identity."""
    differ(by_token, may, may_not)


def test_roles_by_token_may_do_what_the_others_may(made: Deployment, trusting: Deployment) -> None:
    """Only who takes them differs, and that they have the names that the manifests say."""
    of_aws = {each.role for each in (*trusting.schedules, *trusting.functions.values())}
    assert {role.name for arn, role in trusting.roles.items() if arn not in of_aws} == {
        f"{CLUSTER}-monitoring-{each.service_account}" for each in made.associations
    }
    assert not trusting.associations
    assert trusting.buckets == made.buckets
    rights = [
        sorted(json.dumps(list(role.policies.values())) for role in each.roles.values()) for each in (made, trusting)
    ]
    assert rights[0] == rights[1]


@pytest.mark.trap(104)
def test_it_is_the_policy_of_the_bucket_that_denies_what_is_not_encrypted(made: Deployment) -> None:
    """A bucket that stayed without its policy would take points by plain HTTP."""
    bare = replace(made, buckets=dict.fromkeys(made.buckets, ()))
    asked = ADDS.on(POINT).plain
    assert decided([simulation(asked, made), simulation(asked, bare)]) == ["ExplicitlyDenied", "Allowed"]


def test_there_are_pairs_enough_of_each_kind() -> None:
    """Of every role, of both buckets, and of who is neither; no pair is another one again."""
    assert len(PAIRS) >= 30
    assert len(set(PAIRS.values())) == len(PAIRS)
    assert {request.who for pair in PAIRS.values() for request in pair} == {
        *(PROMETHEUS, LOKI, SAVER, ADMINISTRATOR, ELSEWHERE, POWERLESS, ANONYMOUS, EKS, EC2)
    }
