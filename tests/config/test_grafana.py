"""Grafana's own file: its database, its login, and whom it tells nothing."""

from configparser import ConfigParser
from dataclasses import replace
from typing import Any

import pytest

from constructs_lib.config.grafana import GrafanaConfig, Login, PostgresStore, provider, providers
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import ExternalHost
from constructs_lib.errors import ConstructError

LOGIN = Login(password=SecretKey("people", "admin-password"), secret_key=SecretKey("people", "secret-key"))
SERVER = ExternalHost(host="sql.example.com", port=5433, addresses=("198.51.100.0/24",))
DATABASE = PostgresStore(server=SERVER, password=SecretKey("sql", "password"), ca=SecretKey("trust", "ca"))
PEERS = ("grafana-0.grafana-headless.watching.svc.cluster.local:9094", "grafana-1.example.com:9094")


def config(**more: Any) -> GrafanaConfig:
    settings = {"root_url": "https://grafana.example.com", "login": LOGIN, "database": None, "cluster": "watching/g"}
    return GrafanaConfig(**{**settings, **more})


def read(made: GrafanaConfig) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string(made.to_text())
    return parser


def test_secrets_are_read_from_files_alone() -> None:
    """By Grafana itself: they are in no variable, and in no manifest."""
    found = read(config(database=DATABASE))
    credentials = "/etc/grafana/credentials"
    assert found["security"]["admin_password"] == f"$__file{{{credentials}/people/admin-password}}"
    assert found["security"]["secret_key"] == f"$__file{{{credentials}/people/secret-key}}"
    assert found["database"]["password"] == f"$__file{{{credentials}/sql/password}}"


def test_metrics_have_a_password_where_there_is_one() -> None:
    """Both the user and the file of it: with one of them alone, Grafana asks nobody."""
    guarded = replace(LOGIN, metrics=SecretKey("numbers", "password"))
    assert dict(read(config(login=guarded))["metrics"]) == {
        "enabled": "true",
        "basic_auth_username": "metrics",
        "basic_auth_password": "$__file{/etc/grafana/credentials/numbers/password}",
    }
    assert dict(read(config())["metrics"]) == {"enabled": "true"}


def test_the_database_is_the_one_that_it_says_it_is() -> None:
    """Its certificate is verified, by the authority that was named."""
    found = dict(read(config(database=DATABASE))["database"])
    assert found["type"] == "postgres"
    assert found["host"] == "sql.example.com:5433"
    assert found["ssl_mode"] == "verify-full"
    assert found["ca_cert_path"] == "/etc/grafana/credentials/trust/ca"
    assert "ca_cert_path" not in read(config(database=replace(DATABASE, ca=None)))["database"]


def test_nothing_is_told_to_anybody_outside() -> None:
    """And nothing is looked up or installed from there, which policies would not let through either."""
    found = read(config())
    assert set(found["analytics"].values()) == {"false"}
    assert found["snapshots"]["external_enabled"] == "false"
    assert found["news"]["news_feed_enabled"] == "false"
    assert found["plugins"]["preinstall_disabled"] == "true"
    assert found["metrics"]["enabled"] == "true"


@pytest.mark.trap(35)
def test_several_tell_each_other_of_what_was_sent() -> None:
    """By their own addresses; a single one waits for nobody."""
    found = dict(read(config(database=DATABASE, peers=PEERS))["unified_alerting"])
    assert found["ha_peers"] == ",".join(PEERS)
    assert found["ha_listen_address"] == found["ha_advertise_address"] == "${POD_IP}:9094"
    assert found["ha_label"] == "watching/g"
    assert dict(read(config())["unified_alerting"]) == {"enabled": "true"}


@pytest.mark.parametrize(("scheme", "secure"), [("https", "true"), ("http", "false")])
def test_cookies_are_for_https_where_there_is_https(scheme: str, secure: str) -> None:
    """Else nobody could log in by a forwarded port."""
    found = read(config(root_url=f"{scheme}://grafana.example.com"))
    assert found["server"]["root_url"] == f"{scheme}://grafana.example.com/"
    assert found["security"]["cookie_secure"] == secure


def test_a_home_is_shown_first() -> None:
    """Grafana's own, where none was chosen."""
    assert read(config(home="/etc/grafana/dashboards/a.json"))["dashboards"]["default_home_dashboard_path"]
    assert not read(config()).has_section("dashboards")


def test_dashboards_that_are_gone_are_deleted_and_others_stay_as_they_are() -> None:
    """In one folder, or in a folder for each directory."""
    (platform,) = providers({"/a": provider("platform", "/a", folder="Platform")})["providers"]
    assert (platform["folder"], platform["options"]) == (
        "Platform",
        {"path": "/a", "foldersFromFilesStructure": False},
    )
    assert (platform["disableDeletion"], platform["allowUiUpdates"]) == (False, False)
    teams = provider("teams", "/b", folder=None)
    assert "folder" not in teams
    assert teams["options"]["foldersFromFilesStructure"] is True


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"root_url": "grafana"}, "root_url is 'grafana': use a URL", id="no-url"),
        pytest.param({"root_url": "https://a.example.com/g"}, "with a path: give it a host of its own", id="path"),
        pytest.param({"root_url": "https://%(x)s"}, "leave out percent, dollar", id="interpolated"),
        pytest.param({"root_url": "https://a.example.com#b"}, "leave out percent, dollar", id="comment"),
    ],
)
def test_a_url_that_grafana_would_misread_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConstructError, match=sentence):
        config(**change)


@pytest.mark.parametrize("name", ["", "two words", "a;b", "$x", "a" * 64])
def test_names_that_the_file_would_break_at_are_refused(name: str) -> None:
    with pytest.raises(ConstructError, match="cannot be Grafana's administrator: use up to 63 letters"):
        replace(LOGIN, user=name)
    with pytest.raises(ConstructError, match="cannot be the user of Grafana's database: use up to 63 letters"):
        replace(DATABASE, user=name)
    with pytest.raises(ConstructError, match="cannot be the name of Grafana's database: use up to 63 letters"):
        replace(DATABASE, database=name)
