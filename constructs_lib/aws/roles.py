"""Roles that pods get by their service accounts."""

import re

import aws_cdk as cdk
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.aws.bucket import PrivateBucket
from constructs_lib.contract import BucketAccess, Identity
from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label, object_name

PODS = "pods.eks.amazonaws.com"


class ServiceAccountRole(Construct):
    """The one role of a service account, which EKS Pod Identity gives to its pods, and to nobody else's.

    The cluster is one of the stack's region, and has the add-on eks-pod-identity-agent. Pods that were started before
    the role was theirs get it when they are started again. Nothing on the service account names it.

    Args:
        identity: Cluster, namespace and service account, which need not exist yet.
    Raises:
        ConstructError: a name that EKS or Kubernetes refuses, or a service account that has a role already.
    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """

    def __init__(self, scope: Construct, id: str, *, identity: Identity) -> None:
        super().__init__(scope, id)
        self.identity = identity
        self._refuse_what_fails_later()
        # What the agent says of the pod when it asks for the role: an association of another service account, which
        # anybody may make who may pass the role on, gets nothing.
        conditions = {
            "StringEquals": {
                "aws:SourceAccount": cdk.Aws.ACCOUNT_ID,
                "aws:RequestTag/eks-cluster-name": identity.cluster,
                "aws:RequestTag/kubernetes-namespace": identity.namespace,
                "aws:RequestTag/kubernetes-service-account": identity.service_account,
            }
        }
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(PODS, conditions=conditions).with_session_tags(),
            description=f"Of {identity.service_account} in {identity.namespace} of the cluster {identity.cluster}.",
        )
        eks.CfnPodIdentityAssociation(
            self,
            "Association",
            cluster_name=identity.cluster,
            namespace=identity.namespace,
            service_account=identity.service_account,
            role_arn=self.role.role_arn,
        )

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

    def _refuse_what_fails_later(self) -> None:
        dns_label(self.identity.namespace, of="a namespace")
        object_name(self.identity.service_account, of="a service account")
        if not re.fullmatch(r"[0-9A-Za-z][-0-9A-Za-z_]{0,99}", self.identity.cluster):
            raise ConstructError(
                f"{self.identity.cluster!r} cannot be a cluster of EKS: use up to 100 letters, digits, dashes and "
                "underscores, a letter or digit first"
            )
        for other in self.node.root.node.find_all():
            if isinstance(other, ServiceAccountRole) and other is not self and other.identity == self.identity:
                raise ConstructError(
                    f"{_spelled(self.identity)} has two roles, at {other.node.path} and {self.node.path}, but EKS "
                    "gives one to a service account: grant both accesses to one role"
                )


def _spelled(identity: Identity) -> str:
    return f"{identity.cluster}/{identity.namespace}/{identity.service_account}"
