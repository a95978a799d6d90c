"""What the team shop looks at: panels of this library, in a dashboard of Grafana's own SDK."""

from alerts import CHECKOUT
from grafana_foundation_sdk.builders.dashboard import Dashboard as Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.panels import COUNT, RATE, REQUESTS_A_SECOND, figure, graph, latest, series
from constructs_lib.promql import metric

NAME, TITLE = "checkout", "Checkout"
JOB = CHECKOUT.label("shop")
ANSWERING = latest(f"sum({metric('up', job=JOB)})", "pods")
REQUESTS = series(f"sum by (code) (rate({metric('http_requests_total', job=JOB)}[{RATE}]))", "{{code}}")

MADE = (
    Builder(TITLE)
    .uid(NAME)
    .time("now-6h", "now")
    .with_panel(figure("Pods", "How many answer Prometheus.", COUNT, ANSWERING).id(1).span(6).height(8))
    .with_panel(
        graph("Requests", "Answered, by their status.", REQUESTS_A_SECOND, REQUESTS, stacked=True)
        .id(2)
        .span(18)
        .height(8)
    )
    .build()
)
DASHBOARD = Dashboard(name=NAME, title=TITLE, text=JSONEncoder(indent=1, sort_keys=True).encode(MADE))
