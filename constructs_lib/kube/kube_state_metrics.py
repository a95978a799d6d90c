"""kube-state-metrics: what the API server knows of objects, as metrics."""

from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.contract import Namespace, Port
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import Container, Placement, Probe, Resources
from constructs_lib.kube.rights import grant_everywhere, to_watch
from constructs_lib.kube.volumes import API_ACCESS
from constructs_lib.kube.workload import Stateless
from constructs_lib.units import Bytes, Cpu

KUBE_STATE_METRICS = "kube-state-metrics"
METRICS, TELEMETRY = Port(name="http", number=8080), Port(name="telemetry", number=8081)
USER = 65534  # nobody
# Resource -> its API group. Secrets and ConfigMaps are left out: reading them all is the right to read every password.
GROUPS = {
    "cronjobs": "batch",
    "daemonsets": "apps",
    "deployments": "apps",
    "endpointslices": "discovery.k8s.io",
    "horizontalpodautoscalers": "autoscaling",
    "ingresses": "networking.k8s.io",
    "jobs": "batch",
    "namespaces": "",
    "networkpolicies": "networking.k8s.io",
    "nodes": "",
    "persistentvolumeclaims": "",
    "persistentvolumes": "",
    "poddisruptionbudgets": "policy",
    "pods": "",
    "replicasets": "apps",
    "resourcequotas": "",
    "services": "",
    "statefulsets": "apps",
    "storageclasses": "storage.k8s.io",
}


class KubeStateMetrics(Component):
    """The one process that turns the API server's objects into metrics; a second one would double every series.

    Args:
        namespace: Where it lives.
        name: Of its objects.
        watched: The kinds of objects that it reads, which are all that it has the right to read.
        resources: About 250Mi and 0.1 CPU for a hundred nodes.
        placement: On which nodes.
    Raises:
        ConstructError: a kind that it does not know, or none.
    Source: https://github.com/kubernetes/kube-state-metrics/blob/main/docs/README.md
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = KUBE_STATE_METRICS,
        watched: frozenset[str] = frozenset(GROUPS),
        resources: Resources = Resources(cpu=Cpu(100), memory=Bytes.mib(256)),
        placement: Placement = Placement(),
    ) -> None:
        if not watched or watched - GROUPS.keys():
            raise ConstructError(
                f"{name} watches {', '.join(sorted(watched - GROUPS.keys())) or 'nothing'}: use some of "
                f"{', '.join(GROUPS)}"
            )
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=KUBE_STATE_METRICS,
            image=versions.KUBE_STATE_METRICS,
            workload=Stateless(user=USER),
            placement=placement,
        )
        self.metrics = self.endpoint(METRICS, honor_labels=True)
        self.telemetry = self.endpoint(TELEMETRY)
        self.allow(Destination.api_server(namespace.cluster))
        grant_everywhere(self, lambda: to_watch((GROUPS[kind], kind) for kind in watched))
        self.add_container(
            Container(
                name=KUBE_STATE_METRICS,
                image=versions.KUBE_STATE_METRICS,
                args=(
                    f"--port={METRICS.number}",
                    f"--telemetry-port={TELEMETRY.number}",
                    f"--resources={','.join(sorted(watched))}",
                    "--auto-gomemlimit",
                ),
                ports=(METRICS, TELEMETRY),
                mounts=(API_ACCESS,),
                resources=resources,
                readiness=Probe(path="/readyz", port=TELEMETRY, period=timedelta(seconds=5), failures=3),
                # Not /livez, which fails with the API server: killing it then would help nobody.
                liveness=Probe(path="/healthz", port=METRICS, period=timedelta(seconds=10), failures=6),
            )
        )
