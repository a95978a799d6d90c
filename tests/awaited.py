"""What the library has for logs while no environment deploys it; to be deleted, with its uses, as soon as one does."""

from datetime import timedelta

from constructs_lib.rules.logs import logs
from constructs_lib.rules.model import Evaluator

GROUP = logs(Evaluator(interval=timedelta(seconds=15), job="prometheus", replicas=2, jobs=("prometheus",)))
ALERTS = {alert.name for alert in GROUP.alerts}
# By the names that commands have for them, the containers of the store; its Service is called as its first.
CONTAINERS = {name: frozenset({"loki"}) for name in ("loki", "statefulset/loki", "loki-0", "pod/loki-0")}
