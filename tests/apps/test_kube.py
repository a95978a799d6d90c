"""The assembly: which values reach which construct, seen in what is rendered."""

import json
import re
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import cdk8s
import pytest

from apps.environment import Environment
from apps.environments import PROD
from apps.kube import monitoring
from constructs_lib.contract import PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.kube import synth
from constructs_lib.units import Bytes, Cpu
from tests.rendered import DIST, Objects, containers_of, read, template

# Every value that the assembly hands on, different from all defaults.
VALUES = PROD.but(
    **{
        "cluster": "blue",
        "namespace": "watching",
        "storage_class": "fast",
        "prometheus_url": "https://p.example.com",
        "hosts_at": ("198.51.100.0/24",),
        "ingress_namespace": "public",
        "ingress_controller": "proxy",
        "ingress_class": "internal",
        "ingress_issuer": "ours",
        "ingress_body": Bytes.mib(2),
        "ingress_timeout": timedelta(minutes=4),
        "sign_in_issuer": "https://id.example.com/staff",
        "sign_in_at": ("203.0.113.0/24",),
        "sign_in_client": "watchers",
        "sign_in_scopes": ("openid", "email", "offline_access"),
        "sign_in_domains": ("example.com",),
        "sign_in_groups": ("operators",),
        "sign_in_credentials": "logins",
        "sign_in_replicas": 3,
        "jaeger_url": "https://j.example.com",
        "runbooks_url": "https://r.example.com",
        "prometheus_replicas": 3,
        "prometheus_volume": Bytes.gib(10),
        "retention": timedelta(days=3),
        "scrape_interval": timedelta(seconds=20),
        "application_namespace": "shop",
        "application_services": ("till", "cart"),
        "infrastructure": {"mongodb": 9216},
        "alertmanager_replicas": 3,
        "alertmanager_url": "https://a.example.com",
        "alertmanager_volume": Bytes.gib(7),
        "receivers_at": ("198.51.100.0/24",),
        "receivers_credentials": "who-hears",
        "heartbeat_interval": timedelta(minutes=3),
        "slack_channel": "#elsewhere",
        "email_to": "somebody@example.com",
        "email_from": "nobody@example.com",
        "smtp_host": "mail.example.com",
        "smtp_port": 465,
        "smtp_user": "sender",
        "postgres_service": "db",
        "postgres_user": "reader",
        "redis_service": "cache",
        "databases_credentials": "databases",
        "scrape_ports": PortRange(9000, 9009),
        "loki_replicas": 5,
        "loki_cpu": Cpu(350),
        "loki_memory": Bytes.gib(1),
        "loki_volume": Bytes.gib(70),
        "bucket_prefix": "our",
        "region": "eu-central-1",
        "logs_bucket_suffix": "logs",
        "backup_bucket_suffix": "backup",
        "backup_every": timedelta(hours=6),
        "backup_at": time(3, 30),
        "backup_time_zone": "Europe/Berlin",
        "sqs_at": ("203.0.113.128/25",),
        "backup_keep": timedelta(days=14),
        "backup_expiry": timedelta(days=60),
        "cloudwatch_at": ("198.51.100.0/24",),
        "drill_storage_class": "fast-thrown-away",
        "alarm_emails": ("somebody@example.com",),
        "alarm_https": ("monitoring/webhook",),
        "s3_at": ("198.51.100.0/24",),
        "logs_retention": timedelta(days=20),
        "logs_rate": Bytes.mib(8),
        "logs_streams": 6000,
        "grafana_url": "https://g.example.com",
        "grafana_replicas": 3,
        "grafana_cpu": Cpu(350),
        "grafana_memory": Bytes.mib(384),
        "grafana_volume": Bytes.gib(21),
        "grafana_credentials": "people",
        "grafana_metrics_credentials": "numbers",
        "grafana_postgres_host": "blue-watching-grafana.abcdef.eu-central-1.rds.amazonaws.com",
        "grafana_postgres_port": 5433,
        "grafana_postgres_at": ("198.51.100.0/24",),
        "grafana_postgres_database": "boards",
        "grafana_postgres_user": "somebody",
        "grafana_postgres_ca": True,
        "grafana_postgres_version": 16,
        "grafana_database_vpc": "vpc-0123456789abcdef0",
        "grafana_database_subnets": ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
        "grafana_database_clients": "sg-0123456789abcdef0",
        "grafana_backup": True,
        "tracing": True,
        "traces_host": "search.example.com",
        "traces_port": 9200,
        "traces_at": ("198.51.100.0/24",),
        "traces_user": "somebody",
        "traces_credentials": "spans",
        "traces_ca": True,
        "traces_prefix": "spans",
        "traces_shards": 3,
        "traces_copies": 2,
        "traces_nodes": 5,
        "traces_retention": timedelta(days=3),
        "traces_volume": Bytes.gib(11),
        "jaeger_collectors": 3,
        "jaeger_cpu": Cpu(300),
        "jaeger_memory": Bytes.mib(768),
    }
)


def assembled(directory: Path, values: Environment) -> Objects:
    app = cdk8s.App(outdir=str(directory))
    monitoring(app, "green", values)
    synth(app)
    return read(directory)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """One environment of values that are nobody's default."""
    return assembled(tmp_path_factory.mktemp("assembled"), VALUES)


def config(objects: Objects) -> dict[str, Any]:
    found: dict[str, Any] = objects.file("prometheus-config", "prometheus.yml")
    return found


def egress(objects: Objects) -> list[dict[str, Any]]:
    return list(objects.named("NetworkPolicy", "prometheus")["spec"]["egress"])


def test_the_cluster_and_the_environment_are_labels_of_all_that_leaves(objects: Objects) -> None:
    """Alerts of two environments can be told apart."""
    labels = config(objects)["global"]["external_labels"]
    assert (labels["cluster"], labels["environment"]) == ("blue", "green")


def test_everything_lives_in_the_namespace(objects: Objects) -> None:
    """Its twin for what needs the host is made, too."""
    assert {each["metadata"]["name"] for each in objects.of("Namespace")} == {"watching", "watching-host"}
    placed = {each["metadata"].get("namespace") for each in objects.documents}
    assert placed == {None, "watching", "watching-host"}


def test_servers_and_volumes_are_as_large_and_as_many_as_asked_for(objects: Objects) -> None:
    """Replicas, size and class, and a size limit that follows from the volume."""
    workload = objects.named("StatefulSet", "prometheus")["spec"]
    (claim,) = workload["volumeClaimTemplates"]
    assert workload["replicas"] == 3
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert claim["spec"]["storageClassName"] == objects.named("StorageClass", "fast")["metadata"]["name"]
    assert config(objects)["storage"]["tsdb"]["retention"] == {"time": "3d", "size": "8GB"}


def test_every_service_has_a_job_and_a_way(objects: Objects) -> None:
    """Applications on the range of ports, databases on their own, and each is let through to."""
    jobs = {job["job_name"]: job for job in config(objects)["scrape_configs"]}
    applications = {"port": 9000, "endPort": 9009}
    expected = {"till": applications, "cart": applications, "mongodb": {"port": 9216}}
    for name, ports in expected.items():
        assert jobs[name]["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["shop"]}}]
        (rule,) = (
            rule
            for rule in egress(objects)
            if rule["to"][0].get("podSelector") == {"matchLabels": {"app.kubernetes.io/name": name}}
        )
        assert rule["to"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
        assert rule["ports"] == [{"protocol": "TCP", **ports}]


def test_jobs_are_those_of_the_services_the_cluster_and_the_annotations(objects: Objects) -> None:
    """Nothing is scraped besides."""
    assert {job["job_name"] for job in config(objects)["scrape_configs"]} == {
        *("till", "cart", "mongodb", "prometheus", "alertmanager", "collector", "dashboard-collector", "backup"),
        *(
            "kube-state-metrics",
            "kube-state-metrics-telemetry",
            "node-exporter",
            "postgres",
            "redis",
            "loki",
            "log-collector",
            "jaeger-collector",
            "jaeger-query",
            "span-metrics",
            "grafana",
            "blackbox",
            "blackbox-exporter",
        ),
        *("prometheus-proxy", "alertmanager-proxy", "jaeger-query-proxy"),
        *("apiserver", "kubelet", "cadvisor", "annotated-pods", "annotated-services"),
    }


def test_namespaces_that_opted_in_are_open_on_the_range_of_ports(objects: Objects) -> None:
    """The label that they carry names this monitoring."""
    assert {
        "to": [{"namespaceSelector": {"matchLabels": {"constructs-lib/monitored-by": "watching"}}}],
        "ports": [{"protocol": "TCP", "port": 9000, "endPort": 9009}],
    } in egress(objects)


def test_rules_follow_from_interval_and_replicas(objects: Objects) -> None:
    """The rendered groups are those of the same values, with links to the site's runbooks."""
    groups = {group.name: group for group in monitoring(cdk8s.App(), "green", VALUES).prometheus.groups}
    for name, group in groups.items():
        assert objects.file("prometheus-rules", f"{name}.yaml") == group.to_dict("https://r.example.com")
    written = groups["observability"].to_dict("")["groups"][0]["rules"]
    rules = {rule["alert"]: rule for rule in written if "alert" in rule}
    assert rules["PrometheusReplicaMissing"]["expr"].endswith("< 3")
    assert rules["PrometheusRuleFailures"]["expr"].endswith("[1m20s]) > 0")
    assert config(objects)["global"]["scrape_interval"] == "20s"


def test_links_lead_to_the_site(objects: Objects) -> None:
    """Prometheus and Alertmanager know under which address people reach them."""
    for name, url in (("prometheus", "https://p.example.com"), ("alertmanager", "https://a.example.com")):
        container = containers_of(template(objects.named("StatefulSet", name)))[name]
        assert f"--web.external-url={url}" in container["args"]


@pytest.mark.parametrize("storage_class", ["fast", None])
def test_a_class_is_made_only_where_the_site_wants_it(storage_class: str | None, tmp_path: Path) -> None:
    """The class may exist already, or the cluster's default one be good enough."""
    update = {"make_storage_class": False, "storage_class": storage_class}
    ours = assembled(tmp_path, VALUES.model_copy(update=update))
    assert ours.of("StorageClass") == []
    for workload in ours.of("StatefulSet"):
        (claim,) = workload["spec"]["volumeClaimTemplates"]
        assert claim["spec"].get("storageClassName") == storage_class


@pytest.mark.parametrize("made", [True, False])
def test_a_drill_restores_into_a_volume_that_goes(made: bool, tmp_path: Path) -> None:
    """As large as a server's own, of a class of its own, which is made where classes are made."""
    objects = assembled(tmp_path, VALUES.but(make_storage_class=made))
    volumes = template(objects.named("CronJob", "restore-drill"))["spec"]["volumes"]
    (claim,) = (each["ephemeral"]["volumeClaimTemplate"]["spec"] for each in volumes if "ephemeral" in each)
    (own,) = objects.named("StatefulSet", "prometheus")["spec"]["volumeClaimTemplates"]
    assert (claim["storageClassName"], claim["resources"]) == ("fast-thrown-away", own["spec"]["resources"])
    policies = {each["metadata"]["name"]: each["reclaimPolicy"] for each in objects.of("StorageClass")}
    assert policies == ({"fast": "Retain", "fast-thrown-away": "Delete"} if made else {})


def test_somebody_hears_of_no_drill_and_nobody_of_one_at_work(objects: Objects) -> None:
    """By the name of its CronJob, in both groups."""
    late, working = (
        json.dumps(objects.file("prometheus-rules", f"{group}.yaml")).replace("\\", "")
        for group in ("backups", "services")
    )
    assert 'cronjob=~"restore-drill"' in late
    assert 'persistentvolumeclaim!~"(restore-drill)-.+"' in working


def test_a_drill_whose_volumes_would_stay_is_refused() -> None:
    """They are of the class of those that must."""
    sentence = (
        "^drill_storage_class is fast, as storage_class is, whose volumes stay when their claims go: name another one, "
        "which is made, too$"
    )
    with pytest.raises(ConstructError, match=sentence):
        monitoring(cdk8s.App(), "green", VALUES.but(drill_storage_class="fast"))


@pytest.mark.parametrize("storage_class", [None, ""])
def test_a_class_without_a_name_is_refused(storage_class: str | None) -> None:
    """Two settings that contradict each other."""
    values = VALUES.but(make_storage_class=True, storage_class=storage_class)
    with pytest.raises(ConstructError, match="make_storage_class is on, but storage_class is empty: name the class"):
        monitoring(cdk8s.App(), "green", values)


def test_logs_are_kept_where_as_long_and_as_many_as_asked_for(objects: Objects) -> None:
    """Bucket, region, retention, streams and rate, with a burst of twice of it."""
    found = objects.file("loki-config", "loki.yaml")
    workload = objects.named("StatefulSet", "loki")["spec"]
    (claim,) = workload["volumeClaimTemplates"]
    (container,) = workload["template"]["spec"]["containers"]
    limits = found["limits_config"]

    assert found["storage_config"]["aws"] == {"region": "eu-central-1", "bucketnames": "our-logs"}
    assert (limits["retention_period"], limits["ingestion_rate_mb"]) == ("480h", 8)
    assert (limits["ingestion_burst_size_mb"], limits["per_stream_rate_limit"]) == (16, "8MB")
    assert limits["max_global_streams_per_user"] == 6000
    assert (workload["replicas"], claim["spec"]["resources"]["requests"]["storage"]) == (5, "70Gi")
    assert claim["spec"]["storageClassName"] == "fast"
    assert container["resources"]["requests"] == {"cpu": "350m", "memory": "1Gi"}
    assert workload["template"]["spec"]["priorityClassName"] == "system-cluster-critical"


def test_logs_are_taken_from_nodes_and_applications(objects: Objects) -> None:
    """Collectors ship to Loki, and each application service may; Loki reaches S3 alone."""
    assert (
        "http://loki.watching.svc.cluster.local:3100/"
        in objects.named("ConfigMap", "log-collector-config")["data"]["config.alloy"]
    )
    policy = objects.named("NetworkPolicy", "loki")["spec"]
    callers = [each["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for each in policy["ingress"]]
    outside = [each["to"][0]["ipBlock"]["cidr"] for each in policy["egress"] if "ipBlock" in each["to"][0]]

    assert sorted(callers) == ["cart", "grafana", "log-collector", "loki", "prometheus", "till"]
    assert sorted(outside) == ["169.254.170.23/32", "198.51.100.0/24"]


def test_people_see_all_that_there_is(objects: Objects) -> None:
    """Every data source, a dashboard of each part, and of the services' own; the database that replicas share."""
    sources = objects.file("grafana-datasources", "datasources.yaml")["datasources"]
    dashboards = {name for each in objects.of("ConfigMap") for name in each["data"] if name.endswith(".json")}
    ini = objects.named("ConfigMap", "grafana-config")["data"]["grafana.ini"]

    assert [each["uid"] for each in sources] == ["prometheus", "loki", "jaeger", "alertmanager"]
    assert dashboards >= {f"{name}.json" for name in ("system-health", "prometheus", "loki", "logs", "jaeger")}
    assert dashboards >= {"application-performance.json", "business.json"}
    assert f"host = {VALUES.grafana_postgres_host}:5433" in ini
    assert "default_home_dashboard_path = /etc/grafana/dashboards/system-health/system-health.json" in ini


def test_a_stack_tells_what_aws_must_allow() -> None:
    """One service account writes into one bucket, and without a bucket nobody needs anything."""
    (access,) = monitoring(cdk8s.App(), "green", VALUES).loki.buckets

    assert (access.identity.cluster, access.identity.namespace) == ("blue", "watching")
    assert (access.identity.service_account, access.bucket.name, access.prefix) == ("loki", "our-logs", "")
    assert monitoring(cdk8s.App(), "green", VALUES.but(logs_bucket_suffix=None, loki_replicas=1)).loki.buckets == ()


def test_restore_points_go_where_as_often_and_for_as_long_as_asked_for(objects: Objects) -> None:
    """Bucket, region, times, and what alerts and people are told of them."""
    pod = objects.named("StatefulSet", "prometheus")["spec"]["template"]["spec"]
    (container,) = (each for each in pod["containers"] if each["name"] == "backup")
    (rule,) = (
        rule
        for rule in objects.file("prometheus-rules", "backups.yaml")["groups"][0]["rules"]
        if rule["alert"] == "BackupTooOld"
    )
    home = next(
        each["data"]["system-health.json"] for each in objects.of("ConfigMap") if "system-health.json" in each["data"]
    )

    assert set(container["args"]) >= {
        "--bucket=our-backup",
        "--region=eu-central-1",
        "--source=blue/watching/prometheus/$(POD_NAME)",
    }
    assert set(container["args"]) >= {"--keep-days=14", "--expiry-days=60", f"--every={6 * 3600}"}
    assert rule["expr"].endswith(f"> {8 * 3600}")
    assert "backup_last_success_timestamp_seconds" in home


def test_agents_ask_the_queues_that_start_backups(objects: Objects, tmp_path: Path) -> None:
    """Each its own, at the addresses of SQS; without a time of the day there is neither a queue nor a way to it."""
    without = assembled(tmp_path, VALUES.but(backup_at=None))

    def asked(these: Objects) -> list[str]:
        return [arg for each in these.containers for arg in each.get("args", ()) if arg.startswith("--queue=")]

    def ways(these: Objects) -> list[Any]:
        return [rule["ports"] for rule in egress(these) if "203.0.113.128/25" in json.dumps(rule["to"])]

    assert (asked(objects), ways(objects)) == (
        ["--queue=blue_watching_$(POD_NAME)"],
        [[{"protocol": "TCP", "port": 443}]],
    )
    assert (asked(without), ways(without)) == ([], [])


def test_grafanas_database_is_saved_where_it_is_by_its_own_programs(objects: Objects) -> None:
    """Into the same bucket, by those of the server's version, and somebody hears when it is not."""
    pod = objects.named("CronJob", "grafana-backup")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    send, postgres = (
        next(each for each in (*pod["initContainers"], *pod["containers"]) if each["name"] == name)
        for name in ("send", "postgres")
    )
    said = {each["name"]: each.get("value") for each in postgres["env"]}

    assert set(send["args"]) >= {
        "--bucket=our-backup",
        "--region=eu-central-1",
        "--source=blue/watching/grafana-backup/database",
    }
    assert postgres["image"].startswith("docker.io/library/postgres:16.")
    assert (said["PGHOST"], said["PGPORT"], said["PGDATABASE"], said["PGUSER"]) == (
        *(VALUES.grafana_postgres_host, "5433"),
        *("boards", "somebody"),
    )
    watched = json.dumps(objects.file("prometheus-rules", "backups.yaml")).replace("\\", "")
    assert 'cronjob=~"grafana-backup"' in watched


NO_RDS = {"grafana_database_vpc": None, "grafana_database_subnets": (), "grafana_database_clients": None}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (
            {"backup_bucket_suffix": None},
            "grafana_backup is on, but backup_bucket_suffix is empty, so that there is no",
        ),
        (
            {**NO_RDS, "grafana_postgres_host": None, "grafana_replicas": 1},
            "grafana_backup is on, but grafana_postgres_host is empty: what is on Grafana's volume is not saved",
        ),
    ],
    ids=["bucket", "database"],
)
def test_a_saver_without_what_it_needs_is_refused(missing: dict[str, Any], told: str) -> None:
    """Somebody would rely on it."""
    with pytest.raises(ConstructError, match=told):
        monitoring(cdk8s.App(), "green", VALUES.but(**missing))


@pytest.mark.parametrize("host", ["sql.example.com", None], ids=["another", "none"])
def test_a_database_of_rds_that_grafana_does_not_use_is_refused(host: str | None) -> None:
    """It is deployed first; Grafana would show its password to another server meanwhile, and be shut out there."""
    with pytest.raises(
        ConstructError,
        match=rf"^grafana_postgres_host is '{host or ''}', but grafana_database_vpc asks AWS for the server "
        r"blue-watching-grafana: deploy MonitoringDatabase, and use the address that it says$",
    ):
        monitoring(cdk8s.App(), "green", VALUES.but(grafana_postgres_host=host, grafana_backup=False))


def test_roles_by_tokens_are_told_to_the_service_accounts(tmp_path: Path) -> None:
    """Of those that use a bucket, by the account; nobody asks for them at the agent of EKS then."""
    issuer = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
    objects = assembled(tmp_path, VALUES.but(aws_account="444455556666", oidc_issuer=issuer))
    roles = {
        each["metadata"]["name"]: each["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        for each in objects.of("ServiceAccount")
        if "eks.amazonaws.com/role-arn" in each["metadata"].get("annotations", {})
    }
    assert roles == {
        name: f"arn:aws:iam::444455556666:role/blue-watching-{name}"
        for name in ("loki", "prometheus", "grafana-backup", "restore-drill")
    }
    assert "169.254.170.23" not in "".join(path.read_text() for path in tmp_path.iterdir())


def test_without_a_bucket_nothing_of_a_backup_remains(tmp_path: Path) -> None:
    """No agent, no job, no rule, no panel, no way out to S3."""
    nothing = {"backup_bucket_suffix": None, "grafana_backup": False, "logs_bucket_suffix": None}
    assembled(tmp_path, VALUES.but(**nothing, loki_replicas=1))
    rendered = {path.name: path.read_text() for path in tmp_path.iterdir()}
    # Who hears of what knows all alerts that there may be.
    said = [name for name, text in rendered.items() if "backup" in text.lower() or "169.254.170.23" in text]
    assert said == ["alertmanager.k8s.yaml"]


def test_restore_points_that_nobody_would_make_are_refused() -> None:
    """The agent does, by the image that other teams' releases come in by."""
    with pytest.raises(
        ConstructError, match="backup_bucket_suffix is 'backup', but there is no agent_image, which would make"
    ):
        monitoring(cdk8s.App(), "green", VALUES.but(agent_image=None))


def test_backups_that_are_started_more_often_than_said_are_refused() -> None:
    """When it is rendered, as a site would meet it."""
    with pytest.raises(ConstructError, match=r"^backup_every is 2d, but backup_at starts a backup every day, at 03:30"):
        monitoring(cdk8s.App(), "green", VALUES.but(backup_every=timedelta(days=2)))


def test_a_retention_that_outlives_what_is_kept_is_refused() -> None:
    """As a site would meet it: its own values, with the way out."""
    with pytest.raises(
        ConstructError, match=r"a retention of 40 days, a block of 4, .* kept for 14 and 7 .* lower the"
    ):
        monitoring(cdk8s.App(), "green", VALUES.but(retention=timedelta(days=40)))


@pytest.mark.parametrize(("name", "replicas"), [("dev", 1), ("staging", 1), ("prod", 2)])
def test_only_prod_survives_the_loss_of_a_server(name: str, replicas: int) -> None:
    """Two of each in prod, three of the store of logs; one of each elsewhere."""
    ours = read(DIST / name)
    members = {each["metadata"]["name"]: each["spec"]["replicas"] for each in ours.of("StatefulSet")}
    alone = {"jaeger-collector": 1} if name == "dev" else {}  # elsewhere its spans are in OpenSearch
    pairs = dict.fromkeys(("alertmanager", "grafana", "prometheus"), replicas)
    assert members == {**pairs, "loki": 3 if replicas == 2 else 1, **alone}
    budgets = [each["metadata"]["name"] for each in ours.of("PodDisruptionBudget")]
    proxies = [f"{program}-proxy" for program in ("alertmanager", "jaeger-query", "prometheus")]
    assert sorted(budgets) == sorted([*pairs, *proxies, "jaeger-collector", "loki"] if replicas == 2 else [])


def test_tracing_can_be_left_out_as_a_whole(tmp_path: Path) -> None:
    """Then no object, job, rule, policy or inhibited alert of it is left, but what Alertmanager knows by default."""
    ours = assembled(tmp_path, VALUES.but(tracing=False))
    known = {"alertmanager-config"}  # whose inhibitions are about alerts that may be there or not
    texts = [str(each) for each in ours.documents if each["metadata"]["name"] not in known]
    assert not [text for text in texts if re.search("jaeger|opensearch|search.example.com|[^a-z]span", text.lower())]
