"""A team's side: its own jobs, rules and dashboards, in its own chart, for a platform that it does not release."""

import json
from collections.abc import Callable, Mapping
from functools import partial

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.config.collected import (
    COLLECT,
    DASHBOARD,
    DATA,
    RULE_GROUP,
    SCRAPE_JOB,
    GroupData,
    JobData,
    largest,
    object_name,
)
from constructs_lib.config.platform import Platform
from constructs_lib.config.team_dashboards import TeamDashboard, dashboard_uid
from constructs_lib.config.teams import Owner, TeamJob
from constructs_lib.contract import MANAGED_BY, PortRange
from constructs_lib.dashboards.model import ANNOTATIONS, REST_OF_OBJECT, Dashboard
from constructs_lib.errors import ConstructError
from constructs_lib.kube.manifest import ConfigMap, Manifest
from constructs_lib.kube.network import PodPeer, PolicyPort
from constructs_lib.names import dns_label
from constructs_lib.rules.model import RuleGroup
from constructs_lib.urls import absolute_url

LABELS = {MANAGED_BY: "constructs-lib"}


class Monitored(Construct):
    """A namespace whose scrape jobs, alerts and dashboards a platform takes over, without a release of the platform.

    Each job, rule group and dashboard becomes a labelled ConfigMap. The namespace itself must carry
    `platform.namespace_labels(team)`. Live within two minutes; what the platform refuses, an Event in the
    namespace says.

    Args:
        namespace: Of the team's release.
        team: Who hears of its alerts, as the label of the namespace says.
        platform: Read from the document that the platform publishes: `Platform.from_contract`.
        runbooks: The URL below which each of the team's alerts has a page.
        name: Of this release, where several hand over something in one namespace.
    Raises:
        ConstructError: a namespace or a URL that is none.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: str,
        team: str,
        platform: Platform,
        runbooks: str,
        name: str = "monitored",
    ) -> None:
        super().__init__(scope, id)
        self._owner = Owner(namespace=dns_label(namespace, of="a namespace"), team=team)
        self._platform = platform
        self._runbooks = absolute_url(runbooks, of="runbooks")
        self._jobs: dict[str, TeamJob] = {}
        self._groups: dict[str, RuleGroup] = {}
        self._dashboards: dict[str, Dashboard] = {}
        self._name = name
        self._bind("role-binding", role=platform.role, account=platform.account)

    def scrape(self, job: TeamJob) -> str:
        """Let pods of the namespace be scraped, and give back the label `job` of their series. Idempotent.

        Pods with the annotation `prometheus.io/scrape: "true"` are in the platform's own job, and stay there.

        Raises:
            ConstructError: another job of the same name, or more than the platform allows.
        """
        taken = self._jobs.get(job.name)
        if taken is not None and taken != job:
            raise ConstructError(f"there are two different scrape jobs {job.name!r}: rename one")
        if taken is None:
            allowed = self._platform.allowed
            self._refuse_another("scrape jobs", len(self._jobs), allowed.jobs)
            data = JobData.of(job, allowed.limits)
            # As the platform will, that nothing is refused there alone.
            data.bound(self._owner, allowed, others=sum(each.series(allowed.limits) for each in self._jobs.values()))
            self._jobs[job.name] = job
            self._hand_over(SCRAPE_JOB, job.name, data.to_json)
        return job.label(self._owner.namespace)

    def admit(self, job: TeamJob) -> None:
        """Let the platform in to the pods of a job that a policy of yours closes.

        Pods that no policy selects are open to everybody: for them, this would shut out everybody else.
        """
        name = object_name(SCRAPE_JOB, job.name)
        rule = {
            "from": [PodPeer(self._platform.prometheus.pods).to_dict()],
            "ports": [PolicyPort(PortRange.only(job.port)).to_dict()],
        }
        if self.node.try_find_child(f"{name}-policy"):
            return
        Manifest(
            self,
            f"{name}-policy",
            api_version="networking.k8s.io/v1",
            kind="NetworkPolicy",
            name=name,
            namespace=self._owner.namespace,
            labels=LABELS,
            body=lambda: {
                "spec": {"podSelector": {"matchLabels": dict(job.pods)}, "policyTypes": ["Ingress"], "ingress": [rule]}
            },
        )

    def add_rules(self, *groups: RuleGroup) -> None:
        """Let rule groups be evaluated, over series of this namespace alone. Idempotent.

        Raises:
            ConstructError: another group of the same name, an alert of another team, or more than the platform allows;
                when rendered, a job that is not scraped here.
        """
        for group in groups:
            taken = self._groups.get(group.name)
            if taken is not None and taken != group:
                raise ConstructError(f"there are two different rule groups {group.name!r}: rename one")
            if taken is None:
                allowed = self._platform.allowed
                self._refuse_another("rule groups", len(self._groups), allowed.groups)
                self._data(group).bound(self._owner, allowed, bind=str)  # an expression stays what it is
                self._groups[group.name] = group
                self._hand_over(RULE_GROUP, group.name, partial(self._rules, group))

    def add_dashboard(self, dashboard: Dashboard) -> str:
        """Let people see a dashboard in the folder of this namespace, and give back its uid in Grafana. Idempotent.

        Its address there is `/d/<uid>`: only the platform's own dashboards have their name as uid.

        Raises:
            ConstructError: a platform that takes none, another one of the same name or title, more than it allows, or
                what Grafana could not show.
        """
        taken = self._dashboards.get(dashboard.name)
        if taken is not None and taken != dashboard:
            raise ConstructError(f"there are two different dashboards {dashboard.name!r}: rename one")
        uid = dashboard_uid(self._owner.namespace, dashboard.name)
        if taken is None:
            platform = self._platform.dashboards
            if platform is None:
                raise ConstructError(
                    f"the platform takes over no dashboards, and so not {dashboard.name!r}: leave it out, or take the "
                    "platform.json of today"
                )
            self._refuse_another("dashboards", len(self._dashboards), platform.allowed)
            text = json.dumps({**json.loads(dashboard.to_json()), "uid": uid}, indent=1, ensure_ascii=False) + "\n"
            # As the platform will, that nothing is refused there alone.
            read = TeamDashboard.read(text, namespace=self._owner.namespace, name=dashboard.name)
            self._refuse_same_title(dashboard.name, read.title)
            _refuse_unapplied(dashboard.name, text)
            if not self._dashboards:
                self._bind("dashboards-role-binding", role=platform.role, account=platform.account)
            self._dashboards[dashboard.name] = dashboard
            self._hand_over(DASHBOARD, dashboard.name, lambda: text)
        return uid

    def _bind(self, id: str, *, role: str, account: str) -> None:
        """Give an account of the platform the rights of a role that it offers, in this namespace."""
        k8s.KubeRoleBinding(
            self,
            id,
            # One of each release: when one goes, the others keep theirs.
            metadata=k8s.ObjectMeta(name=f"{role}-{self._name}", namespace=self._owner.namespace, labels=LABELS),
            role_ref=k8s.RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=role),
            subjects=[k8s.Subject(kind="ServiceAccount", name=account, namespace=self._platform.namespace)],
        )

    def _refuse_same_title(self, name: str, title: str) -> None:
        """Grafana would save neither, and nothing else of other releases."""
        for each in self._dashboards.values():
            if each.title.strip() == title:
                raise ConstructError(
                    f"the dashboards {each.name!r} and {name!r} have the same title, {title!r}: give one another"
                )

    def _rules(self, group: RuleGroup) -> str:
        group.refuse_unknown_jobs({job.label(self._owner.namespace) for job in self._jobs.values()})
        return self._data(group).to_json()

    def _data(self, group: RuleGroup) -> GroupData:
        return GroupData.of(group, team=self._owner.team, runbooks=self._runbooks)

    def _refuse_another(self, what: str, count: int, allowed: int) -> None:
        if count >= allowed:
            raise ConstructError(
                f"{self._owner.namespace} has {count} {what}, which is what the platform allows a namespace: put "
                "several into one"
            )

    def _hand_over(self, kind: str, name: str, text: Callable[[], str]) -> None:
        own_name = object_name(kind, name)

        def files() -> Mapping[str, str]:
            written = text()
            size, most = len(written.encode()), largest(kind).count
            if size > most:
                raise ConstructError(
                    f"the ConfigMap {own_name} would be {size / 1024:.0f} KiB, but the platform takes "
                    f"{most // 1024} KiB: put fewer rules into one group"
                )
            return {DATA: written}

        ConfigMap(
            self,
            own_name,
            name=own_name,
            namespace=self._owner.namespace,
            labels={**LABELS, COLLECT: kind},
            files=files,
        )


def _refuse_unapplied(name: str, text: str) -> None:
    """Refuse what is too long for the annotation in which `kubectl apply` keeps an object, quoted."""
    # Go writes three characters as \u003c and the like.
    quoted = len(json.dumps(text, ensure_ascii=False).encode()) + 5 * sum(map(text.count, "<>&"))
    most = ANNOTATIONS.count - REST_OF_OBJECT.count
    if quoted > most:
        raise ConstructError(
            f"the dashboard {name} is {quoted} bytes long once it is quoted, but {most} are the most that kubectl can "
            "apply, since it keeps all of it in an annotation: make two of it"
        )
