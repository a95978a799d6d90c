"""Roles that pods get by their service accounts."""

import re

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.aws.bucket import PrivateBucket
from constructs_lib.aws.places import assert_when_deployed, differ
from constructs_lib.contract import BucketAccess, Identity, WebIdentity
from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label, object_name

PODS = "pods.eks.amazonaws.com"
# Whom the tokens are for that EKS' webhook gives to pods.
AUDIENCE = "sts.amazonaws.com"


@jsii.implements(iam.IGrantable)
class ServiceAccountRole(Construct):
    """The one role of a service account, which EKS Pod Identity gives to its pods, and to nobody else's.

    The cluster is one of the stack's region, and has the add-on eks-pod-identity-agent. Pods that were started before
    the role was theirs get it when they are started again. Nothing on the service account names it.

    With a web identity, the pods take the role themselves, by a token of their service account, which names it. So the
    role has a name, which CloudFormation makes with CAPABILITY_NAMED_IAM alone, and only in the account of the web
    identity. The provider of its issuer is there already: nobody makes it here, since a cluster has one for all.

    The CDK's own constructs take it wherever they grant something, as they do a role.

    Args:
        identity: Cluster, namespace and service account, which need not exist yet.
        web_identity: Whose tokens are trusted in place of EKS Pod Identity.
    Raises:
        ConstructError: a name that EKS, IAM or Kubernetes refuses, a service account that has a role already, a role's
            name that another one has, or a stack of another account.
    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    Source: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """

    def __init__(
        self, scope: Construct, id: str, *, identity: Identity, web_identity: WebIdentity | None = None
    ) -> None:
        super().__init__(scope, id)
        self.identity = identity
        self._name = web_identity.role_name(identity) if web_identity else None
        self._refuse_what_fails_later(web_identity)
        self.role = iam.Role(
            self,
            "Role",
            role_name=self._name,
            assumed_by=_by_token(identity, web_identity) if web_identity else _by_pod_identity(identity),
            description=f"Of {identity.service_account} in {identity.namespace} of the cluster {identity.cluster}.",
        )
        if web_identity:
            self._assert_when_deployed(web_identity)
        else:
            self._associate()

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """Whom the CDK's own grants are for, such as `aws_s3.Bucket.grant_read`."""
        return self.role

    def allow(self, bucket: PrivateBucket, access: BucketAccess) -> None:
        """Let its pods do in a bucket what an access of theirs says.

        Raises:
            ConstructError: an access of another identity, or to another bucket.
        """
        if access.identity != self.identity:
            raise ConstructError(
                f"an access of {_spelled(access.identity)} is granted to the role of {_spelled(self.identity)}: use "
                "the role of its own"
            )
        bucket.grant(self.role, access)

    def _associate(self) -> None:
        # Not by the types of EKS, 30,000 lines which all would import for this one resource.
        cdk.CfnResource(
            self,
            "Association",
            type="AWS::EKS::PodIdentityAssociation",
            properties={
                "ClusterName": self.identity.cluster,
                "Namespace": self.identity.namespace,
                "RoleArn": self.role.role_arn,
                "ServiceAccount": self.identity.service_account,
            },
        )

    def _assert_when_deployed(self, web_identity: WebIdentity) -> None:
        """What CloudFormation refuses before it makes anything."""
        sentence = (
            f"The service account {_spelled(self.identity)} names a role of the account {web_identity.account}: deploy "
            "there, or set the environment's AWS_ACCOUNT, and render and apply both halves again"
        )
        here = cdk.Fn.condition_equals(cdk.Aws.ACCOUNT_ID, web_identity.account)
        assert_when_deployed(self, "Account", here, sentence)

    def _refuse_what_fails_later(self, web_identity: WebIdentity | None) -> None:
        dns_label(self.identity.namespace, of="a namespace")
        object_name(self.identity.service_account, of="a service account")
        if not re.fullmatch(r"[0-9A-Za-z][-0-9A-Za-z_]{0,99}", self.identity.cluster):
            raise ConstructError(
                f"{self.identity.cluster!r} cannot be a cluster of EKS: use up to 100 letters, digits, dashes and "
                "underscores, a letter or digit first"
            )
        account = cdk.Stack.of(self).account
        if web_identity and differ(account, web_identity.account):
            raise ConstructError(
                f"{_spelled(self.identity)} names a role of the account {web_identity.account}, but the stack is in "
                f"{account}: use one account"
            )
        region = cdk.Stack.of(self).region
        for other in self.node.root.node.find_all():
            if not isinstance(other, ServiceAccountRole) or other is self:
                continue
            there = cdk.Stack.of(other)
            if differ(account, there.account):
                continue
            if other.identity == self.identity and not differ(region, there.region):  # else another cluster
                raise ConstructError(
                    f"{_spelled(self.identity)} has two roles, at {other.node.path} and {self.node.path}, but EKS "
                    "gives one to a service account: grant both accesses to one role"
                )
            if self._name is not None and other._name == self._name:
                raise ConstructError(
                    f"{_spelled(other.identity)} and {_spelled(self.identity)} would both have the role {self._name}: "
                    "rename one of them"
                )


def _by_pod_identity(identity: Identity) -> iam.IPrincipal:
    """EKS, for the pods of a service account.

    The conditions are on what its agent says of the pod when it asks for the role: an association of another service
    account, which anybody may make who may pass the role on, gets nothing.
    """
    conditions = {
        "StringEquals": {
            "aws:SourceAccount": cdk.Aws.ACCOUNT_ID,
            "aws:RequestTag/eks-cluster-name": identity.cluster,
            "aws:RequestTag/kubernetes-namespace": identity.namespace,
            "aws:RequestTag/kubernetes-service-account": identity.service_account,
        }
    }
    return iam.ServicePrincipal(PODS, conditions=conditions).with_session_tags()


def _by_token(identity: Identity, web_identity: WebIdentity) -> iam.IPrincipal:
    """Who has a token that the cluster signed for a service account and for STS, as it does for its pods."""
    issuer = web_identity.issuer
    conditions = {
        "StringEquals": {
            f"{issuer}:sub": f"system:serviceaccount:{identity.namespace}:{identity.service_account}",
            f"{issuer}:aud": AUDIENCE,
        }
    }
    return iam.WebIdentityPrincipal(web_identity.provider_arn, conditions=conditions)


def _spelled(identity: Identity) -> str:
    return f"{identity.cluster}/{identity.namespace}/{identity.service_account}"
