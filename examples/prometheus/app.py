"""Another team's app: a Prometheus of its own, in a namespace that exists already."""

from datetime import timedelta

import cdk8s

from constructs_lib.contract import Cluster, Namespace, Pods, PortRange
from constructs_lib.kube import Links, PodsJob, PrometheusHA, Retention, ScrapeDefaults, Volume, synth
from constructs_lib.rules.observability import observability
from constructs_lib.units import Bytes

cluster = Cluster(name="shop", environment="prod", api_server=("172.20.0.1/32", "10.0.0.0/24"), nodes=("10.0.16.0/20",))

app = cdk8s.App()
prometheus = PrometheusHA(
    cdk8s.Chart(app, "prometheus"),
    "prometheus",
    namespace=Namespace(name="shop", cluster=cluster),
    replicas=1,
    retention=Retention(time=timedelta(days=7)),
    volume=Volume(Bytes.gib(20)),
    scrape=ScrapeDefaults(interval=timedelta(seconds=30)),
    links=Links(external_url="https://prometheus.shop.example.com", runbooks="https://runbooks.shop.example.com"),
)
prometheus.scrape_pods(PodsJob(job="checkout", pods=Pods.named("shop", "checkout"), ports=PortRange.only(8080)))
prometheus.add_rules(observability)
synth(app)
