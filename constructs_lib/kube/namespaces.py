"""The two namespaces of a monitoring stack, closed until something is connected."""

import cdk8s
import cdk8s_plus_27 as kplus
from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.contract import MANAGED_BY, PART_OF, Cluster, Namespace, PodSecurity


class Namespaces(Construct):
    """A namespace that enforces Pod Security `restricted`, and one that enforces `privileged`, for what needs the host.

    In both, nothing may connect to or from a pod until a component's own policy opens it.

    Args:
        cluster: Its facts, handed on to whatever lives in the namespaces.
        name: Of the restricted one; the privileged one is called `<name>-host`.
    Raises:
        ConstructError: a name that Kubernetes refuses.
    Source: https://kubernetes.io/docs/concepts/security/pod-security-admission/
    """

    def __init__(self, scope: Construct, id: str, *, cluster: Cluster, name: str = "monitoring") -> None:
        super().__init__(scope, id)
        self.restricted = Namespace(name=name, level=PodSecurity.RESTRICTED, cluster=cluster)
        self.privileged = Namespace(name=f"{name}-host", level=PodSecurity.PRIVILEGED, cluster=cluster)
        for namespace in (self.restricted, self.privileged):
            labels = {MANAGED_BY: "constructs-lib", PART_OF: "monitoring"}
            levels = {
                f"pod-security.kubernetes.io/{mode}": namespace.level.value for mode in ("enforce", "audit", "warn")
            }
            metadata = cdk8s.ApiObjectMetadata(name=namespace.name, labels={**labels, **levels})
            kplus.Namespace(self, namespace.level.value, metadata=metadata)
            k8s.KubeNetworkPolicy(
                self,
                f"{namespace.level.value}-default-deny",
                metadata=k8s.ObjectMeta(name="default-deny", namespace=namespace.name, labels=labels),
                spec=k8s.NetworkPolicySpec(pod_selector=k8s.LabelSelector(), policy_types=["Ingress", "Egress"]),
            )
