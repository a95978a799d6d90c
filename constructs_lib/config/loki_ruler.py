"""Who evaluates alerts on logs, and who hears of them, as typed data.

Source: https://grafana.com/docs/loki/latest/configure/#ruler
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from constructs_lib.units import go_duration

EVERY = timedelta(minutes=1)
RELOAD = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """The part of Loki that evaluates alerts.

    Args:
        rules: The directory of rule files, of each tenant in one of its name; nobody can add any by its interface.
        alertmanagers: Host and port of every member.
        grafana: Where people read logs: links of alerts lead there.
        labels: Of every alert, such as the cluster.
    """

    rules: str
    alertmanagers: tuple[str, ...]
    grafana: str
    labels: Mapping[str, str]

    def to_dict(self, directory: str, *, several: bool) -> dict[str, Any]:
        """The section `ruler`.

        Args:
            directory: Where it may write.
            several: Whether there are others, so that each group is evaluated by one of them.
        """
        return {
            "storage": {"type": "local", "local": {"directory": self.rules}},
            "rule_path": f"{directory}/rules",
            "wal": {"dir": f"{directory}/ruler-wal"},
            "evaluation_interval": go_duration(EVERY),
            "poll_interval": go_duration(RELOAD),
            "enable_sharding": several,
            "alertmanager_url": ",".join(f"http://{member}" for member in self.alertmanagers),
            "external_url": self.grafana,
            "external_labels": dict(self.labels),
        }
