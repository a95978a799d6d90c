"""The checkout service of the team shop, monitored by a platform that this team does not release."""

import json
import os
from pathlib import Path

import cdk8s
import cdk8s_plus_27 as kplus
from alerts import CHECKOUT, RULES
from cdk8s_plus_27 import k8s
from dashboard import DASHBOARD

from constructs_lib.kube import Monitored, Platform, synth

HERE = Path(__file__).parent
LABELS = {"app.kubernetes.io/name": "checkout"}
PORT = 8080


def service(chart: cdk8s.Chart) -> None:
    """What the team would have without any monitoring."""
    k8s.KubeDeployment(
        chart,
        "checkout",
        metadata=k8s.ObjectMeta(name="checkout", namespace="shop"),
        spec=k8s.DeploymentSpec(
            replicas=2,
            selector=k8s.LabelSelector(match_labels=LABELS),
            template=k8s.PodTemplateSpec(
                metadata=k8s.ObjectMeta(labels=LABELS),
                spec=k8s.PodSpec(
                    containers=[
                        k8s.Container(
                            name="checkout",
                            image=os.environ.get("CHECKOUT_IMAGE", "registry.example.com/shop/checkout:1.4.0"),
                            ports=[k8s.ContainerPort(container_port=PORT)],
                        )
                    ]
                ),
            ),
        ),
    )
    k8s.KubeNetworkPolicy(
        chart,
        "default-deny",
        metadata=k8s.ObjectMeta(name="default-deny", namespace="shop"),
        spec=k8s.NetworkPolicySpec(pod_selector=k8s.LabelSelector(), policy_types=["Ingress"]),
    )


# The ten lines.
platform = Platform.from_contract(json.loads((HERE / "platform.json").read_text()))
app = cdk8s.App(outdir=os.environ.get("CDK8S_OUTDIR", str(HERE / "dist")))
chart = cdk8s.Chart(app, "shop")
kplus.Namespace(
    chart, "namespace", metadata=cdk8s.ApiObjectMetadata(name="shop", labels=platform.namespace_labels("shop"))
)
monitored = Monitored(
    chart, "monitored", namespace="shop", team="shop", platform=platform, runbooks="https://shop.example.com/runbooks"
)
monitored.scrape(CHECKOUT)
monitored.admit(CHECKOUT)
monitored.add_rules(RULES)
monitored.add_dashboard(DASHBOARD)

service(chart)
synth(app)
