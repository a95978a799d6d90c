"""Rendering as it is called: by `python -m apps.synth`, and by the command line of cdk8s."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from apps.environment import Environment
from apps.environments import load, spelled
from apps.synth import render
from tests.rendered import DIST, ENVIRONMENTS, ROOT, contents, read

CDK8S = ROOT / "node_modules" / ".bin" / "cdk8s"


def environment(**settings: str) -> dict[str, str]:
    """The process' environment without what would lead rendering elsewhere, and with these settings.

    The CDK's own validation, which takes seconds, is on for who asks for it.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CONSTRUCTS_", "CDK8S_"))}
    return {**inherited, "PYTHONPATH": str(ROOT), "CDK_VALIDATION": "false", **settings}


def synth(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the module in a directory that has no `.env` unless the test wrote one."""
    command = [sys.executable, "-m", "apps.synth", *arguments]
    return subprocess.run(
        command, check=False, cwd=directory, env=environment(**settings), capture_output=True, text=True
    )


def all_settings() -> dict[str, str]:
    """Every variable with the value in the code, so that no `.env` in the repository counts."""
    return {
        f"CONSTRUCTS_{name.upper()}__{setting.upper()}": spelled(getattr(values, setting))
        for name, values in load(env_file=None)
        for setting in Environment.model_fields
    }


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two renderings by processes of their own, in different directories."""
    directories = [tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other") / "deep" / "er"]
    directories[1].mkdir(parents=True)
    for directory in directories:
        done = synth(directory, "out", CDK_VALIDATION="true")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return [directory / "out" for directory in directories]


def test_rendering_twice_gives_the_same_bytes(fresh: list[Path]) -> None:
    """Neither the directory nor the process is seen in what is rendered."""
    assert contents(fresh[0]) == contents(fresh[1])


def test_dist_is_what_is_rendered(fresh: list[Path]) -> None:
    """What is committed is what the code says, byte for byte and file for file: else run `make synth`."""
    assert contents(DIST) == contents(fresh[0])


def test_nothing_else_is_left_behind(fresh: list[Path]) -> None:
    """No scratch directory stays next to the output."""
    assert [path.name for path in fresh[0].parent.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_kustomization_lists_every_manifest(name: str) -> None:
    """`kubectl apply -k` takes all files, in the order in which they depend on each other."""
    kustomization = yaml.safe_load((DIST / name / "kustomization.yaml").read_text())
    manifests = sorted(f"k8s/{path.name}" for path in (DIST / name / "k8s").iterdir())
    assert kustomization["resources"] == manifests
    assert kustomization["kind"] == "Kustomization"
    assert "foundation" in manifests[0]


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        (
            "CONSTRUCTS_PROD__RETENTION",
            "soon",
            "error: CONSTRUCTS_PROD__RETENTION is 'soon': 'soon' is not a duration: use days, hours, minutes and "
            "seconds, such as '30d' or '1m30s'",
        ),
        (
            "CONSTRUCTS_STAGING__RETENTION",
            "1h",
            "error: environment staging: the retention is 1:00:00, less than one block of 2 hours: use 2 hours or more",
        ),
        (
            "CONSTRUCTS_PROD__NAMESPACE",
            "Prod",
            "error: environment prod: 'Prod' cannot be a namespace: use up to 63 lower-case letters, digits and "
            "dashes, a letter first",
        ),
        (
            "CONSTRUCTS_PROD__APPLICATION_SERVICES",
            "api,kubelet",
            "error: environment prod: there are 2 scrape jobs of the name 'kubelet': give each its own",
        ),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(setting: str, value: str, sentence: str, tmp_path: Path) -> None:
    """Whichever environment is refused, and by whom: one line, no traceback, an exit code, and the old output."""
    (tmp_path / "out" / "dev").mkdir(parents=True)
    (tmp_path / "out" / "dev" / "kustomization.yaml").write_text("as it was")
    refused = synth(tmp_path, "out", **{setting: value})
    assert refused.returncode != 0
    assert (refused.stdout, refused.stderr) == ("", f"{sentence}\n")
    assert contents(tmp_path) == {"out/dev/kustomization.yaml": b"as it was"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_output_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """What is no longer rendered is gone."""
    (tmp_path / "out" / "gone").mkdir(parents=True)
    (tmp_path / "out" / "gone" / "kustomization.yaml").write_text("old")
    render(load(env_file=None), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(ENVIRONMENTS)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_directory_that_holds_anything_else_is_left_alone(tmp_path: Path) -> None:
    """What was not rendered would be lost: a slip in the argument must not cost a home directory."""
    (tmp_path / "home" / "letters").mkdir(parents=True)
    (tmp_path / "home" / "letters" / "love.txt").write_text("dear")
    (tmp_path / "home" / "notes.txt").write_text("note")
    refused = synth(tmp_path, "home")
    assert refused.returncode != 0
    assert refused.stderr.startswith("error: home holds letters, notes.txt, which was not rendered and would be lost: ")
    assert contents(tmp_path) == {"home/letters/love.txt": b"dear", "home/notes.txt": b"note"}


def test_what_the_machine_refuses_is_one_sentence_too(tmp_path: Path) -> None:
    """A directory that cannot be made is no reason for a traceback."""
    (tmp_path / "file").write_text("in the way")
    refused = synth(tmp_path, "file/out")
    assert refused.returncode != 0
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1


def test_settings_reach_what_is_rendered(tmp_path: Path) -> None:
    """A `.env` in the working directory changes its environment, and no other."""
    (tmp_path / ".env").write_text("CONSTRUCTS_STAGING__PROMETHEUS_REPLICAS=3\n")
    assert synth(tmp_path, "out").returncode == 0
    assert read(tmp_path / "out" / "staging").named("StatefulSet", "prometheus")["spec"]["replicas"] == 3
    assert contents(tmp_path / "out" / "prod") == contents(DIST / "prod")


def test_without_a_directory_nothing_is_rendered(tmp_path: Path) -> None:
    """There is no default that could overwrite something."""
    refused = synth(tmp_path)
    assert refused.returncode != 0
    assert refused.stderr == "no directory to render into: give one, such as 'python -m apps.synth dist'\n"
    assert not list(tmp_path.iterdir())


def test_the_environments_can_be_rendered_by_other_code(tmp_path: Path) -> None:
    """The function behind the command takes settings and a directory, which need not exist."""
    render(load(env_file=None), tmp_path / "not" / "yet")
    assert contents(tmp_path / "not" / "yet") == contents(DIST)


def test_the_command_line_of_cdk8s_renders_the_same_and_leaves_dist_alone(tmp_path: Path) -> None:
    """`cdk8s synth`, in the repository, writes what dist/ holds to where it was told to."""
    before = {path: path.stat().st_mtime_ns for path in DIST.rglob("*")}
    subprocess.run(
        [CDK8S, "synth", "--no-check-upgrade", "--output", tmp_path / "out"],
        check=True,
        cwd=ROOT,
        env=environment(**all_settings()),
        capture_output=True,
    )
    assert contents(tmp_path / "out") == contents(DIST)
    assert {path: path.stat().st_mtime_ns for path in DIST.rglob("*")} == before


def test_the_command_line_of_cdk8s_cannot_write_to_dist_by_itself() -> None:
    """Without an argument it writes to a directory that git ignores: dist/ is written by `make synth` alone."""
    settings = yaml.safe_load((ROOT / "cdk8s.yaml").read_text())
    assert settings["output"] == "cdk8s.out"
    assert "cdk8s.out/" in (ROOT / ".gitignore").read_text().splitlines()
