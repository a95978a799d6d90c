"""Grafana's settings: grafana.ini, variables and the arguments of the image's start script, as Grafana reads them.

Source: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/ and configure-docker/
"""

import configparser
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.names import DEFAULT, DEFAULTS, OF_THE_SCRIPT, SETTINGS, VALUES

# The official image's variables.
IMAGE: Mapping[str, str] = {
    "GF_PATHS_CONFIG": "/etc/grafana/grafana.ini",
    "GF_PATHS_DATA": "/var/lib/grafana",
    "GF_PATHS_HOME": "/usr/share/grafana",
    "GF_PATHS_LOGS": "/var/log/grafana",
    "GF_PATHS_PLUGINS": "/var/lib/grafana/plugins",
    "GF_PATHS_PROVISIONING": "/etc/grafana/provisioning",
}
FILE = "__FILE"
QUOTES = ('"""', "`", '"', "'")
REFERENCE = re.compile(r"%\((\w+)\)s")
CONFIG = re.compile(r"--?config=(.+)")
OVERRIDE = re.compile(r"cfg:(?:default\.)?([\w.-]+)=(.*)")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set, by "section.key"; what stands before the first section has no dot."""

    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """The value of a setting that is set, or that has a default in `DEFAULTS`."""
        value = self.values.get(name) or DEFAULTS.get(name, "")
        section = name.rpartition(".")[0]
        return REFERENCE.sub(lambda match: self[f"{section}.{match[1]}"], value)

    def truth(self, name: str) -> bool:
        """Whether it is true."""
        return self[name].lower() == "true"


def read(place: Place, arguments: Sequence[str], faults: list[str]) -> Settings:
    """The settings, after all that is wrong with them was told."""
    given = _variables(place, faults)
    place = Place(place.root, given)
    path = given["GF_PATHS_CONFIG"]
    overrides: dict[str, str] = {}
    for argument in arguments:
        if match := CONFIG.fullmatch(argument):
            path = match[1]
        elif match := OVERRIDE.fullmatch(argument):
            overrides[match[1]] = match[2]
        else:
            faults.append(f"the argument {argument} is none of grafana server that is known here")
    values = _file(place, path, faults)
    names = {_variable(name): name for name in _known()}
    for variable in sorted(given):
        if variable.startswith("GF_") and variable not in OF_THE_SCRIPT:
            if variable in names:
                values[names[variable]] = given[variable]
            else:
                faults.append(f"the variable {variable} is no setting")
    for name, value in overrides.items():
        if name not in _known():
            faults.append(f"the argument cfg:{name} is no setting")
        values[name] = value
    expanded = {name: place.expanded(value, faults, name) for name, value in values.items()}
    settings = Settings(expanded)
    _check(settings, faults)
    return settings


def _known() -> list[str]:
    return [name if section == DEFAULT else f"{section}.{name}" for section in SETTINGS for name in SETTINGS[section]]


def _variable(name: str) -> str:
    """The variable that overrides a setting."""
    section, _, key = name.rpartition(".")
    return f"GF_{(section or DEFAULT).replace('.', '_').replace('-', '_')}_{key}".upper()


def _variables(place: Place, faults: list[str]) -> dict[str, str]:
    """All variables, after those that name files were replaced, as the script does it."""
    given = {**IMAGE, **place.environment}
    for variable in [name for name in given if name.startswith("GF_") and name.endswith(FILE)]:
        path, plain = given.pop(variable), variable.removesuffix(FILE)
        if given.get(plain):
            faults.append(f"both {plain} and {variable} are set, but are exclusive")
        try:
            given[plain] = place.at(path).read_text().rstrip("\n")
        except OSError as error:
            faults.append(f"{variable}: the file {path} cannot be read: {error.strerror}")
    return given


def _file(place: Place, path: str, faults: list[str]) -> dict[str, str]:
    """The settings of a file, each under its section."""
    # No value is interpolated here, and no key becomes lower case; the comments are Grafana's.
    parser = configparser.ConfigParser(
        interpolation=None, default_section="", comment_prefixes=("#", ";"), delimiters=("=", ":")
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(f"[{DEFAULT}]\n{place.at(path).read_text()}", source=path)
    except OSError as error:
        faults.append(f"the configuration {path} cannot be read: {error.strerror}")
    except configparser.Error as error:
        faults.append(f"the configuration cannot be parsed: {str(error).splitlines()[0]}")
        return {}
    found = {}
    for section in parser.sections():
        if section not in SETTINGS:
            faults.append(f"{Path(path).name}: there is no section [{section}]")
            continue
        for key, value in parser[section].items():
            name = key if section == DEFAULT else f"{section}.{key}"
            # A feature's name is a key of its section, too.
            if key not in SETTINGS[section] and section != "feature_toggles":
                faults.append(f"{Path(path).name}: section [{section}] has no key {key}")
            found[name] = _plain(value, name, faults)
    return found


def _plain(value: str, name: str, faults: list[str]) -> str:
    """A value without its quotes."""
    for quote in QUOTES:
        if len(value) >= 2 * len(quote) and value.startswith(quote) and value.endswith(quote):
            return value[len(quote) : -len(quote)]
    if mark := re.search("[#;]", value):
        faults.append(f'{name}: what follows {mark[0]} is a comment; wrap the value in """ if it is not meant as one')
        return value[: mark.start()].strip()
    return value


def _check(settings: Settings, faults: list[str]) -> None:
    for name, allowed in VALUES.items():
        value = settings.values.get(name)
        if value is not None and value not in allowed:
            faults.append(f"{name} is {value!r}: it can be {', '.join(sorted(allowed))}")
    url = urlsplit(settings["server.root_url"])
    if url.scheme not in {"http", "https"} or not url.hostname:
        faults.append(f"server.root_url is {settings['server.root_url']!r}, which is no address of a page")
    known = [name for name in ("security.secret_key", "security.admin_password") if settings[name] == DEFAULTS[name]]
    faults += [f"{name} is the one that everybody knows" for name in known]
    if settings["database.type"] != "sqlite3" and settings["database.url"]:
        faults.append("database.url is not read here: use host, name, user and password")
    names = ["unified_alerting.ha_listen_address", "unified_alerting.ha_advertise_address"]
    peers = [peer.strip() for peer in settings["unified_alerting.ha_peers"].split(",") if peer.strip()]
    addresses = [(name, settings[name]) for name in names if settings[name]]
    for name, address in [*addresses, *(("unified_alerting.ha_peers", peer) for peer in peers)]:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            faults.append(f"{name} has {address!r}, which is no host:port")
    if peers and settings["database.type"] == "sqlite3":
        faults.append("unified_alerting.ha_peers is set, but replicas cannot share the database sqlite3")
