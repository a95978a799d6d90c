"""Runbooks: one page for every alert, and commands that name what is rendered."""

import importlib
import re
from pathlib import Path

import promql_parser
import pytest

from tests.rendered import DIST, ENVIRONMENTS, ROOT, Objects, read

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
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


def commands(page: Path) -> list[str]:
    """The lines of code, with what is continued on the next line put together."""
    code = re.findall(r"^    (.*)$", page.read_text(), re.MULTILINE)
    return re.sub(r"\\\n\s*", "", "\n".join(code)).splitlines()


def test_every_rule_group_of_the_library_is_rendered() -> None:
    """So that the alerts in dist/ are all the alerts that there are: a group's module has a function of its name."""
    modules = [path.stem for path in RULES.glob("[!_]*.py")]
    made = {
        name.replace("_", "-")
        for name in modules
        if hasattr(importlib.import_module(f"constructs_lib.rules.{name}"), name)
    }
    for name in ENVIRONMENTS:
        assert set(groups(read(DIST / name))) == made


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    """The link in a notification leads to a page that exists, and no page is left over."""
    alerts = {name: {alert for names in groups(read(DIST / name)).values() for alert in names} for name in ENVIRONMENTS}
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_name_what_prod_has(page: Path) -> None:
    """Namespaces, objects and pods of our own are those of dist/prod."""
    known = {each["metadata"]["name"] for each in PROD.documents} | {
        f"{prefix}{workload['metadata']['name']}-{ordinal}"
        for workload in PROD.workloads
        for ordinal in range(workload["spec"].get("replicas", 0))
        for prefix in ("", "data-")
    }
    text = page.read_text()
    named = re.findall(r"-n monitoring (?:exec|describe pod|logs|describe networkpolicy|patch pvc) ([\w-]+)", text)
    named += re.findall(r"describe clusterrole ([\w-]+)", text)
    for names in re.findall(r"get configmap ((?:[\w-]+ )+?)-", text):
        named += names.split()
    assert named
    assert set(named) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_queries_of_commands_parse(page: Path) -> None:
    """Every expression that somebody may copy is one; what has to be filled in is written in capitals."""
    queries = [
        query for command in commands(page) for query in re.findall(r"promtool query instant \S+ '([^']+)'", command)
    ]
    for query in queries:
        promql_parser.parse(re.sub(r"\b[A-Z]{3,}\b", "x", query))
    assert len(queries) == sum("promtool query" in command for command in commands(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A page may send its reader on to another one."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (page.parent / link).is_file()
