"""Runbooks: one page for every alert, and commands that name what is rendered."""

import importlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jmespath
import promql_parser
import pytest
import yaml

from apps.aws import new_app, stacks
from apps.environments import PROD as PRODUCTION
from tests.apps.test_external_secrets import OF_RDS
from tests.rendered import DIST, ENVIRONMENTS, ROOT, Objects, read, template

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
OPERATIONS = ROOT / "docs" / "operations.md"
# The others where a site names the zones of its volumes, and the network of a database.
DATABASE_STACK = "MonitoringDatabase-prod"
STACKS = {"MonitoringBackup-prod", "MonitoringVolumes-prod", DATABASE_STACK}
RULES = ROOT / "constructs_lib" / "rules"
PROD = read(DIST / "prod")
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def groups(objects: Objects) -> dict[str, list[str]]:
    """By name, the alerts of every rule group that is rendered."""
    return {
        group["name"]: [rule["alert"] for rule in group["rules"] if "alert" in rule]
        for config_map in objects.of("ConfigMap")
        if config_map["metadata"]["name"].endswith("-rules")
        for file in config_map["data"]
        for group in objects.file(config_map["metadata"]["name"], file)["groups"]
    }


def resources(environment: str) -> dict[str, Mapping[str, Any]]:
    """What the stack of restore points of an environment consists of, by logical id; nothing where there is none."""
    template = DIST / environment / "aws" / "MonitoringBackup.template.json"
    return dict(json.loads(template.read_text())["Resources"]) if template.exists() else {}


def alarms(environment: str) -> set[str]:
    """The pages to which the alarms of AWS lead, each of which has one."""
    found = [each for each in resources(environment).values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    links = [re.search(r" https://\S+/(\w+)\.md$", each["Properties"]["AlarmDescription"]) for each in found]
    assert all(links)
    return {link[1] for link in links if link}


def commands(page: Path) -> list[str]:
    """The lines of code, with what is continued on the next line put together."""
    code = re.findall(r"^    +(.*)$", page.read_text(), re.MULTILINE)
    return re.sub(r"\\\n\s*", "", "\n".join(code)).splitlines()


def test_every_rule_group_of_the_library_is_rendered() -> None:
    """So that the alerts in dist/ are all the alerts that there are: a group's module has a function of its name."""
    modules = [path.stem for path in RULES.glob("[!_]*.py")]
    made = {
        name.replace("_", "-")
        for name in modules
        if hasattr(importlib.import_module(f"constructs_lib.rules.{name}"), name)
    }
    rendered = {name: set(groups(read(DIST / name))) for name in ENVIRONMENTS}

    assert rendered["prod"] == made
    assert all(each <= made for each in rendered.values())


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    """The link in a notification leads to a page that exists, and no page is left over."""
    alerts = {
        name: alarms(name) | {alert for names in groups(read(DIST / name)).values() for alert in names}
        for name in ENVIRONMENTS
    }
    pages = {page.stem for page in PAGES}
    assert alerts["prod"] == pages
    assert all(each <= pages for each in alerts.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_has_the_same_sections(page: Path) -> None:
    """Whoever is woken knows where to look."""
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert len(text.splitlines()) <= 60


def of_prod(of: str = "containers") -> Mapping[str, frozenset[str]]:
    """The containers of every workload and pod of dist/prod, or the init containers, by the names of commands."""
    containers: dict[str, frozenset[str]] = {}
    for each in PROD.workloads:
        name, kind = each["metadata"]["name"], each["kind"].lower()
        inside = frozenset(container["name"] for container in template(each)["spec"].get(of, ()))
        members = each["spec"]["replicas"] if each["kind"] == "StatefulSet" else 0
        pods = [f"{name}-{ordinal}" for ordinal in range(members)]
        containers |= dict.fromkeys((f"{kind}/{name}", *pods, *(f"pod/{pod}" for pod in pods)), inside)
    return containers


def secrets_of_prod() -> Mapping[str, set[str]]:
    """The Secrets that pods of dist/prod need, each with its keys as far as something in dist/prod names them."""
    text = "".join(yaml.safe_dump(document, width=sys.maxsize) for document in PROD.documents)
    variables = [
        each["valueFrom"]["secretKeyRef"]
        for container in PROD.containers
        for each in container.get("env", ())
        if "secretKeyRef" in each.get("valueFrom", {})
    ]
    names = {*re.findall(r"secretName: ([\w-]+)", text), *(each["name"] for each in variables)}
    return {
        name: {*re.findall(rf"/{name}/([\w-]+)", text), *(each["key"] for each in variables if each["name"] == name)}
        for name in names
    }


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_commands_name_what_prod_has(page: Path) -> None:
    """Namespaces, objects, pods and claims of our own are those of dist/prod."""
    known = {each["metadata"]["name"] for each in PROD.documents} | of_prod().keys()
    known |= {f"data-{name}" for name in of_prod()}
    known |= {each["metadata"].get("labels", {}).get("app.kubernetes.io/instance", "") for each in PROD.documents}
    text = page.read_text()
    verbs = "exec|logs|port-forward|describe pod|describe networkpolicy|describe pvc|patch pvc"
    named = re.findall(rf"-n monitoring (?:{verbs}) (?:service/)?(\w[\w/-]+)", text)
    named += re.findall(r"describe clusterrole (\w[\w-]+)", text)
    for names in re.findall(r"-n monitoring rollout (?:restart|status) deployment ((?:[\w-]+ ?)+)", text):
        assert {f"deployment/{name}" for name in names.split()} <= known
    for kind, name in re.findall(r"-n monitoring delete (statefulset|deployment) ([\w-]+)", text):
        assert f"{kind}/{name}" in known
    for names in re.findall(r"get configmap ((?:[\w-]+ )+?)-", text):
        named += names.split()
    named += re.findall(r"-n monitoring \w[^|`\n]*-l app.kubernetes.io/(?:name|instance)=([\w-]+)", text)
    assert named or page.stem in alarms("prod")
    assert set(named) <= known


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_commands_name_what_the_stack_of_prod_has(page: Path) -> None:
    """Its name, its region, and what is looked up in it, by a query that finds one resource of that type."""
    text = page.read_text()
    listed = [
        {"ResourceType": each["Type"], "LogicalResourceId": name, "PhysicalResourceId": name}
        for name, each in resources("prod").items()
    ]
    (query,) = set(re.findall(r'^    of\(\) \{ .* --query "(.*?)"', text, re.MULTILINE)) or {""}
    looked_up = re.findall(r"\$\(of (\S+?)(?: (\w+))?\)", text)
    assert bool(query) == bool(looked_up)
    for kind, prefix in looked_up:
        said = query.replace("$1", kind).replace("${2:-Watch}", prefix or "Watch")
        assert len(jmespath.search(said, {"StackResourceSummaries": listed})) == 1, kind
    named = re.findall(r"(?:--stack-name |--alarm-name-prefix )(\S+)", text)
    assert {each.removesuffix("-") for each in named} <= STACKS
    assert set(re.findall(r"--region[ =](\S+)", text)) <= {PRODUCTION.region}
    if page.stem in alarms("prod"):
        assert looked_up or "kubectl -n " in text


def test_commands_name_the_database_that_prod_would_have(tmp_path: Path) -> None:
    """Where it is made by RDS: its stack, its name, and that of its secret with the password."""
    values = PRODUCTION.but(**OF_RDS)
    database = values.grafana_database
    assert database
    assert [each.stack_name for each in stacks(new_app(tmp_path), "prod", values)][-1] == DATABASE_STACK
    named = [each for each in commands(OPERATIONS) if each.startswith("export NAME=")]
    assert named == [f"export NAME={database.name} PASSWORD_IN={database.secret}"]


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_commands_name_the_container_where_there_are_several(page: Path) -> None:
    """And it is one of those that the pod has."""
    containers, before = of_prod(), of_prod("initContainers")
    text = re.sub(r"\\\n\s*", "", page.read_text())
    for verb, target, container in re.findall(r"-n monitoring (exec|logs) (\w[\w/-]+)(?: -c ([\w-]+))?", text):
        ended = before[target] if verb == "logs" else frozenset()
        assert container in containers[target] | ended if container else len(containers[target]) == 1, target
    for name, container in re.findall(r"-n monitoring logs -l app.kubernetes.io/name=([\w-]+)(?: -c ([\w-]+))?", text):
        assert container in containers[f"{name}-0"], name


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_logs_of_several_pods_are_read_to_the_end(page: Path) -> None:
    """Also where the first of them cannot answer; and kubectl takes ten lines of each unless it is told how many."""
    for command in commands(page):
        if re.search(r"kubectl .*\blogs .*-l ", command):
            assert " --ignore-errors " in command
            assert " --tail=" in command


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_commands_name_secrets_and_keys_that_prod_needs(page: Path) -> None:
    """Whether they change one key, all of them, or read one."""
    secrets = secrets_of_prod()
    for command in commands(page):
        for name in re.findall(r" secret (?:generic )?([\w-]+)", command):
            keys = re.findall(r'stringData: \{"([\w-]+)"|--from-(?:literal|file)=([\w-]+)|\.data\.([\w-]+)', command)
            assert {key for found in keys for key in found if key} <= secrets[name]
    for name in re.findall(r"the Secret `([\w-]+)`", page.read_text()):
        assert name in secrets
    assert "edit secret" not in page.read_text()  # it wants base64, and says nothing when it gets none


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_amtool_is_run_where_it_is(page: Path) -> None:
    """In Alertmanager's container, and told where Alertmanager answers, unless it only reads a file."""
    text = re.sub(r"\\\n\s*", "", page.read_text())
    commands_of_it = re.findall(r"(.*)amtool (?!check-config)(.*)", text)
    for before, after in commands_of_it:
        assert before.endswith("-n monitoring exec alertmanager-0 -c alertmanager -- ")
        assert after.startswith("--alertmanager.url=http://localhost:9093 ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_nothing_is_applied_unseen(page: Path) -> None:
    """A clone without the site's values renders other addresses: one page says how to apply, after a look."""
    for applied in re.finditer(r"make synth|kubectl apply --server-side", page.read_text()):
        assert "kubectl diff --server-side" in page.read_text()[: applied.start()]


def critical() -> set[str]:
    """The alerts that wake somebody."""
    return {
        rule["alert"]
        for config_map in PROD.of("ConfigMap")
        if config_map["metadata"]["name"].endswith("-rules")
        for file in config_map["data"]
        for group in PROD.file(config_map["metadata"]["name"], file)["groups"]
        for rule in group["rules"]
        if rule.get("labels", {}).get("severity") == "critical"
    }


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in critical()], ids=lambda page: page.stem)
def test_two_commands_lead_to_a_decision_at_night(page: Path) -> None:
    """Whoever is woken runs no more than two before the page says what to do, by what they show."""
    diagnosis = page.read_text().partition("## Diagnosis\n")[2].partition("## Mitigation\n")[0]
    before = re.split(r"^(?:\| --- |- )", re.sub(r"\\\n\s*", "", diagnosis), maxsplit=1, flags=re.MULTILINE)
    assert len(before) == 2
    assert len(re.findall(r"^    kubectl", before[0], re.MULTILINE)) <= 2


def test_missing_jobs_are_found_where_prod_has_them() -> None:
    """Every job of dist/prod that declares its pods is in the table, with the namespace that discovery asks."""
    page = (ROOT / "docs" / "runbooks" / "JobMissing.md").read_text()
    rows = re.findall(
        r"^\| (`.*?) \| (?:`([\w-]+)`|none.*?) \| (?:`.*?=([\w-]+)`|none) \| (.*) \|$", page, re.MULTILINE
    )
    said = {job: row for row in rows for job in re.findall(r"`([\w-]+)`", row[0])}
    declared = PROD.file("prometheus-config", "prometheus.yml")["scrape_configs"]
    jobs = {each["job_name"]: each for each in declared if not each["job_name"].startswith("annotated-")}
    assert said.keys() == jobs.keys()
    for job, (_, namespace, pods, secrets) in said.items():
        if not namespace:
            continue
        assert jobs[job]["kubernetes_sd_configs"][0]["namespaces"]["names"] == [namespace]
        if pods != "JOB":
            (workload,) = (each for each in PROD.workloads if each["metadata"]["name"] == pods)
            assert workload["metadata"]["namespace"] == namespace
            for secret in re.findall(r"`([\w-]+)`", secrets):
                assert f"'{secret}'" in str(workload)


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_queries_of_commands_parse(page: Path) -> None:
    """Every expression that somebody may copy is one; what has to be filled in is written in capitals."""
    queries = [
        query for command in commands(page) for query in re.findall(r"promtool query instant \S+ '([^']+)'", command)
    ]
    for query in queries:
        promql_parser.parse(re.sub(r"\b[A-Z]{3,}\b", "x", query))
    assert len(queries) == sum("promtool query" in command for command in commands(page))


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS], ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A page may send its reader on to another one, and to a section of it."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, section = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists()
        if section:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert section in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
