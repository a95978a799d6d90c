"""PrometheusHA: what is refused, and with which sentence."""

from dataclasses import replace
from datetime import timedelta

import cdk8s
import pytest

from constructs_lib.config.discovery import Annotated
from constructs_lib.contract import PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Limits, Links, Resources, Retention, Volume
from constructs_lib.rules.model import RuleGroup
from constructs_lib.units import Bytes, Cpu
from tests.kube.pair import ANNOTATED, DECLARED, FOREIGN, GROUP
from tests.minimal import alert, prometheus, unrendered
from tests.rendered import text


@pytest.mark.trap(5)
def test_memory_without_room_for_the_replay_is_refused() -> None:
    """Replaying takes up to twice the memory: a kill there would start it over."""
    tight = Resources(cpu=Cpu(500), memory=Bytes.gib(1), memory_headroom=1.9)
    with pytest.raises(ConstructError, match=r"memory_headroom of prometheus is 1.9: use 2 or more, since replaying"):
        prometheus(unrendered(), resources=tight)


@pytest.mark.trap(7)
@pytest.mark.parametrize("share", [0.09, 0.801, 0.83, 1.0])
def test_a_size_limit_that_fills_the_volume_is_refused(share: float) -> None:
    """The log, compaction and the file system need the rest; a limit of next to nothing is a slip."""
    with pytest.raises(
        ConstructError,
        match=rf"^the size limit is {100 * share:g}% of the volume: use 10% to 80%, since the write-ahead log and "
        r"compaction need the rest, the file system takes some 3% for itself, and alerts that speak above 85% of what "
        r"it leaves would not end$",
    ):
        Retention(share_of_volume=share)


def test_a_retention_below_one_block_is_refused() -> None:
    """A block spans two hours."""
    with pytest.raises(ConstructError, match="the retention is 1:59:59, less than one block of 2 hours"):
        Retention(time=timedelta(hours=2) - timedelta(seconds=1))


def test_a_volume_without_room_for_the_log_is_refused() -> None:
    """Segments of the log exist in any case."""
    with pytest.raises(ConstructError, match="the volume of prometheus is 2047Mi: use 2Gi or more"):
        prometheus(unrendered(), volume=Volume(Bytes.mib(2047)))


@pytest.mark.trap(13)
def test_rules_on_a_job_that_nothing_scrapes_are_refused() -> None:
    """The refusal comes at rendering, since a later verb may still scrape it."""
    with pytest.raises(ConstructError, match="the alert TargetDown reads series of the job 'declared', which nothing"):
        text(lambda chart: prometheus(chart).add_rules(GROUP))


def test_the_least_of_everything_is_accepted() -> None:
    """Two hours, a tenth of the volume or 80 % of it, two gibibytes."""
    ours = prometheus(
        unrendered(),
        retention=Retention(time=timedelta(hours=2), share_of_volume=0.1),
        volume=Volume(Bytes.gib(2)),
    )
    assert ours.workload.volume.size == Bytes.gib(2)
    assert Retention(share_of_volume=0.8).share_of_volume == 0.8


def test_two_different_groups_of_a_name_are_refused() -> None:
    """One would overwrite the other's file."""
    ours = prometheus(unrendered())
    ours.add_rules(GROUP, RuleGroup(name="group", alerts=(alert("Other"),)))
    with pytest.raises(ConstructError, match="there are two different rule groups 'group': rename one"):
        assert ours.groups


def test_the_cluster_scraped_in_two_ways_is_refused() -> None:
    """One limit would silently replace the other."""
    ours = prometheus(unrendered())
    ours.scrape_cluster()
    ours.scrape_cluster()
    with pytest.raises(ConstructError, match="prometheus scrapes the cluster twice, with different limits: declare it"):
        ours.scrape_cluster(Limits(samples=7))


def test_two_different_jobs_of_a_name_are_refused() -> None:
    """Prometheus knows a job by its name."""
    ours = prometheus(unrendered())
    ours.scrape_pods(DECLARED)
    with pytest.raises(ConstructError, match="the scrape job 'declared' is declared twice, differently"):
        ours.scrape(FOREIGN, job="declared")


def test_a_job_of_the_name_of_a_cluster_job_is_refused() -> None:
    """The jobs of the cluster itself have their names already, whichever verb came first."""

    def clash(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart)
        ours.scrape(FOREIGN, job="kubelet")
        ours.scrape_cluster()

    with pytest.raises(ConstructError, match="there are 2 scrape jobs of the name 'kubelet': give each its own"):
        text(clash)


def test_two_different_declarations_of_annotated_pods_are_refused() -> None:
    """There is one pair of jobs for them."""
    ours = prometheus(unrendered())
    ours.scrape_annotated(ANNOTATED)
    with pytest.raises(ConstructError, match="prometheus scrapes annotated pods twice, differently: declare it once"):
        ours.scrape_annotated(Annotated(ports=PortRange.only(80)))


@pytest.mark.parametrize("url", ["", "prometheus.example.com", "ftp://example.com", "https://", "/path"])
@pytest.mark.parametrize("field", ["external_url", "runbooks"])
def test_links_that_lead_nowhere_are_refused(field: str, url: str) -> None:
    """A link in a notification must be a whole URL."""
    links = {"external_url": "https://a.example.com", "runbooks": "https://b.example.com", field: url}
    with pytest.raises(ConstructError, match=f"{field} is '{url}': use a URL such as 'https://prometheus.example.com'"):
        Links(**links)


def test_a_path_under_which_the_probes_would_not_find_the_server_is_refused() -> None:
    """The runbooks may have a path, the server itself may not."""
    assert Links(external_url="https://a.example.com/", runbooks="https://b.example.com/c").runbooks
    with pytest.raises(ConstructError, match=r"external_url is 'https://a.example.com/b', with a path: give it a host"):
        Links(external_url="https://a.example.com/b", runbooks="https://b.example.com")


@pytest.mark.trap(12)
def test_two_jobs_of_the_same_target_are_refused() -> None:
    """It would be scraped twice, whatever the jobs are called."""
    ours = prometheus(unrendered())
    ours.scrape(FOREIGN, job="one")
    with pytest.raises(ConstructError, match=r"'one'.*'two'|'two'.*'one'"):
        ours.scrape(FOREIGN, job="two")


def test_two_jobs_of_the_same_pods_on_other_ports_are_accepted() -> None:
    """A pod may serve the metrics of two programs."""
    ours = prometheus(unrendered())
    ours.scrape_pods(DECLARED)
    ours.scrape_pods(replace(DECLARED, job="other", ports=PortRange(9000, 9001)))
    assert ours.evaluator.jobs == ("declared", "other", "prometheus")
    with pytest.raises(ConstructError, match="the jobs 'other' and 'third' scrape the same pods and ports: keep one"):
        ours.scrape_pods(replace(DECLARED, job="third", ports=PortRange.only(9001)))


def test_a_link_that_cannot_be_read_is_refused() -> None:
    """Whatever is wrong with it, the sentence is ours."""
    with pytest.raises(ConstructError, match=r"runbooks is 'http://\[::1': use a URL such as"):
        Links(external_url="https://a.example.com", runbooks="http://[::1")


def test_a_link_with_credentials_is_refused() -> None:
    """They would stand in the manifest; the sentence does not repeat them."""
    with pytest.raises(ConstructError, match=r"external_url of the host a\.example\.com holds credentials") as refused:
        Links(external_url="https://somebody:secret@a.example.com", runbooks="https://r.example.com")

    assert "secret" not in str(refused.value)
