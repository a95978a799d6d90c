"""What a team's release must know of the monitoring that it joins, as plain data: `platform.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from constructs_lib.config.prometheus import Limits
from constructs_lib.config.teams import Allowed
from constructs_lib.contract import MONITORED_BY, TEAM_OF_NAMESPACE, Endpoint, Pods, Port, PortRange, Transport
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardsTaken:
    """Who takes over dashboards, and how many.

    Args:
        account: The service account that reads what is handed over.
        role: The ClusterRole that a namespace binds to that account, so that it may.
        allowed: Of one namespace; those after them, by name, are refused.
    """

    account: str
    role: str
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The monitoring of a cluster, as other releases see it.

    Args:
        prometheus: Who scrapes, from the namespace of the monitoring.
        account: The service account that reads what is handed over.
        role: The ClusterRole that a namespace binds to that account, so that it may.
        allowed: What every team may do.
        dashboards: Who takes over dashboards; None where nobody does.
    """

    prometheus: Endpoint
    account: str
    role: str
    allowed: Allowed
    dashboards: DashboardsTaken | None = None

    @property
    def namespace(self) -> str:
        """Of the monitoring."""
        return self.prometheus.pods.namespace

    def namespace_labels(self, team: str) -> dict[str, str]:
        """The labels by which a namespace opts in.

        Args:
            team: Who hears of its alerts.
        """
        return {MONITORED_BY: self.namespace, TEAM_OF_NAMESPACE: team}

    def to_contract(self) -> dict[str, Any]:
        """The document that other teams get."""
        document = {"format": FORMAT, **asdict(self)}
        document["prometheus"]["pods"]["labels"] = dict(self.prometheus.pods.labels)
        if self.dashboards is None:
            del document["dashboards"]
        return document

    @classmethod
    def from_contract(cls, document: Mapping[str, Any]) -> "Platform":
        """Read the document that the platform publishes.

        Raises:
            ConstructError: what is missing in it, or wrong.
        """
        if document.get("format") != FORMAT:
            raise ConstructError(
                f"the platform's contract is of the format {document.get('format')!r}, this version reads {FORMAT}: "
                "use the version of constructs_lib that the platform uses"
            )
        counts = ("targets", "series", "jobs", "groups", "rules", "results")
        try:
            prometheus, allowed = document["prometheus"], document["allowed"]
            ports, limits = allowed["ports"], allowed["limits"]
            port = prometheus["port"]
            pods = Pods(prometheus["pods"]["namespace"], tuple(prometheus["pods"]["labels"].items()))
            return cls(
                prometheus=Endpoint(
                    pods=pods,
                    service=prometheus["service"],
                    port=Port(name=port["name"], number=port["number"], transport=Transport(port["transport"])),
                ),
                account=document["account"],
                role=document["role"],
                allowed=Allowed(
                    ports=PortRange(ports["first"], ports["last"]),
                    # What a later version has added is for those who know it, as everywhere in the document.
                    limits=Limits(
                        samples=limits["samples"],
                        labels=limits["labels"],
                        label_value_length=limits["label_value_length"],
                        body=Bytes(limits["body"]["count"]),
                    ),
                    **{name: int(allowed[name]) for name in counts},
                    reserved_recordings=tuple(allowed["reserved_recordings"]),
                ),
                dashboards=_dashboards(document.get("dashboards")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConstructError(
                f"the platform's contract cannot be read, {type(error).__name__} {error}: take all of platform.json, "
                "and the version of constructs_lib that the platform uses"
            ) from error


def _dashboards(document: Mapping[str, Any] | None) -> DashboardsTaken | None:
    if document is None:
        return None
    return DashboardsTaken(account=document["account"], role=document["role"], allowed=int(document["allowed"]))
