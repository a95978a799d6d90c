"""Volumes of EBS that are there before their claims: which and where. Both halves follow from it; no engine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from apps.environment import Environment
from constructs_lib.contract import LOKI, PROMETHEUS
from constructs_lib.ebs import EbsVolume, Gp3, claim_of, region_of
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The volumes of a component's replicas.

    Args:
        component: By name, as its StatefulSet is called.
        zones: Of each replica, in their order.
        volume: What each is like.
    """

    component: str
    zones: tuple[str, ...]
    volume: Gp3

    @property
    def claims(self) -> dict[str, str]:
        """The zone of each claim."""
        return {claim_of(self.component, replica): zone for replica, zone in enumerate(self.zones)}


def asked_for(values: Environment) -> tuple[Asked, ...]:
    """The volumes of all that claims some for good; none where the site names no zones.

    Raises:
        ConstructError: zones that are not one of each replica, or of another region; a size that EBS does not have; or
            snapshots of nothing.
    """
    zones = values.volume_zones
    if not zones:
        if values.volume_snapshots_at is not None:
            raise ConstructError(
                f"volume_snapshots_at is {values.volume_snapshots_at:%H:%M}, but volume_zones is empty, so that there "
                "is no volume of ours: name the zones, or leave volume_snapshots_at empty"
            )
        return ()
    elsewhere = [zone for zone in zones if region_of(zone) != values.region]
    if elsewhere:
        raise ConstructError(
            f"volume_zones has {elsewhere[0]}, but region is {values.region}: use zones of {values.region}"
        )
    claiming = tuple(_claiming(values))
    _, largest, most, _ = max(claiming, key=lambda each: each[2])
    if len(zones) != most:
        raise ConstructError(
            f"volume_zones has {len(zones)}, but the most replicas are {most}, of {largest}: name the zone of each, in "
            "their order; several may share one"
        )
    return tuple(
        Asked(component=component, zones=zones[:replicas], volume=_like(size, f"{setting}_volume"))
        for setting, component, replicas, size in claiming
    )


def made(values: Environment) -> Iterator[tuple[Asked, Mapping[str, EbsVolume]]]:
    """The same, each with what the stack says that made them, by claim.

    Raises:
        ConstructError: a claim without a volume, which would be given another one; a volume without a claim, or in
            another zone than the claim's.
    """
    asked, said = asked_for(values), values.static_volumes
    zones = {claim: zone for each in asked for claim, zone in each.claims.items()}
    for claim in said:
        if claim not in zones:
            raise ConstructError(
                f"static_volumes has a volume for {claim}, but there is no such claim of volume_zones: leave it out"
            )
    for claim, zone in zones.items():
        if claim not in said:
            raise ConstructError(
                f"static_volumes has no volume for {claim}, which would be given another one, for good: deploy "
                "MonitoringVolumes, and set what it says"
            )
        if said[claim].zone != zone:
            raise ConstructError(
                f"static_volumes has {claim} in {said[claim].zone}, but volume_zones in {zone}: a volume stays in its "
                "zone"
            )
    for each in asked:
        yield each, {claim: said[claim] for claim in each.claims}


def _claiming(values: Environment) -> Iterator[tuple[str, str, int, Bytes]]:
    """How its settings begin, its name, its replicas and the size of each one's volume."""
    yield "prometheus", PROMETHEUS, values.prometheus_replicas, values.prometheus_volume
    yield "alertmanager", "alertmanager", values.alertmanager_replicas, values.alertmanager_volume
    yield "loki", LOKI, values.loki_replicas, values.loki_volume
    yield "grafana", "grafana", values.grafana_replicas, values.grafana_volume
    if values.tracing and not values.traces_host:
        yield "traces", "jaeger-collector", 1, values.traces_volume


def _like(size: Bytes, setting: str) -> Gp3:
    try:
        return Gp3(size=size)
    except ConstructError as error:
        raise ConstructError(f"{setting} is of volumes of EBS, by volume_zones, and {error}") from error
