"""The agent's image that tests run is the one that `agent/Dockerfile` makes."""

import json
import re

from tests.cluster.agent import HOME, ROOT, SERVICES, UNUSED, USED, agent_image, sources

DOCKERFILE = (ROOT / "agent" / "Dockerfile").read_text()
IMAGE = agent_image("registry.example.com/agent:1")


def last(instruction: str) -> str:
    """The argument of the last such instruction: earlier stages are not shipped."""
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)[-1]


def test_both_images_start_alike() -> None:
    """The entry point, the user and the variables are those of the Dockerfile."""
    variables = dict(pair.split("=") for pair in last("ENV").split())

    assert json.loads(last("ENTRYPOINT")) == list(IMAGE.entrypoint)
    assert last("USER") == IMAGE.user
    assert IMAGE.environment == {"PATH": "/bin:/usr/bin"} | variables


def test_both_images_hold_the_same_packages() -> None:
    """They stand in the same directory, by the same lock, without what neither needs."""
    assert last("COPY") == f"--from=build {HOME} {HOME}"
    assert "COPY agent/requirements.txt " in DOCKERFILE
    assert f"rm -r {' '.join(f'{HOME}/{path}' for path in UNUSED)} \\\n" in DOCKERFILE
    kept = " ".join(f"! -name {name}" for name in USED)
    assert f"find {HOME}/{SERVICES} -mindepth 1 -maxdepth 1 -type d {kept} -exec rm -r {{}} +\n" in DOCKERFILE


def test_both_images_hold_the_same_sources() -> None:
    """All of the library but what needs an engine; and nothing else of a clone, such as `.env`, reaches a builder."""
    held = {path.relative_to(ROOT / "constructs_lib").parts[0] for path in sources()}
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]

    left_out = ["constructs_lib/aws", "constructs_lib/kube", "constructs_lib/dashboards"]
    assert rules == ["*", "!agent/requirements.txt", "!constructs_lib", *left_out, "**/__pycache__"]
    assert {"agent", "config", "errors.py"} <= held
    assert not {"aws", "kube", "dashboards"} & held
