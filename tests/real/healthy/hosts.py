"""What the blackbox exporter says on a quiet day: a host is away for a moment, and a certificate is renewed."""

from apps.environment import Environment
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.metrics.prometheus import SCRAPE
from tests.real.healthy.kubernetes import DAY
from tests.real.healthy.workloads import Workload, behind_login
from tests.real.simulation import System, Target, but, minute, steady

# The ingress controller is replaced, and everybody waits.
REPLACED_AT = minute(24)


def quiet(values: Environment) -> System:
    """Four hours of hosts alone."""
    system = System(values.scrape_interval)
    add(system, [], values)
    return system


def targets(values: Environment) -> dict[str, int]:
    """What hosts are asked for, and the status of their answers: 401 is one behind a login."""
    if not values.hosts_at:
        return {}
    urls = {
        "prometheus": values.prometheus_url,
        "alertmanager": values.alertmanager_url,
        "jaeger-query": values.jaeger_url,
    }
    by_themselves = {f"{values.grafana_url}/api/health": 200}
    if values.sign_in_issuer:
        by_themselves[f"{values.sign_in_issuer}/.well-known/openid-configuration"] = 200
    return by_themselves | {f"{urls[name]}/api/": 401 for name in behind_login(values)}


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """Every host, and the scrapes that ask for it."""
    for number, (url, status) in enumerate(targets(values).items()):
        # The exporter itself is started anew, once.
        target = Target(job=BLACKBOX_EXPORTER.job, labels={"instance": url}, fails=minute(45))
        good, code = (but(steady(value), REPLACED_AT, 3, 0) for value in (1, status))
        system.add(BLACKBOX_EXPORTER, target, "probe_success", good)
        system.add(BLACKBOX_EXPORTER, target, "probe_http_status_code", code)
        # It is renewed a month before its end, and nobody tells of it while nobody answers.
        renewed = but(steady(30 * DAY), minute(5 + number), 600, 90 * DAY)
        system.add(BLACKBOX_EXPORTER, target, "probe_ssl_earliest_cert_expiry", but(renewed, REPLACED_AT, 3, None))
        moment = values.scrape_interval.total_seconds() / 60
        system.add_scrape(SCRAPE, target, "up", but(steady(1), target.fails, moment, 0))
        system.add_scrape(SCRAPE, target, "scrape_sample_limit", steady(10_000))
        system.add_scrape(SCRAPE, target, "scrape_samples_post_metric_relabeling", steady(25))
