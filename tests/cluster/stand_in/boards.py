"""Dashboards, read as Grafana's providers read them.

Source: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.names import BUILT_IN, PANELS, VARIABLES
from tests.cluster.stand_in.provisioning import Provider

COLUMNS = 24
UID = re.compile(r"[\w-]{1,40}", re.ASCII)
SCHEMAS = range(36, 43)  # what the versions from 9 to 13 write; older ones are migrated, newer ones refused
PANEL_LINK = re.compile(r"(?<![\w.])/d/([\w-]+)")


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Args:
        path: Of its file, as Grafana has it.
        faults: What is wrong with it by itself.
    """

    uid: str
    title: str
    folder: str
    path: str
    links: frozenset[str]
    faults: tuple[str, ...]
    content: Mapping[str, Any]


def boards(place: Place, provider: Provider, kinds: Mapping[str, str]) -> list[Board]:
    """The dashboards of a provider.

    Args:
        kinds: uid of each data source -> its kind.
    """
    base = place.at(provider.path)
    return [_board(path, base, provider, kinds) for path in sorted(_files(base))]


def together(found: list[Board]) -> dict[str, list[str]]:
    """What is wrong with dashboards in the company of the others: path -> faults."""
    faults: dict[str, list[str]] = {}
    uids = {board.uid for board in found}
    for board in found:
        others = [other for other in found if other is not board]
        told = [
            *(f"its uid {board.uid!r} is also that of {other.path}" for other in others if other.uid == board.uid),
            *(
                f"its title {board.title!r} is also that of {other.path} in the same folder"
                for other in others
                if (other.title, other.folder) == (board.title, board.folder)
            ),
            *(f"it links to /d/{uid}, and there is no such dashboard" for uid in sorted(board.links - uids)),
        ]
        if told:
            faults[board.path] = told
    return faults


def _files(base: Path) -> Iterator[Path]:
    """Files of dashboards; hidden directories are passed over."""
    for path in base.iterdir() if base.is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            yield from _files(path)
        elif path.suffix == ".json" and not path.is_dir():
            yield path


def _board(path: Path, base: Path, provider: Provider, kinds: Mapping[str, str]) -> Board:
    faults: list[str] = []
    name = f"{provider.path.rstrip('/')}/{path.relative_to(base)}"
    folder = path.parent.name if provider.folders_from_files and path.parent != base else provider.folder
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        return Board("", "", folder, name, frozenset(), (f"it cannot be read: {error}",), {})
    if not isinstance(content, dict):
        return Board("", "", folder, name, frozenset(), ("it is no object of JSON",), {})
    uid, title = content.get("uid"), content.get("title")
    if not isinstance(uid, str) or not UID.fullmatch(uid):
        faults.append(f"its uid {uid!r} is no uid of at most 40 letters, digits, - and _")
    if not isinstance(title, str) or not title.strip():
        faults.append("it has no title")
    if content.get("id") is not None:
        faults.append(f"its id is {content['id']!r}, which belongs to the database")
    if content.get("schemaVersion") not in SCHEMAS:
        faults.append(f"its schemaVersion is {content.get('schemaVersion')!r}, not {SCHEMAS[0]} to {SCHEMAS[-1]}")
    variables = _variables(content, kinds, faults)
    _check_panels(content, variables, kinds, faults)
    for note in _list(content.get("annotations", {}), "list"):
        _check_source(note.get("datasource"), f"annotation {note.get('name')!r}", variables, kinds, faults)
    links = frozenset(PANEL_LINK.findall(json.dumps(content)))
    return Board(str(uid), str(title), folder, name, links, tuple(faults), content)


def _variables(content: Mapping[str, Any], kinds: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    """Name of each variable that is a data source -> of which kind."""
    found: dict[str, str] = {}
    listed = _list(content.get("templating", {}), "list")
    names = [each.get("name") for each in listed]
    faults += [
        f"the variable {name!r} is there twice" for name in sorted({str(n) for n in names if names.count(n) > 1})
    ]
    for each in listed:
        where = f"variable {each.get('name')!r}"
        if each.get("type") not in VARIABLES:
            faults.append(f"{where}: there is no type {each.get('type')!r}")
        if each.get("type") == "datasource":
            found[str(each.get("name"))] = str(each.get("query"))
            if each.get("query") not in kinds.values():
                faults.append(f"{where}: no data source is {each.get('query')!r}")
    for each in listed:
        if each.get("type") in {"query", "adhoc", "groupby"}:
            _check_source(each.get("datasource"), f"variable {each.get('name')!r}", found, kinds, faults)
    return found


def _check_panels(
    content: Mapping[str, Any], variables: Mapping[str, str], kinds: Mapping[str, str], faults: list[str]
) -> None:
    panels = list(_panels(content))
    if not panels:
        faults.append("it has no panel")
    ids = [panel.get("id") for panel in panels]
    faults += [
        f"the id {each!r} of a panel is there twice" for each in sorted({str(i) for i in ids if ids.count(i) > 1})
    ]
    for panel in panels:
        where = f"panel {panel.get('title')!r}"
        if panel.get("type") not in PANELS:
            faults.append(f"{where}: there is no type {panel.get('type')!r}")
        _check_place(panel, where, faults)
        targets = _list(panel, "targets")
        if targets or panel.get("datasource"):
            _check_source(panel.get("datasource"), where, variables, kinds, faults)
        references = [target.get("refId") for target in targets]
        if len(set(references)) < len(references) or not all(references):
            faults.append(f"{where}: its queries have the names {references}, which must be there and unique")
        for target in targets:
            if target.get("datasource"):
                _check_source(target["datasource"], where, variables, kinds, faults)
    _check_overlaps([panel for panel in _list(content, "panels") if isinstance(panel.get("gridPos"), dict)], faults)


def _panels(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels, those in rows among them."""
    for panel in _list(content, "panels"):
        yield panel
        yield from _panels(panel)


def _check_place(panel: Mapping[str, Any], where: str, faults: list[str]) -> None:
    place = panel.get("gridPos")
    sides = [place.get(side) for side in "xywh"] if isinstance(place, dict) else []
    numbers = [side for side in sides if isinstance(side, int)]
    if len(numbers) != len("xywh"):
        faults.append(f"{where}: its gridPos {place!r} has not x, y, w and h")
        return
    x, y, width, height = numbers
    if min(x, y) < 0 or min(width, height) < 1 or x + width > COLUMNS:
        faults.append(f"{where}: its gridPos {place} is not within {COLUMNS} columns")


def _check_overlaps(panels: list[dict[str, Any]], faults: list[str]) -> None:
    def cells(panel: Mapping[str, Any]) -> set[tuple[int, int]]:
        x, y, w, h = (panel["gridPos"].get(side) or 0 for side in "xywh")
        return {(x + across, y + down) for across in range(w) for down in range(h)}

    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        under = {taken[cell] for cell in cells(panel) if cell in taken}
        faults += [f"panel {panel.get('title')!r} lies over panel {other!r}" for other in sorted(under)]
        taken |= dict.fromkeys(cells(panel), str(panel.get("title")))


def _check_source(
    source: Any, where: str, variables: Mapping[str, str], kinds: Mapping[str, str], faults: list[str]
) -> None:
    """Hold a reference to a data source, `{"type": ..., "uid": ...}`, against those that there are."""
    if not isinstance(source, dict) or not source.get("uid"):
        faults.append(f"{where}: its data source is {source!r}, which has no uid")
        return
    uid = str(source["uid"])
    name = uid.removeprefix("$").removeprefix("{").removesuffix("}") if uid.startswith("$") else None
    if uid in BUILT_IN:
        return
    kind = variables.get(name) if name is not None else kinds.get(uid)
    if kind is None:
        faults.append(f"{where}: there is no data source {uid!r}")
    elif source.get("type", kind) != kind:
        faults.append(f"{where}: its data source {uid!r} is {kind} and not {source['type']}")


def _list(content: Any, key: str) -> list[dict[str, Any]]:
    found = content.get(key) if isinstance(content, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
