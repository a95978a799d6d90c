"""Volumes that AWS makes before the manifests claim them: off by default, one of each claim, and what is refused."""

import json
from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk8s
import pytest

from apps.aws import new_app, stacks
from apps.environment import Environment
from apps.environments import DEV, PROD, STAGING, load
from apps.kube import monitoring
from constructs_lib.ebs import EbsVolume
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes
from tests.apps.test_aws import templates
from tests.apps.test_kube import assembled
from tests.rendered import DIST, Objects, read

STACK = "MonitoringVolumes"
VOLUME, LIFECYCLE, ROLE = "AWS::EC2::Volume", "AWS::DLM::LifecyclePolicy", "AWS::IAM::Role"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
# What a site sets first, before anything of it is deployed, and of what size the specification has Grafana's.
WANTED = PROD.but(volume_zones=ZONES, volume_snapshots_at=time(3), grafana_volume=Bytes.gib(20))
EMBEDDED = DEV.but(volume_zones=ZONES[:1], storage_class="gp3", cluster="insurance-lead-gen-dev")


def made(directory: Path, values: Environment) -> dict[str, Any]:
    """The template of the volumes of an environment."""
    app = cdk.App(outdir=str(directory), builtin_cloud_formation_validation=False)
    stacks(app, "site", values)
    app.synth()
    found: dict[str, Any] = templates(directory)[STACK]
    return found


def of(kind: str, template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The properties of all resources of a type, by the name in the template."""
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def says(template: Mapping[str, Any]) -> list[str]:
    """Each output of the stack, where EC2 gives its volumes these ids, one after the other."""
    ids = {name: f"vol-{number:017x}" for number, name in enumerate(of(VOLUME, template))}
    return [
        "".join(part if isinstance(part, str) else ids[part["Ref"]] for part in output["Value"]["Fn::Join"][1])
        for output in template["Outputs"].values()
    ]


def deployed(directory: Path, values: Environment) -> Environment:
    """The same site once it has set what its stack says, as the command line of AWS prints it."""
    return values.but(static_volumes="\t".join(says(made(directory, values))))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of production that asks for volumes and for snapshots of them."""
    return made(tmp_path_factory.mktemp("made"), WANTED)


@pytest.fixture(scope="module", params=[WANTED, EMBEDDED], ids=["prod", "dev"])
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """What is applied then."""
    values = deployed(tmp_path_factory.mktemp("made"), request.param)
    return assembled(tmp_path_factory.mktemp("objects"), values)


# --- what AWS makes


def test_the_volumes_are_those_of_the_specification(template: Mapping[str, Any]) -> None:
    """By claim: zone, size, IOPS and throughput, of encrypted gp3; Alertmanager's are those of its setting."""
    figures = ("AvailabilityZone", "Size", "Iops", "Throughput", "VolumeType", "Encrypted")
    found = {
        next(tag["Value"] for tag in each["Tags"] if tag["Key"] == "Name"): tuple(each[name] for name in figures)
        for each in of(VOLUME, template).values()
    }
    asked = {"prometheus": (2, 100), "alertmanager": (2, 5), "loki": (3, 50), "grafana": (2, 20)}
    assert found == {
        f"insurance-lead-gen-prod/monitoring/data-{component}-{replica}": (zone, size, 3000, 125, "gp3", True)
        for component, (replicas, size) in asked.items()
        for replica, zone in enumerate(ZONES[:replicas])
    }


def test_they_stay_when_the_stack_goes(template: Mapping[str, Any]) -> None:
    """And when the stack would make another one in their place."""
    kept = [each for each in template["Resources"].values() if each["Type"] == VOLUME]
    assert {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in kept} == {("Retain", "Retain")}


def test_snapshots_are_made_of_each_component_when_and_as_many_as_asked_for(tmp_path: Path) -> None:
    """By the lifecycle manager, daily."""
    template = made(tmp_path, WANTED.but(volume_snapshots_at=time(23, 5), volume_snapshots=30))
    details = [each["PolicyDetails"] for each in of(LIFECYCLE, template).values()]
    found = {
        (tag["Value"], *schedule["CreateRule"]["Times"], schedule["RetainRule"]["Count"])
        for each in details
        for tag in each["TargetTags"]
        for schedule in each["Schedules"]
    }
    assert found == {
        (f"insurance-lead-gen-prod/monitoring/{component}", "23:05", 30)
        for component in ("prometheus", "alertmanager", "loki", "grafana")
    }


def test_without_a_time_there_are_no_snapshots(tmp_path: Path) -> None:
    """Nor a role that could make some."""
    template = made(tmp_path, WANTED.but(volume_snapshots_at=None))
    assert {each["Type"] for each in template["Resources"].values()} == {VOLUME}


def test_they_pass_the_validation_of_what_is_rendered(tmp_path: Path) -> None:
    """CDK's own, as it is done whenever an environment is rendered: nothing is found, and nothing is warned of."""
    app = new_app(tmp_path)
    stacks(app, "site", WANTED)
    app.synth()
    reports = json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"]
    assert reports
    assert [violation for report in reports for violation in report["violations"]] == []


def test_backup_goes_without_them(tmp_path: Path) -> None:
    """The stacks know nothing of each other: each is deployed alone."""
    made(tmp_path / "with", WANTED)
    app = cdk.App(outdir=str(tmp_path / "without"), builtin_cloud_formation_validation=False)
    stacks(app, "site", WANTED.but(volume_zones=(), volume_snapshots_at=None))
    app.synth()
    others = templates(tmp_path / "without")
    assert templates(tmp_path / "with").keys() - others.keys() == {STACK}
    assert {name: templates(tmp_path / "with")[name] for name in others} == others


# --- what the manifests reserve


def test_every_claim_has_its_volume(objects: Objects) -> None:
    """All that a StatefulSet claims, and nothing else: with its size and its class, each volume for one."""
    claims = {
        f"{claim['metadata']['name']}-{each['metadata']['name']}-{replica}": (
            each["metadata"]["namespace"],
            claim["spec"]["resources"]["requests"]["storage"],
            claim["spec"]["storageClassName"],
        )
        for each in objects.of("StatefulSet")
        for claim in each["spec"]["volumeClaimTemplates"]
        for replica in range(each["spec"]["replicas"])
    }
    reserved = {
        spec["claimRef"]["name"]: (
            spec["claimRef"]["namespace"],
            spec["capacity"]["storage"],
            spec["storageClassName"],
        )
        for spec in (each["spec"] for each in objects.of("PersistentVolume"))
    }
    assert reserved == claims
    assert len({each["spec"]["csi"]["volumeHandle"] for each in objects.of("PersistentVolume")}) == len(claims)


def test_each_claim_gets_the_volume_that_the_stack_says(template: Mapping[str, Any], tmp_path: Path) -> None:
    """By its id, in its zone."""
    said = {claim: volume for text in says(template) for claim, volume in json.loads(text).items()}
    found = {
        spec["claimRef"]["name"]: {
            "id": spec["csi"]["volumeHandle"],
            "zone": spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0],
        }
        for spec in (
            each["spec"]
            for each in assembled(tmp_path, WANTED.but(static_volumes="\n".join(says(template)))).of("PersistentVolume")
        )
    }
    assert found == said


def test_they_are_there_before_whoever_claims_them(tmp_path: Path) -> None:
    """`kubectl apply` reads files in their names' order, and a claim that has been given a volume keeps it."""
    assembled(tmp_path / "k8s", deployed(tmp_path / "made", WANTED))
    holding = {path.name for path in (tmp_path / "k8s").iterdir() if "kind: PersistentVolume\n" in path.read_text()}
    assert holding == {"00-foundation.k8s.yaml"}
    assert min(path.name for path in (tmp_path / "k8s").iterdir()) == "00-foundation.k8s.yaml"


def test_no_environment_asks_for_them() -> None:
    """The storage class makes volumes where pods are."""
    for name, values in (("dev", DEV), ("staging", STAGING), ("prod", PROD)):
        assert (values.volume_zones, values.volume_snapshots_at, values.static_volumes) == ((), None, {})
        assert read(DIST / name).of("PersistentVolume") == []
        assert STACK not in templates(DIST / name / "aws")


# --- what is set


@pytest.mark.parametrize("between", ["\t", " ", ""])
def test_what_the_stack_says_is_set_as_it_is(between: str, template: Mapping[str, Any], tmp_path: Path) -> None:
    """By a line of `.env`, output after output, as the command line of AWS puts them together."""
    (tmp_path / ".env").write_text(f"CONSTRUCTS_PROD__STATIC_VOLUMES={between.join(says(template))}\n")
    found = load(env_file=str(tmp_path / ".env")).prod.static_volumes
    assert len(found) == 9
    assert found["data-loki-2"].zone == "us-east-1c"
    assert found == {
        claim: EbsVolume(**volume) for text in says(template) for claim, volume in json.loads(text).items()
    }


FIRST = EbsVolume(id="vol-0123456789abcdef0", zone="us-east-1a")
ALL = {
    f"data-{each}-0": EbsVolume(id=f"vol-{number:017x}", zone="us-east-1a")
    for number, each in enumerate(("prometheus", "alertmanager", "loki", "grafana"))
}
ONE = STAGING.but(volume_zones=ZONES[:1])
# Whatever is rendered or deployed.
CONTRADICTIONS: Mapping[str, tuple[Environment, str]] = {
    "few-zones": (
        WANTED.but(volume_zones=ZONES[:2]),
        "volume_zones has 2, but the most replicas are 3, of loki: name the zone of each, in their order; several may",
    ),
    "many-zones": (
        ONE.but(volume_zones=ZONES[:2]),
        "volume_zones has 2, but the most replicas are 1, of prometheus: name the zone of each, in their order;",
    ),
    "elsewhere": (
        WANTED.but(volume_zones=(*ZONES[:2], "eu-west-1a")),
        "volume_zones has eu-west-1a, but region is us-east-1: use zones of us-east-1",
    ),
    "part-of-a-gibibyte": (
        WANTED.but(alertmanager_volume=Bytes.mib(1536)),
        "alertmanager_volume is of volumes of EBS, by volume_zones, and a volume of gp3 has 1536Mi: use whole gibi",
    ),
    "snapshots-of-nothing": (
        PROD.but(volume_snapshots_at=time(3)),
        "volume_snapshots_at is 03:00, but volume_zones is empty, so that there is no volume of ours: name the zones",
    ),
}
# When it is applied; the stack must be deployed first.
REFUSED: Mapping[str, tuple[Environment, str]] = {
    "not-made": (
        WANTED,
        "static_volumes has no volume for data-prometheus-0, which would be given another one, for good: deploy "
        "MonitoringVolumes, and set what it says",
    ),
    "one-not-made": (
        ONE.but(static_volumes={claim: each for claim, each in ALL.items() if claim != "data-grafana-0"}),
        "static_volumes has no volume for data-grafana-0, which would be given another one",
    ),
    "no-claim": (
        ONE.but(static_volumes={**ALL, "data-loki-1": FIRST}),
        "static_volumes has a volume for data-loki-1, but there is no such claim of volume_zones: leave it out",
    ),
    "not-asked-for": (
        PROD.but(static_volumes=ALL),
        "static_volumes has a volume for data-prometheus-0, but there is no such claim of volume_zones: leave it out",
    ),
    "another-zone": (
        ONE.but(static_volumes={**ALL, "data-loki-0": EbsVolume(id=FIRST.id, zone="us-east-1b")}),
        "static_volumes has data-loki-0 in us-east-1b, but volume_zones in us-east-1a: a volume stays in its zone",
    ),
    "twice": (
        ONE.but(static_volumes={**ALL, "data-loki-0": ALL["data-grafana-0"]}),
        "the volume vol-00000000000000003 is for two claims, monitoring/data-loki-0 and monitoring/data-grafana-0: it",
    ),
    "no-class": (
        ONE.but(static_volumes=ALL, storage_class=None, make_storage_class=False),
        "the claims in monitoring that have static volumes ask for the cluster's default storage class, whatever it is",
    ),
}


@pytest.mark.parametrize(("values", "sentence"), CONTRADICTIONS.values(), ids=list(CONTRADICTIONS))
@pytest.mark.parametrize(
    "half",
    [lambda values: stacks(cdk.App(), "site", values), lambda values: monitoring(cdk8s.App(), "site", values)],
    ids=["aws", "kube"],
)
def test_settings_that_contradict_each_other_are_refused(
    half: Callable[[Environment], object], values: Environment, sentence: str
) -> None:
    """In both halves, by one sentence that names them."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        half(values)


@pytest.mark.parametrize(("values", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_a_claim_would_not_find_is_refused(values: Environment, sentence: str) -> None:
    """A claim that is given another volume keeps it; the stack alone can be deployed meanwhile."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        monitoring(cdk8s.App(), "site", values)


def test_one_replica_more_moves_no_volume(tmp_path: Path) -> None:
    """Its zone is named after the others, whose volumes stay as they are."""
    more = WANTED.but(loki_replicas=4, volume_zones=(*ZONES, ZONES[0]))
    before, after = (of(VOLUME, made(tmp_path / name, each)) for name, each in (("one", WANTED), ("more", more)))
    assert before.items() <= after.items()
    assert [after[name]["AvailabilityZone"] for name in after.keys() - before.keys()] == ["us-east-1a"]
