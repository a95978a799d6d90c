"""The monitoring of the monitoring itself: whether targets answer, alerts arrive, and what all of it costs."""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.metrics.application import APPLICATION
from constructs_lib.promql import metric
from constructs_lib.rules.alertmanager import alertmanager_alerts
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.model import HEARTBEAT, PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity
from constructs_lib.rules.onset import Onset
from constructs_lib.rules.prometheus import prometheus_alerts
from constructs_lib.rules.scraping import OF_TEAM, scraping_alerts
from constructs_lib.rules.watching import discovery_alerts
from constructs_lib.thresholds import check_shares
from constructs_lib.units import prometheus_duration

COST_OVER = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservabilityLimits:
    """What the group `observability` bears.

    Args:
        cost: The share of the infrastructure's cost that the monitoring may have.
    Raises:
        ConstructError: a share outside of 0 to 1.
    """

    cost: float = 0.05

    def __post_init__(self) -> None:
        check_shares(cost=self.cost)


def observability(by: Evaluator, limits: ObservabilityLimits = ObservabilityLimits()) -> RuleGroup:
    """The group `observability`; without an Alertmanager that is scraped, it has no alerts on one.

    Args:
        by: Who evaluates it: windows and holds follow from its interval, and its jobs must have targets.
        limits: From where on somebody must hear of it.
    """
    return RuleGroup(
        name="observability",
        alerts=(
            _heartbeat(),
            *scraping_alerts(by),
            *prometheus_alerts(by),
            *discovery_alerts(by),
            *alertmanager_alerts(by),
            _cost(by, limits),
        ),
    )


def _heartbeat() -> Alert:
    """Whoever waits for it hears when Prometheus, Alertmanager or the way between them is broken."""
    return Alert(
        name=HEARTBEAT,
        expr="vector(1)",
        hold=timedelta(0),
        severity=Severity.NONE,
        team=PLATFORM,
        summary="Nothing is wrong: alerts are evaluated, and arrive.",
        description="It fires all the time, and whoever receives it raises the alarm when it stops.",
        proof=Proof(fires={}, at=timedelta(0), quiet={}),
    )


def _cost(by: Evaluator, limits: ObservabilityLimits) -> Alert:
    ours, all_of_it = "observability_cost_total", "infrastructure_cost_total"
    window = prometheus_duration(COST_OVER)
    hold = lasting(by).hold
    course = Onset(interval=by.interval, window=COST_OVER, hold=hold)
    step = limits.cost / 5
    total = (100, 200)

    def costs(share: float) -> dict[str, str]:
        """Of two programs each: a ratio of single series would say nothing of the whole."""
        part, whole = [0, share * total[1] / 2], [each / 2 for each in total]
        return {
            APPLICATION.series(name, instance=f"10.0.0.{host}:8080", job=job): course.runs(*pace)
            for name, job, pace in ((ours, "billing", part), (all_of_it, "cloud", whole))
            for host in (1, 2)
        }

    def of_team(name: str) -> dict[str, str]:
        """As much as there is in the whole: a team may export what it wants."""
        return {APPLICATION.series(name, **OF_TEAM): course.runs(*total)}

    high = limits.cost + step / 2
    new = course.crossing((0, high * total[1]), total, limits.cost)
    return Alert(
        name="ObservabilityCostHigh",
        # Sums, since no program exports both with the same labels.
        expr=(
            f"sum(rate({metric(ours, origin='')}[{window}])) / sum(rate({metric(all_of_it, origin='')}[{window}]))"
            f" > {limits.cost}"
        ),
        hold=hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="The monitoring costs too much of what the infrastructure costs.",
        description="{{ $value | humanizePercentage }} of the infrastructure's cost is the monitoring's.",
        proof=Proof(
            fires=costs(high) | of_team(all_of_it),
            at=course.at(new),
            quiet=costs(limits.cost - step / 2) | of_team(ours),
            step=step,
        ),
    )
