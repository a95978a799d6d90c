"""A pair with every verb, a component that it scrapes, and a single server without any."""

from collections.abc import Callable

import cdk8s

from constructs_lib.config.discovery import Annotated, PodsJob
from constructs_lib.contract import Endpoint, Pods, Port, PortRange
from constructs_lib.kube import Component, PrometheusHA, Retention, Volume
from constructs_lib.promql import metric
from constructs_lib.rules.model import RuleGroup
from constructs_lib.units import Bytes
from tests.minimal import WEB, alert, component, prometheus

FOREIGN = Endpoint(pods=Pods.named("shop", "store"), service="store", port=Port(name="metrics", number=9100))
DECLARED = PodsJob(job="declared", pods=Pods.named("shop", "api"), ports=PortRange(8000, 8999))
ANNOTATED = Annotated(ports=PortRange(8000, 9999))
GROUP = RuleGroup(name="group", alerts=(alert(expr=metric("up", job="declared") + " == 0"),))
EARLIER = RuleGroup(name="earlier", alerts=(alert(),))


def everything(ours: PrometheusHA, program: Component) -> list[Callable[[], None]]:
    """All verbs, none of which needs another one first."""
    return [
        ours.scrape_cluster,
        lambda: ours.scrape_annotated(ANNOTATED),
        lambda: ours.scrape_pods(DECLARED),
        lambda: ours.scrape(FOREIGN),
        lambda: ours.scrape(program.endpoint(WEB), job="api"),
        lambda: ours.add_rules(GROUP, EARLIER),
    ]


def build(chart: cdk8s.Chart, *, reverse: bool = False, times: int = 1) -> None:
    program = component(chart, "program")
    ours = prometheus(chart, "pair", retention=Retention(share_of_volume=0.5), volume=Volume(Bytes.gib(50)))
    verbs = everything(ours, program) * times
    for verb in reversed(verbs) if reverse else verbs:
        verb()
    prometheus(chart, "single", replicas=1)
