"""Grafana's own configuration as typed data: its database, its login, what it reads and whom it tells nothing.

Source: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/
"""

import re
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Endpoint, ExternalHost
from constructs_lib.errors import ConstructError
from constructs_lib.units import prometheus_duration, whole_seconds
from constructs_lib.urls import absolute_url

HTTP_PORT, GOSSIP_PORT = 3000, 9094
CONFIG, PROVISIONING, DASHBOARDS = "/etc/grafana/config", "/etc/grafana/provisioning", "/etc/grafana/dashboards"
CREDENTIALS, DATA = "/etc/grafana/credentials", "/var/lib/grafana"
INI = "grafana.ini"
POD_IP = "POD_IP"
REREAD = timedelta(seconds=30)
# A replica that is gone has another address when it comes back.
FORGET_PEER = timedelta(minutes=5)
# Who alone reads its metrics, where they have a password.
METRICS_USER = "metrics"
# Neither of Grafana's ini nor of PostgreSQL's connection string is any of these a part.
USER = r"[-a-zA-Z0-9._@+]{1,63}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresStore:
    """A database that all replicas share; who logs in owns it.

    Args:
        server: Reached by TLS, its certificate verified: pods of the cluster, or a server outside of it.
        database: By name.
        user: Who logs in there.
        password: Of that user.
        ca: Who has signed the server's certificate; the public authorities when absent. For RDS, its bundle.
    Raises:
        ConstructError: a name that is none.
    Source: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/#database
    """

    server: ExternalHost | Endpoint
    database: str = "grafana"
    user: str = "grafana"
    password: SecretKey
    ca: SecretKey | None = None

    def __post_init__(self) -> None:
        for of, name in (("the user", self.user), ("the name", self.database)):
            if not re.fullmatch(USER, name):
                raise ConstructError(
                    f"{name!r} cannot be {of} of Grafana's database: use up to 63 letters, digits and -._@+"
                )

    @property
    def secrets(self) -> tuple[SecretKey, ...]:
        """That Grafana reads as files."""
        return (self.password, *([self.ca] if self.ca else []))

    def to_dict(self) -> dict[str, str]:
        return {
            "type": "postgres",
            "host": self.server.address,
            "name": self.database,
            "user": self.user,
            "password": _of_file(self.password),
            "ssl_mode": "verify-full",
            **({"ca_cert_path": self.ca.path_below(CREDENTIALS)} if self.ca else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The first user of Grafana, and what it encrypts its secrets with.

    Args:
        user: The name of the administrator.
        password: Of the administrator, at the first start of a database alone: later it is changed in Grafana.
        secret_key: What is encrypted with one cannot be read with another: it is the same for all replicas, for ever.
        metrics: With which alone its metrics are read. They are on the port that people open: without one, whoever
            reaches that reads them.
    Raises:
        ConstructError: a name that is none.
    Source: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/#security
    """

    user: str = "admin"
    password: SecretKey
    secret_key: SecretKey
    metrics: SecretKey | None = None

    @property
    def secrets(self) -> tuple[SecretKey, ...]:
        """That Grafana reads as files."""
        return (self.password, self.secret_key, *([self.metrics] if self.metrics else []))

    def __post_init__(self) -> None:
        if not re.fullmatch(USER, self.user):
            raise ConstructError(
                f"{self.user!r} cannot be Grafana's administrator: use up to 63 letters, digits and -._@+"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrafanaConfig:
    """The file that Grafana reads at its start.

    Args:
        root_url: Under which people reach it.
        login: Who may come in first.
        database: Which replicas share; None for a file of the only one.
        peers: Addresses of all replicas' alerting, who tell each other of what was sent; none for a single one.
        cluster: Told apart by this from others, whose addresses may have been theirs.
        home: Path of the dashboard that people see first; Grafana's own when absent.
    Raises:
        ConstructError: a URL that is none.
    Source: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/
    """

    root_url: str
    login: Login
    database: PostgresStore | None
    peers: tuple[str, ...] = ()
    cluster: str
    home: str | None = None

    def __post_init__(self) -> None:
        absolute_url(self.root_url, of="root_url", path=False)
        if re.search(r"[%$;#`\s]", self.root_url):
            raise ConstructError(
                f"root_url is {self.root_url!r}: leave out percent, dollar, semicolon, hash and spaces"
            )

    def to_dict(self) -> dict[str, dict[str, str]]:
        """Sections with their keys."""
        return {
            "server": {"root_url": f"{self.root_url.rstrip('/')}/", "http_port": str(HTTP_PORT)},
            "paths": {"data": DATA, "provisioning": PROVISIONING},
            "database": self.database.to_dict() if self.database else {"type": "sqlite3", "wal": "true"},
            "security": {
                "admin_user": self.login.user,
                "admin_password": _of_file(self.login.password),
                "secret_key": _of_file(self.login.secret_key),
                "cookie_secure": _truth(urlsplit(self.root_url).scheme == "https"),
                "strict_transport_security": _truth(urlsplit(self.root_url).scheme == "https"),
                "disable_gravatar": "true",
            },
            "users": {"allow_sign_up": "false"},
            # Nothing of it may leave the cluster, and policies would not let it.
            "analytics": {
                "reporting_enabled": "false",
                "check_for_updates": "false",
                "check_for_plugin_updates": "false",
                "feedback_links_enabled": "false",
            },
            "news": {"news_feed_enabled": "false"},
            "snapshots": {"external_enabled": "false"},
            "plugins": {"plugin_admin_enabled": "false", "preinstall_disabled": "true"},
            "metrics": {"enabled": "true", **self._metrics()},
            "log": {"mode": "console"},
            "log.console": {"format": "json"},
            **({"dashboards": {"default_home_dashboard_path": self.home}} if self.home else {}),
            "unified_alerting": {"enabled": "true", **self._peers()},
        }

    def to_text(self) -> str:
        """The file."""
        parser = RawConfigParser()
        parser.read_dict(self.to_dict())
        text = StringIO()
        parser.write(text)
        return text.getvalue()

    def _metrics(self) -> dict[str, str]:
        if not self.login.metrics:
            return {}
        return {"basic_auth_username": METRICS_USER, "basic_auth_password": _of_file(self.login.metrics)}

    def _peers(self) -> dict[str, str]:
        """https://grafana.com/docs/grafana/latest/alerting/set-up/configure-high-availability/"""
        if not self.peers:
            return {}
        own = f"${{{POD_IP}}}:{GOSSIP_PORT}"
        return {
            "ha_listen_address": own,
            "ha_advertise_address": own,
            "ha_peers": ",".join(self.peers),
            "ha_label": self.cluster,
            "ha_reconnect_timeout": prometheus_duration(FORGET_PEER),
        }


def provider(name: str, path: str, *, folder: str | None) -> dict[str, Any]:
    """Who reads dashboards out of files: what is gone there is deleted, and nobody changes one in the browser.

    Args:
        name: Of the provider.
        path: Below which the files are.
        folder: Where people find them; a folder for each directory when absent.
    Source: https://grafana.com/docs/grafana/latest/administration/provisioning/#dashboards
    """
    options = {"path": path, "foldersFromFilesStructure": folder is None}
    return {
        "name": name,
        "type": "file",
        **({"folder": folder} if folder else {}),
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": whole_seconds(REREAD),
        "options": options,
    }


def providers(each: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The file that names all of them."""
    return {"apiVersion": 1, "providers": list(each.values())}


def _of_file(key: SecretKey) -> str:
    """Grafana reads it itself, so that it is in no variable of its process."""
    return f"$__file{{{key.path_below(CREDENTIALS)}}}"


def _truth(value: bool) -> str:
    return str(value).lower()
