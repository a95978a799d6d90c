"""Dashboards of other teams: what Grafana may read of them.

While an identifier is there twice, or a title twice in one folder, Grafana saves nothing of whoever provides either,
and where it cannot make a folder, it leaves the other files alone: one team's mistake would be everybody's.
Source: https://github.com/grafana/grafana/tree/main/pkg/services/provisioning/dashboards
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from constructs_lib.config.datasources import ALERTMANAGER, JAEGER, LOKI, PROMETHEUS
from constructs_lib.config.teams import NAME_LIMIT
from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label
from constructs_lib.units import Bytes

DATA_SOURCES = (PROMETHEUS, LOKI, JAEGER, ALERTMANAGER)
# What every Grafana has besides: annotations, another panel's result, several at once, expressions, the default one.
BUILT_IN = ("-- Grafana --", "grafana", "-- Dashboard --", "-- Mixed --", "__expr__", "default")
VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)(?::\w+)?\]\]")
UID_LIMIT = 40  # https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/
DIGEST = 16
LONGEST_TITLE, LONGEST_TAG = 189, 50  # what columns of Grafana's tables hold
# Grafana makes no folder of the first name, and the platform's own dashboards are in one of the second.
RESERVED_FOLDERS = ("general", "platform")
# Of a dashboard as Kubernetes has it, whose identifier would be another one.
OF_OBJECTS = ("apiVersion", "kind", "metadata", "spec")
# Of one that was exported to be shared: asked for, or made besides, when it is imported by hand.
OF_EXPORTS = ("__inputs", "__elements")
LIVE = "live"
"""The directory that Grafana reads, within that of the collector."""
ROOM = Bytes.mib(256)
"""Of all teams' dashboards together, on the volume of Grafana."""


def dashboard_uid(namespace: str, name: str) -> str:
    """Under which Grafana knows a team's dashboard, `/d/<uid>`: nobody else can have the same.

    Names have no underscore, and what had to be cut has two of them.
    """
    uid = f"{namespace}_{name}"
    if len(uid) <= UID_LIMIT:
        return uid
    digest = hashlib.sha256(uid.encode()).hexdigest()[:DIGEST]
    return f"{uid[: UID_LIMIT - DIGEST - 2]}__{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamDashboard:
    """A dashboard that was read.

    Args:
        title: As people see it in the folder of the namespace.
        text: What Grafana reads: the same data, said once.
    """

    title: str
    text: str

    @classmethod
    def read(cls, text: str, *, namespace: str, name: str) -> "TeamDashboard":
        """Read a dashboard, in Grafana's own classic model.

        Args:
            text: JSON.
            namespace: That it comes from.
            name: In that namespace.
        Raises:
            ConstructError: what Grafana could not show, and what could do harm to others' dashboards.
        """
        dns_label(name, of="a dashboard of a team", limit=NAME_LIMIT)
        if namespace in RESERVED_FOLDERS:
            raise ConstructError(
                f"dashboards of the namespace {namespace} would be in a folder of that name, which is Grafana's or the "
                "platform's own: release them from another namespace"
            )
        document, said = _document(text, name)
        _refuse_another_model(document, name)
        uid = dashboard_uid(namespace, name)
        if document.get("uid") != uid:
            raise ConstructError(
                f"the uid of the dashboard {name} is {document.get('uid')!r}, but only {uid!r} is nobody else's: use it"
            )
        title = _title(document, name)
        _refuse_tags(document, name)
        variables = _variables(document)
        for each in _objects(document, name):
            if each.get("libraryPanel"):
                raise ConstructError(
                    f"the dashboard {name} has a library panel, which is in Grafana's database alone: put the panel "
                    "itself into the dashboard"
                )
            if "datasource" in each:
                _refuse_unknown(each["datasource"], variables, name)
        return cls(title=title, text=said)


def _document(text: str, name: str) -> tuple[dict[str, Any], str]:
    """What a text says, and the same said once."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        document = json.loads(text, parse_constant=refuse)
        said = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
        said.encode()
    except UnicodeEncodeError as error:  # which is a ValueError, too
        raise ConstructError(f"the dashboard {name} has half of a character in a text: write it whole") from error
    except RecursionError as error:
        raise ConstructError(f"the dashboard {name} is nested too deeply: make it flatter") from error
    except ValueError as error:
        raise ConstructError(f"the dashboard {name} is no JSON, {error}: correct it") from error
    if not isinstance(document, dict):
        raise ConstructError(f"the dashboard {name} is a JSON {type(document).__name__}: use an object")
    return document, f"{said}\n"


def _refuse_another_model(document: Mapping[str, Any], name: str) -> None:
    for key in OF_OBJECTS:
        if key in document:
            raise ConstructError(
                f"the dashboard {name} has the key {key!r}, of a Kubernetes object: use the classic model, which has "
                "its panels at the top"
            )
    for key in OF_EXPORTS:
        if document.get(key):
            raise ConstructError(
                f"the dashboard {name} has {key!r}, since it was exported to be shared, but nobody fills it in here: "
                "export it without that"
            )


def _title(document: Mapping[str, Any], name: str) -> str:
    title = document.get("title")
    title = title.strip() if isinstance(title, str) else ""
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise ConstructError(
            f"the title of the dashboard {name} has {len(title)} characters: give it one of 1 to {LONGEST_TITLE}"
        )
    return title


def _refuse_tags(document: Mapping[str, Any], name: str) -> None:
    tags = document.get("tags") or []
    for tag in tags if isinstance(tags, list) else [tags]:
        if not isinstance(tag, str) or len(tag) > LONGEST_TAG:
            raise ConstructError(
                f"the dashboard {name} has the tag {str(tag)[:LONGEST_TAG]!r}: use a list of texts of up to "
                f"{LONGEST_TAG} characters"
            )


def _variables(document: Mapping[str, Any]) -> frozenset[str]:
    """The names of the variables that it declares."""
    templating = document.get("templating")
    declared = templating.get("list") if isinstance(templating, dict) else None
    each = declared if isinstance(declared, list) else []
    return frozenset(str(variable.get("name")) for variable in each if isinstance(variable, dict))


def _objects(document: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The dashboard and every object in it, in no order; a text that PostgreSQL would not save is refused."""
    left: list[Any] = [document]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield each
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
        elif isinstance(each, str) and "\0" in each:
            raise ConstructError(f"the dashboard {name} has a text with the character 0 in it: leave it out")


def _refuse_unknown(source: Any, variables: frozenset[str], name: str) -> None:
    """Refuse a data source that is not there: its panel would show an error and nothing else."""
    uid = source.get("uid") if isinstance(source, dict) else source
    if uid is None or uid in DATA_SOURCES or uid in BUILT_IN:
        return
    variable = VARIABLE.fullmatch(uid) if isinstance(uid, str) else None
    if variable and any(group in variables for group in variable.groups() if group):
        return
    raise ConstructError(
        f"the dashboard {name} names the data source {str(uid)[:100]!r}: use {', '.join(DATA_SOURCES)}, or a variable "
        "of its own"
    )
