"""What the library has for logs while no environment deploys it; to be deleted, with its uses, as soon as one does."""

from datetime import timedelta

from constructs_lib.config.loki import LokiConfig, Ring
from constructs_lib.contract import Bucket
from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.loki import LOKI
from constructs_lib.rules.logs import logs
from constructs_lib.rules.model import Evaluator
from constructs_lib.units import Bytes

BY = Evaluator(interval=timedelta(seconds=15), job="prometheus", replicas=2, jobs=("prometheus",))
MEMBERS = "loki-headless.monitoring.svc.cluster.local:7946"
STORE = LokiConfig(
    directory="/loki",
    bucket=Bucket(name="some-logs", region="eu-central-1"),
    ring=Ring(replicas=3, factor=3, label="monitoring/loki", members=MEMBERS),
    memory=Bytes.gib(2),
)
# Of three members, and of a single one on its volume.
GROUP = logs(BY, store=STORE)
SINGLE = logs(BY, store=LokiConfig(directory="/loki", bucket=None, memory=Bytes.gib(2)), collector=None)
PROGRAMS = {LOKI.name, ALLOY.name}
ALERTS = {alert.name for alert in GROUP.alerts}
# By the names that commands have for them, the containers of the store; its Service is called as its first.
CONTAINERS = {name: frozenset({"loki"}) for name in ("loki", "statefulset/loki", "loki-0", "pod/loki-0")}
