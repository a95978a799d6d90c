"""Rows of panels, and a dashboard of rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from constructs_lib.dashboards.firing import annotation
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.panels import Panel
from constructs_lib.errors import ConstructError

# Of the platform's dashboards, so that each leads to all others.
TAG = "platform"
COLUMNS, HEADING = 24, 1
LOW, HIGH, WHOLE = 4, 8, 14


@dataclass(frozen=True, slots=True)
class Row:
    """Panels beside each other, below a heading.

    Args:
        title: The heading.
        panels: Each behind its width, 24 in all.
        height: Of each.
    Raises:
        ConstructError: panels that leave room, or take more than there is.
    """

    title: str
    panels: tuple[tuple[int, Panel], ...]
    height: int = HIGH

    def __post_init__(self) -> None:
        taken = sum(width for width, _ in self.panels)
        if taken != COLUMNS:
            raise ConstructError(f"the row {self.title!r} has panels of {taken} columns: use {COLUMNS} in all")


def dashboard(
    *,
    name: str,
    title: str,
    says: str,
    rows: Sequence[Row],
    variables: Sequence[build.QueryVariable | build.TextBoxVariable] = (),
) -> Dashboard:
    """A dashboard of the platform.

    Args:
        name: Its uid.
        title: By which people find it.
        says: What it shows, in one sentence.
        rows: From top to bottom.
        variables: That are chosen for all of it.
    Raises:
        ConstructError: what `Dashboard` refuses.
    """
    others = build.DashboardLink("Platform").type(models.DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True)
    made = (
        build.Dashboard(title)
        .uid(name)
        .description(says)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .refresh("1m")
        .time("now-1h", "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(others)
        .annotation(annotation())
        .variables(list(variables))
        .build()
    )
    made.panels = _placed(rows)
    text = JSONEncoder(indent=2, sort_keys=True).encode(made)
    return Dashboard(name=name, title=title, text=f"{text}\n")


def _placed(rows: Sequence[Row]) -> list[models.Panel | models.RowPanel]:
    """Every panel where it is, numbered from top to bottom, so that the same code gives the same text."""
    placed: list[models.Panel | models.RowPanel] = []
    below = 0
    for row in rows:
        heading = build.Row(row.title).build()
        heading.grid_pos = models.GridPos(h=HEADING, w=COLUMNS, x=0, y=below)
        heading.id_val = len(placed) + 1
        placed.append(heading)
        beside = 0
        for width, builder in row.panels:
            panel = builder.build()
            panel.grid_pos = models.GridPos(h=row.height, w=width, x=beside, y=below + HEADING)
            panel.id_val = len(placed) + 1
            placed.append(panel)
            beside += width
        below += HEADING + row.height
    return placed
