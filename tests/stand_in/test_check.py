"""What stands for Grafana on the test cluster says of each fault what it is, and nothing of what is in order."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.stand_in.check import check
from tests.stand_in.whole import Files, board

CONFIG = "etc/grafana/config/grafana.ini"
SOURCES = "etc/grafana/provisioning/datasources/all.yaml"
PROVIDERS = "etc/grafana/provisioning/dashboards/all.yaml"
SYSTEM = "etc/grafana/dashboards/system.json"
SALES = "etc/grafana/teams/shop/sales.sales.json"

# Each fault of the settings: what is replaced by what, and what must be said.
SETTINGS = {
    "section": ("[metrics]", "[metric]", "no section [metric]"),
    "key": ("root_url =", "rot_url =", "section [server] has no key rot_url"),
    "value": ("type = sqlite3", "type = sqlite", "database.type is 'sqlite': it can be mysql, postgres, sqlite3"),
    "file": ("admin/password}", "admin/word}", "security.admin_password: the file /etc/grafana/credentials/admin/word"),
    "variable": ("${POD_NAME}", "${POD}", "instance_name: the variable POD is not set"),
    "provider": ("$__file{/etc/grafana/credentials/admin/user}", "$__vault{a}", "there is no provider 'vault'"),
    "comment": ('"""script', "script", "what follows ; is a comment"),
    "known secret": (
        "secret_key = $__file{/etc/grafana/credentials/admin/secret-key}",
        "",
        "secret_key is the one that",
    ),
    "known password": ("admin_password =", "admin_email =", "security.admin_password is the one that everybody knows"),
    "home": (
        "dashboards/system.json",
        "dashboards/home.json",
        "default_home_dashboard_path is /etc/grafana/dashboards",
    ),
    "address": ("https://grafana.example.com/", "grafana.example.com", "server.root_url is 'grafana.example.com'"),
    "twice": ("[metrics]", "[metrics]\nenabled = false", "the configuration cannot be parsed"),
    "peers": (
        "[metrics]",
        "[unified_alerting]\nha_peers = grafana-peers:9094\n[metrics]",
        "replicas cannot share the database sqlite3",
    ),
    "address of a peer": (
        "[metrics]",
        "[unified_alerting]\nha_advertise_address = :9094\n[metrics]",
        "unified_alerting.ha_advertise_address has ':9094', which is no host:port",
    ),
}


def of(number: int, **changes: Any) -> Callable[[Any], object]:
    """Change one data source."""
    return lambda content: content["datasources"][number].update(changes)


def data(number: int, **changes: Any) -> Callable[[Any], object]:
    """Change what one data source has in jsonData."""
    return lambda content: content["datasources"][number]["jsonData"].update(changes)


# Each fault of provisioning: the file, its change, and what must be said.
PROVISIONING: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "key of a file": (SOURCES, lambda content: content.update(datasource=[]), "no key 'datasource'"),
    "version of a file": (SOURCES, lambda content: content.pop("apiVersion"), "apiVersion is None, not 1"),
    "key": (SOURCES, of(0, default=True), "data source 'Prometheus': there is no key 'default'"),
    "key of jsonData": (SOURCES, data(0, httpmethod="POST"), "jsonData: there is no key 'httpmethod'"),
    "value of jsonData": (SOURCES, data(0, httpMethod="PUT"), "httpMethod is 'PUT': it can be GET, POST"),
    "key of a part": (
        SOURCES,
        data(2, tracesToLogsV2={"datasourceUID": "loki", "query": "x"}),
        "tracesToLogsV2: there is no key 'datasourceUID'",
    ),
    "no default": (SOURCES, of(0, isDefault=False), "there must be one default data source, and there are 0"),
    "two defaults": (
        SOURCES,
        of(1, isDefault=True),
        "one default data source, and there are 2: ['Prometheus', 'Loki']",
    ),
    "uid twice": (SOURCES, of(1, uid="prometheus"), "the uid of a data source must be unique, and 'prometheus' is not"),
    "name twice": (SOURCES, of(1, name="Jaeger"), "the name of a data source must be unique, and 'Jaeger' is not"),
    "no uid": (SOURCES, lambda content: content["datasources"][3].pop("uid"), "'Alertmanager' has no uid"),
    "browser": (SOURCES, of(0, access="direct"), "its access is 'direct'"),
    "no address": (SOURCES, of(0, url="prometheus:9090"), "'prometheus:9090' is no address"),
    "kind": (SOURCES, of(3, type="alerts"), "nothing is known here of the type 'alerts'"),
    "link": (SOURCES, of(2, uid="traces"), "leads to 'jaeger', and there is no such data source"),
    "link to the wrong kind": (
        SOURCES,
        data(0, exemplarTraceIdDestinations=[{"name": "trace_id", "datasourceUid": "loki"}]),
        "exemplarTraceIdDestinations leads to 'loki', which is loki and not jaeger",
    ),
    "alerts elsewhere": (SOURCES, data(0, alertmanagerUid="am"), "alertmanagerUid leads to 'am'"),
    "dollar": (
        SOURCES,
        data(1, derivedFields=[{"name": "t", "url": "${__value.raw}", "datasourceUid": "jaeger"}]),
        "the variable __value.raw is not set; a dollar that is meant is written as $$",
    ),
    "header without value": (
        SOURCES,
        lambda content: content["datasources"][1].pop("secureJsonData"),
        "its header X-Scope-OrgID has no value",
    ),
    "secret": (SOURCES, of(0, secureJsonData={"token": "x"}), "secrets: there is no key 'token'"),
    "key of a provider": (PROVIDERS, lambda content: content["providers"][0].update(update=1), "no key 'update'"),
    "option of a provider": (
        PROVIDERS,
        lambda content: content["providers"][0]["options"].update(folder="x"),
        "options: there is no key 'folder'",
    ),
    "path of a provider": (
        PROVIDERS,
        lambda content: content["providers"][0]["options"].update(path="/etc/boards"),
        "its path '/etc/boards' is no directory",
    ),
    "folder and folders": (
        PROVIDERS,
        lambda content: content["providers"][1].update(folder="T"),
        "which excludes that",
    ),
    "provider twice": (
        PROVIDERS,
        lambda content: content["providers"][1].update(name="platform"),
        "the name of a provider must be unique, and 'platform' is not",
    ),
    "interval": (
        PROVIDERS,
        lambda content: content["providers"][0].update(updateIntervalSeconds="10s"),
        "updateIntervalSeconds is '10s'",
    ),
}


def first(**changes: Any) -> Callable[[Any], object]:
    """Change the first panel."""
    return lambda content: content["panels"][0].update(changes)


def variable(number: int, **changes: Any) -> Callable[[Any], object]:
    """Change a variable."""
    return lambda content: content["templating"]["list"][number].update(changes)


UNKNOWN = {"type": "prometheus", "uid": "thanos"}
# Each fault of a dashboard: its change, and what must be said.
BOARD: dict[str, tuple[Callable[[Any], object], str]] = {
    "uid": (lambda content: content.update(uid="a b"), "its uid 'a b' is no uid"),
    "title": (lambda content: content.update(title=""), "it has no title"),
    "id": (lambda content: content.update(id=7), "its id is 7"),
    "schema": (lambda content: content.update(schemaVersion=12), "its schemaVersion is 12"),
    "no panel": (lambda content: content.update(panels=[]), "it has no panel"),
    "panel without source": (first(datasource=None), "panel 'Up': its data source is None"),
    "source of a panel": (first(datasource=UNKNOWN), "panel 'Up': there is no data source 'thanos'"),
    "source of a query": (first(targets=[{"refId": "A", "datasource": UNKNOWN}]), "there is no data source 'thanos'"),
    "kind of a source": (first(datasource={"type": "loki", "uid": "prometheus"}), "is prometheus and not loki"),
    "source by no variable": (first(datasource={"uid": "${elsewhere}"}), "there is no data source '${elsewhere}'"),
    "source in a row": (
        lambda content: content["panels"][1]["panels"][0].update(datasource=UNKNOWN),
        "panel 'Inside': there is no data source 'thanos'",
    ),
    "source of an annotation": (
        lambda content: content["annotations"]["list"][0].update(datasource=UNKNOWN),
        "annotation 'built in': there is no data source 'thanos'",
    ),
    "source of a variable": (variable(1, datasource=UNKNOWN), "variable 'job': there is no data source 'thanos'"),
    "kind of a variable": (variable(0, query="mimir"), "variable 'source': no data source is 'mimir'"),
    "type of a variable": (variable(1, type="choice"), "variable 'job': there is no type 'choice'"),
    "variable twice": (variable(1, name="source"), "the variable 'source' is there twice"),
    "type of a panel": (first(type="graph"), "panel 'Up': there is no type 'graph'"),
    "id of a panel": (first(id=2), "the id '2' of a panel is there twice"),
    "names of queries": (first(targets=[{"expr": "up"}]), "its queries have the names [None]"),
    "place": (first(gridPos={"x": 12, "y": 0, "w": 24, "h": 8}), "is not within 24 columns"),
    "no place": (first(gridPos={"x": 12}), "has not x, y, w and h"),
    "overlap": (first(gridPos={"x": 0, "y": 1, "w": 24, "h": 8}), "panel 'More' lies over panel 'Up'"),
    "link": (lambda content: content["links"][0].update(url="/d/gone"), "it links to /d/gone"),
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A Grafana with which nothing is wrong."""
    made = Files(tmp_path)
    made.write()
    return made


def told(files: Files, **environment: str) -> list[str]:
    """What is said of it."""
    return check(files.root, files.environment | environment)


def assert_told(files: Files, fault: str, **environment: str) -> None:
    """Something is said that has these words."""
    said = told(files, **environment)
    assert any(fault in each for each in said), said


def test_nothing_is_wrong_with_what_is_in_order(files: Files) -> None:
    """Sections, quotes, secrets by file, links, variables and rows, and a ConfigMap as it is mounted."""
    assert told(files) == []


@pytest.mark.parametrize("fault", SETTINGS)
def test_a_fault_in_the_settings_is_told(files: Files, fault: str) -> None:
    """By its section and key."""
    old, new, said = SETTINGS[fault]
    files.change(CONFIG, old, new)

    assert_told(files, said)


def test_no_settings_are_told(files: Files) -> None:
    """Where the file is not that the container names."""
    assert_told(files, "the configuration /etc/grafana.ini cannot be read", GF_PATHS_CONFIG="/etc/grafana.ini")


def test_an_argument_names_the_configuration(files: Files) -> None:
    """As the start script hands it on, stronger than the variable."""
    nowhere = files.environment | {"GF_PATHS_CONFIG": "/nowhere"}

    assert check(files.root, nowhere, ["--config=/etc/grafana/config/grafana.ini"]) == []


@pytest.mark.parametrize(
    ("argument", "fault"),
    [
        ("--verbose", "the argument --verbose is none"),
        ("cfg:server.port=1", "the argument cfg:server.port is no setting"),
    ],
    ids=["option", "setting"],
)
def test_an_argument_that_nobody_knows_is_told(files: Files, argument: str, fault: str) -> None:
    """Grafana would not start."""
    said = check(files.root, files.environment, [argument])

    assert any(fault in each for each in said), said


def test_a_variable_overrides_a_setting(files: Files) -> None:
    """By section and key, in capital letters."""
    assert_told(files, "database.type is 'oracle'", GF_DATABASE_TYPE="oracle")


def test_a_variable_that_is_no_setting_is_told(files: Files) -> None:
    """Grafana would pass over it."""
    assert_told(files, "the variable GF_DATABASE_KIND is no setting", GF_DATABASE_KIND="postgres")


def test_a_variable_may_name_a_file(files: Files) -> None:
    """Which the start script reads; it must be there."""
    files.change(CONFIG, "admin_password = $__file{/etc/grafana/credentials/admin/password}", "")
    variable = "GF_SECURITY_ADMIN_PASSWORD__FILE"

    assert told(files, **{variable: "/etc/grafana/credentials/admin/password"}) == []
    assert_told(files, f"{variable}: the file /nowhere cannot be read", **{variable: "/nowhere"})


@pytest.mark.parametrize("fault", PROVISIONING)
def test_a_fault_in_provisioning_is_told(files: Files, fault: str) -> None:
    """By its file and entry."""
    path, change, said = PROVISIONING[fault]
    files.edit(path, change)

    assert_told(files, said)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("datasources/more.yml.txt", "datasources/more.yml.txt is not read"),
        ("sources/all.yaml", "sources is no directory of provisioning files"),
        ("all.yaml", "all.yaml is beside the directories"),
        ("datasources/broken.yaml", "datasources/broken.yaml cannot be read"),
    ],
    ids=["ending", "directory", "place", "yaml"],
)
def test_a_file_that_nobody_reads_is_told(files: Files, path: str, fault: str) -> None:
    """It looks as if it were provisioned."""
    files.at(f"etc/grafana/provisioning/{path}").write_text("a: [")

    assert_told(files, fault)


def test_a_directory_that_cannot_be_written_is_told(files: Files) -> None:
    """As without a volume on a read-only root."""
    shutil.rmtree(files.root / "var")

    assert_told(files, "the directory /var/lib/grafana/plugins cannot be written")


@pytest.mark.parametrize("fault", BOARD)
def test_a_fault_in_a_dashboard_is_told(files: Files, fault: str) -> None:
    """By its file, and no fault is told of any other one."""
    change, said = BOARD[fault]
    files.edit(SALES, change)

    assert_told(files, said)
    assert all(each.startswith("/etc/grafana/teams/shop/sales.sales.json: ") for each in told(files))


@pytest.mark.parametrize(("text", "fault"), [("{", "it cannot be read"), ("[]", "it is no object of JSON")], ids=str)
def test_what_is_no_dashboard_is_told(files: Files, text: str, fault: str) -> None:
    """It has the ending of one."""
    files.at(SALES).write_text(text)

    assert_told(files, fault)


def test_two_dashboards_of_one_uid_are_told(files: Files) -> None:
    """Of different folders, too: the one that is read last would be there."""
    files.edit(SALES, lambda content: content.update(board("system", "Sales")))

    assert_told(files, "its uid 'system' is also that of /etc/grafana/dashboards/system.json")


def test_two_dashboards_of_one_title_are_told_within_a_folder(files: Files) -> None:
    """In another folder the title is free."""
    files.edit(SALES, lambda content: content.update(title="System"))
    assert told(files) == []
    files.at("etc/grafana/teams/shop/more.json").write_text(files.at(SALES).read_text().replace("shop-sales", "more"))

    assert_told(files, "its title 'System' is also that of /etc/grafana/teams/shop/sales.sales.json in the same folder")
