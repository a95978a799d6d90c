"""Provisioning files, read as Grafana reads them, each key held against what it knows.

Source: https://grafana.com/docs/grafana/latest/administration/provisioning/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.names import (
    DELETED_SOURCE,
    HEADER_NAME,
    HEADER_VALUE,
    HTTP,
    JSON_DATA,
    JSON_VALUES,
    LEADS_TO,
    NESTED,
    PROVIDER,
    PROVIDER_OPTIONS,
    PROVISIONING,
    SECURE_JSON_DATA,
    SOURCE,
)

ENDINGS = {".yaml", ".yml"}
UID_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Source:
    """A data source.

    Args:
        headers: That it sends with every request.
    """

    uid: str
    name: str
    kind: str
    url: str
    default: bool
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Provider:
    """A directory of dashboards.

    Args:
        folder: In which they are; empty where the directory's own folders are Grafana's.
        interval: After which it is read again, in seconds.
    """

    name: str
    path: str
    folder: str
    folders_from_files: bool
    interval: int


def files(place: Place, directory: str, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each file of provisioning below a directory, as its kind with its name, and its content."""
    for path in _visible(place.at(directory), faults):
        if path.is_dir() and path.name not in PROVISIONING:
            faults.append(f"{path.name} is no directory of provisioning files")
        elif not path.is_dir():
            faults.append(f"{path.name} is beside the directories of provisioning files, where nobody reads it")
    for kind, keys in PROVISIONING.items():
        folder = place.at(directory) / kind
        for path in _visible(folder, faults) if folder.exists() else []:
            name = f"{kind}/{path.name}"
            if path.suffix not in ENDINGS:
                faults.append(f"{name} is not read: its name ends neither in .yaml nor in .yml")
                continue
            content = _content(path, name, faults)
            if content.get("apiVersion") != 1:
                faults.append(f"{name}: apiVersion is {content.get('apiVersion')!r}, not 1")
            _known(content, keys, name, faults)
            yield name, place.interpolated(content, faults, name)


def sources(contents: Mapping[str, dict[str, Any]], faults: list[str]) -> list[Source]:
    """The data sources of all files, after all that is wrong with them was told."""
    entries = [
        (f"{name}: data source {entry.get('name')!r}", entry)
        for name, content in contents.items()
        if name.startswith("datasources/")
        for entry in _entries(content, "datasources", name, faults)
    ]
    for name, content in contents.items():
        for entry in _entries(content, "deleteDatasources", name, faults):
            _known(entry, DELETED_SOURCE, f"{name}: deleted data source", faults)
    found = [_source(where, entry, faults) for where, entry in entries]
    _unique("uid of a data source", [each.uid for each in found], faults)
    _unique("name of a data source", [each.name for each in found], faults)
    if found and sum(each.default for each in found) != 1:
        default = [each.name for each in found if each.default]
        faults.append(f"there must be one default data source, and there are {len(default)}: {default}")
    kinds = {each.uid: each.kind for each in found}
    for where, entry in entries:
        _check_links(where, entry.get("jsonData") or {}, kinds, faults)
    return found


def providers(place: Place, contents: Mapping[str, dict[str, Any]], faults: list[str]) -> list[Provider]:
    """The providers of dashboards of all files, after all that is wrong with them was told."""
    found = [
        _provider(place, f"{name}: provider {entry.get('name')!r}", entry, faults)
        for name, content in contents.items()
        if name.startswith("dashboards/")
        for entry in _entries(content, "providers", name, faults)
    ]
    _unique("name of a provider", [each.name for each in found], faults)
    _unique("path of a provider", [each.path for each in found], faults)
    return found


def _source(where: str, entry: Mapping[str, Any], faults: list[str]) -> Source:
    _known(entry, SOURCE, where, faults)
    faults += [f"{where} has no {key}" for key in ("name", "type", "uid", "url") if not entry.get(key)]
    uid, kind, url = (str(entry.get(key, "")) for key in ("uid", "type", "url"))
    if len(uid) > UID_LENGTH or not uid.replace("-", "").replace("_", "").isalnum():
        faults.append(f"{where}: its uid {uid!r} is no uid of at most {UID_LENGTH} letters, digits, - and _")
    if entry.get("access", "proxy") != "proxy":
        faults.append(f"{where}: its access is {entry['access']!r}, by which browsers would have to reach it")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        faults.append(f"{where}: its url {url!r} is no address of a server")
    data, secret = entry.get("jsonData") or {}, entry.get("secureJsonData") or {}
    if kind not in JSON_DATA:
        faults.append(f"{where}: nothing is known here of the type {kind!r}")
    else:
        plain = {key: value for key, value in data.items() if not key.startswith(HEADER_NAME)}
        _known(plain, HTTP | JSON_DATA[kind], f"{where}, jsonData", faults)
        _check_values(f"{where}, jsonData", plain, faults)
    _known({key for key in secret if not key.startswith(HEADER_VALUE)}, SECURE_JSON_DATA, f"{where}, secrets", faults)
    headers = {
        str(value): str(secret.get(key.replace(HEADER_NAME, HEADER_VALUE), ""))
        for key, value in data.items()
        if key.startswith(HEADER_NAME)
    }
    for name, value in headers.items():
        if not value:
            faults.append(f"{where}: its header {name} has no value in secureJsonData")
    return Source(
        uid=uid,
        name=str(entry.get("name", "")),
        kind=kind,
        url=url,
        default=entry.get("isDefault") is True,
        headers=headers,
    )


def _check_values(where: str, data: Mapping[str, Any], faults: list[str]) -> None:
    """Hold the parts of jsonData against what they may be."""
    for key, value in data.items():
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if key in NESTED and not isinstance(part, dict):
                faults.append(f"{where}: {key} holds {part!r}, which has no keys")
            elif key in NESTED:
                _known(part, NESTED[key], f"{where}, {key}", faults)
                _check_values(f"{where}, {key}", part, faults)
            elif key in JSON_VALUES and part not in JSON_VALUES[key]:
                faults.append(f"{where}: {key} is {part!r}: it can be {', '.join(sorted(JSON_VALUES[key]))}")


def _check_links(where: str, data: Mapping[str, Any], kinds: Mapping[str, str], faults: list[str]) -> None:
    """Hold the data sources to which one leads against those that there are."""
    links = [("alertmanager", "alertmanagerUid", data["alertmanagerUid"])] if "alertmanagerUid" in data else []
    for part, kind in LEADS_TO.items():
        value = data.get(part)
        for each in value if isinstance(value, list) else [value] if value else []:
            if isinstance(each, dict) and "datasourceUid" in each:
                links.append((kind, part, each["datasourceUid"]))
            elif isinstance(each, dict) and not each.get("url"):
                faults.append(f"{where}: {part} leads nowhere: it has neither datasourceUid nor url")
    for kind, part, uid in links:
        if uid not in kinds:
            faults.append(f"{where}: {part} leads to {uid!r}, and there is no such data source")
        elif kinds[uid] != kind:
            faults.append(f"{where}: {part} leads to {uid!r}, which is {kinds[uid]} and not {kind}")


def _provider(place: Place, where: str, entry: Mapping[str, Any], faults: list[str]) -> Provider:
    _known(entry, PROVIDER, where, faults)
    options = entry.get("options") or {}
    _known(options, PROVIDER_OPTIONS, f"{where}, options", faults)
    if entry.get("type", "file") != "file":
        faults.append(f"{where}: its type is {entry['type']!r}, and only file is there")
    path, from_files = str(options.get("path", "")), options.get("foldersFromFilesStructure") is True
    # Where folders follow from files, others write, who may begin later.
    if not path or not (from_files or place.at(path).is_dir()):
        faults.append(f"{where}: its path {path!r} is no directory")
    if from_files and (entry.get("folder") or entry.get("folderUid")):
        faults.append(f"{where}: it has a folder, and foldersFromFilesStructure, which excludes that")
    interval = entry.get("updateIntervalSeconds", 10)
    if not isinstance(interval, int) or interval < 1:
        faults.append(f"{where}: its updateIntervalSeconds is {interval!r}, which is no whole number of seconds")
    return Provider(
        name=str(entry.get("name", "")),
        path=path,
        folder=str(entry.get("folder", "")),
        folders_from_files=from_files,
        interval=interval if isinstance(interval, int) and interval >= 1 else 10,
    )


def _content(path: Path, name: str, faults: list[str]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        faults.append(f"{name} cannot be read: {' '.join(str(error).split())}")
        return {}
    if not isinstance(content, dict):
        faults.append(f"{name} holds {type(content).__name__}, and no keys")
        return {}
    return content


def _entries(content: Mapping[str, Any], key: str, name: str, faults: list[str]) -> list[dict[str, Any]]:
    found = content.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        faults.append(f"{name}: {key} is no list of entries")
        return []
    return found


def _known(keys: Any, known: frozenset[str], where: str, faults: list[str]) -> None:
    faults += [f"{where}: there is no key {key!r}" for key in sorted(set(map(str, keys)) - known)]


def _unique(what: str, found: list[str], faults: list[str]) -> None:
    faults += [
        f"the {what} must be unique, and {each!r} is not" for each in sorted({e for e in found if found.count(e) > 1})
    ]


def _visible(directory: Path, faults: list[str]) -> list[Path]:
    """What is in a directory; Kubernetes keeps the files of volumes in hidden ones beside links to them."""
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        faults.append(f"the directory {directory.name} cannot be read: {error.strerror}")
        return []
