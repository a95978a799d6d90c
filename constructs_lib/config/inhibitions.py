"""Which alerts keep silent while another one says it all.

Source: https://prometheus.io/docs/alerting/latest/configuration/#inhibition-related-settings
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from constructs_lib.config.matchers import ALERTNAME, OF_PLATFORM, check_labels, matchers
from constructs_lib.contract import ORIGIN
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import HEARTBEAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """Alerts keep silent while another one, that is about the same thing, says it all; the heartbeat never does.

    A label that both lack counts as equal, as Alertmanager has it: choose such that the source always has. Alerts of
    other teams, whatever they are called, silence nothing and are never silenced.

    Args:
        source: What the labels of the telling alert are, exactly.
        target: What those of the silent ones are.
        equal: Labels that must be the same on both, or any source would silence the whole cluster.
    Raises:
        ConstructError: nothing that must be equal, nothing said of a side, an inhibition without effect, or one of
            other teams' alerts.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#inhibition-related-settings
    """

    source: Mapping[str, str]
    target: Mapping[str, str]
    equal: tuple[str, ...]

    def __post_init__(self) -> None:
        of = f"the inhibition of {dict(self.target)} by {dict(self.source)}"
        for side in (self.source, self.target):
            if not side:
                raise ConstructError(f"{of} says nothing of one side, which means every alert: name at least one label")
            check_labels(side, of=of)
        if not self.equal:
            raise ConstructError(f"{of} has no equal labels, so one alert would silence the whole cluster: name some")
        check_labels(dict.fromkeys(self.equal, "any"), of=of)
        if ORIGIN in {*self.source, *self.target, *self.equal}:
            raise ConstructError(
                f"{of} names the label {ORIGIN!r}, which only alerts of other teams have, and those silence nothing: "
                "leave it out"
            )
        if self.source == self.target:
            raise ConstructError(
                f"{of} silences nothing, since Alertmanager lets no alert silence its like: name others"
            )
        for label in self.equal:
            if len({side[label] for side in (self.source, self.target) if label in side}) == 2:
                raise ConstructError(f"{of} silences nothing, since {label!r} must be equal and is not: leave it out")
        if self.target.get(ALERTNAME) == HEARTBEAT:
            raise ConstructError(f"{of} would stop the heartbeat, and so raise its alarm: leave it out")

    def to_dict(self) -> dict[str, Any]:
        source, target = ({label: {value} for label, value in side.items()} for side in (self.source, self.target))
        spared = [] if ALERTNAME in self.target else [f'{ALERTNAME}!="{HEARTBEAT}"']
        return {
            "source_matchers": [*matchers(source), OF_PLATFORM],
            "target_matchers": [*spared, *matchers(target), OF_PLATFORM],
            "equal": sorted(set(self.equal)),
        }
