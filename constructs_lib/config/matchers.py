"""Conditions on labels, in the syntax that both parsers of Alertmanager read alike.

Source: https://prometheus.io/docs/alerting/latest/configuration/#matcher
"""

from collections.abc import Collection, Mapping
from typing import TypeAlias

from constructs_lib.contract import ORIGIN
from constructs_lib.errors import ConstructError
from constructs_lib.promql import LABEL_NAME

ALERTNAME = "alertname"
OF_PLATFORM, OF_TEAMS = f'{ORIGIN}=""', f'{ORIGIN}!=""'
"""Alerts of the platform, which have no origin; and those of other teams, which all have one."""
Demands: TypeAlias = Mapping[str, Collection[str]]


def matchers(demands: Demands) -> list[str]:
    """What demands are in the file.

    Args:
        demands: By label, what it may be; words only where there are several.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#matcher
    """
    spelled = []
    for label, values in sorted(demands.items()):
        operator = "=" if len(values) == 1 else "=~"
        text = "|".join(sorted(values)).replace("\\", "\\\\").replace('"', '\\"')
        spelled.append(f'{label}{operator}"{text}"')
    return spelled


def check_labels(labels: Mapping[str, str], *, of: str) -> None:
    """Refuse what no label can be.

    Args:
        labels: By name, what they are.
        of: Who says so.
    Raises:
        ConstructError: a name or a value that is none.
    """
    for label, value in labels.items():
        if not LABEL_NAME.fullmatch(label):
            raise ConstructError(f"{label!r} cannot be a label of {of}: use letters, digits and underscores")
        if not value or not value.isprintable():
            raise ConstructError(f"the label {label} of {of} is {value!r}: use printable text, and at least one letter")
