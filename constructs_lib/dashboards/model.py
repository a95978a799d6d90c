"""What a dashboard is: a name, a title, and the text that Grafana reads.

Source: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label
from constructs_lib.units import Bytes

# `kubectl apply` keeps all of an object, its text quoted once more, in an annotation of it.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
ANNOTATIONS, REST_OF_OBJECT = Bytes(256 * 1024), Bytes(4 * 1024)
LONGEST_NAME = 40  # of a uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A dashboard: a value, so that two can be compared, and nobody changes one that was added somewhere.

    Args:
        name: Its uid, which links lead to, and its file's name: up to 40 lower-case letters, digits and dashes.
        title: By which people find it.
        text: In JSON, with this uid and title.
    Raises:
        ConstructError: a name that is none, no title, another uid or title in the text, or more of it than a ConfigMap
            can have that is applied.
    """

    name: str
    title: str
    text: str = field(repr=False)

    def __post_init__(self) -> None:
        dns_label(self.name, of="a dashboard", limit=LONGEST_NAME)
        if not self.title.strip():
            raise ConstructError(f"the dashboard {self.name} has no title, so nobody finds it: give it one")
        says = json.loads(self.text)
        for what, own in (("uid", self.name), ("title", self.title)):
            if says.get(what) != own:
                raise ConstructError(
                    f"the text of the dashboard {self.name} has the {what} {says.get(what)!r}: use {own!r}"
                )
        quoted, most = len(json.dumps(self.text)), ANNOTATIONS.count - REST_OF_OBJECT.count
        if quoted > most:
            raise ConstructError(
                f"the dashboard {self.name} is {quoted} bytes long once it is quoted, but {most} are the most that "
                "kubectl can apply: make two of it"
            )

    @property
    def sources(self) -> frozenset[str]:
        """The uids of the data sources that it asks, but for variables and what every Grafana has."""
        return frozenset(uid for uid in _uids(json.loads(self.text)) if not uid.startswith(("$", "-- ")))

    def to_json(self) -> str:
        """The file that Grafana reads."""
        return self.text


def _uids(part: Any) -> Iterator[str]:
    """Of all data sources that a part names."""
    if isinstance(part, dict):
        source = part.get("datasource")
        if isinstance(source, dict) and source.get("uid"):
            yield str(source["uid"])
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _uids(inner)
