"""All that Grafana would read, read: what a Grafana is made of, and what is wrong with it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.stand_in.boards import Board, boards, together
from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.provisioning import Provider, Source, files, providers, sources
from tests.cluster.stand_in.settings import Settings, read

# Without it nobody could start: the script makes the directory of the plugins, and Grafana writes beside it.
WRITTEN = ("paths.data", "paths.plugins")


@dataclass(frozen=True, slots=True)
class Grafana:
    """What was read.

    Args:
        faults: What is wrong with anything but dashboards.
    """

    settings: Settings
    sources: list[Source]
    providers: list[Provider]
    faults: list[str]


def assembled(place: Place, arguments: Sequence[str] = ()) -> Grafana:
    """All but the dashboards, which Grafana reads again and again."""
    faults: list[str] = []
    settings = read(place, arguments, faults)
    for name in WRITTEN:
        _check_written(place, settings[name], faults)
    contents = dict(files(place, settings["paths.provisioning"], faults))
    found = sources(contents, faults)
    directories = providers(place, contents, faults)
    _check_home(place, settings["dashboards.default_home_dashboard_path"], faults)
    return Grafana(settings, found, directories, faults)


def all_boards(place: Place, grafana: Grafana) -> list[Board]:
    """The dashboards, as they are now."""
    kinds = {source.uid: source.kind for source in grafana.sources}
    return [board for provider in grafana.providers for board in boards(place, provider, kinds)]


def of_boards(found: list[Board]) -> dict[str, list[str]]:
    """Path of a dashboard -> what is wrong with it."""
    others = together(found)
    told = {board.path: [*board.faults, *others.get(board.path, [])] for board in found}
    return {path: faults for path, faults in told.items() if faults}


def check(root: Path, environment: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> list[str]:
    """What is wrong with the files of a Grafana, each in one sentence; nothing if it would start and show all.

    Args:
        root: A directory that is `/` to it.
        environment: Its variables, beside those of the image.
        arguments: Of its container.
    """
    place = Place(root, environment or {})
    grafana = assembled(place, arguments)
    broken = of_boards(all_boards(place, grafana))
    return [*grafana.faults, *(f"{path}: {fault}" for path, faults in broken.items() for fault in faults)]


def _check_written(place: Place, path: str, faults: list[str]) -> None:
    """Make a directory as the script does, and write into it."""
    directory = place.at(path)
    try:
        directory.mkdir(exist_ok=True)
        probe = directory / ".stand-in"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        faults.append(f"the directory {path} cannot be written: {os.strerror(error.errno or 0)}")


def _check_home(place: Place, path: str, faults: list[str]) -> None:
    if not path:
        return
    try:
        json.loads(place.at(path).read_text())
    except (OSError, ValueError) as error:
        faults.append(f"dashboards.default_home_dashboard_path is {path}, which cannot be read: {error}")
