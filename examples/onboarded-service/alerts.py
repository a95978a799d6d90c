"""What somebody of the team shop must hear of, each with the series that prove it."""

from datetime import timedelta

from constructs_lib.config.teams import TeamJob
from constructs_lib.promql import metric
from constructs_lib.rules.model import Alert, Proof, RuleGroup, Severity, samples

CHECKOUT = TeamJob(name="checkout", pods={"app.kubernetes.io/name": "checkout"}, port=8080)
UP = metric("up", job=CHECKOUT.label("shop"))
FOR = timedelta(seconds=30)

RULES = RuleGroup(
    name="checkout",
    alerts=(
        Alert(
            name="CheckoutGone",
            expr=f"(sum({UP}) or vector(0)) == 0",
            hold=FOR,
            severity=Severity.CRITICAL,
            team="shop",
            summary="No pod of the checkout answers.",
            description="Prometheus reaches no pod of the checkout: nobody can buy.",
            proof=Proof(
                # Two pods, scraped every 15 seconds: both are down from the fifth scrape on.
                fires={
                    metric("up", job="shop/checkout", pod="a"): samples((1, 4), (0, 30)),
                    metric("up", job="shop/checkout", pod="b"): samples((1, 4), (0, 30)),
                    metric("up", job="another", pod="c"): samples((1, 34)),
                },
                at=timedelta(seconds=4 * 15) + FOR,
                quiet={
                    metric("up", job="shop/checkout", pod="a"): samples((1, 34)),
                    metric("up", job="shop/checkout", pod="b"): samples((1, 4), (0, 30)),
                },
            ),
        ),
    ),
)
