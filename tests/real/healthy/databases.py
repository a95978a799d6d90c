"""What the exporters of PostgreSQL and Redis say on a quiet day."""

from apps.environment import Environment
from constructs_lib.metrics.postgres import POSTGRES_EXPORTER
from constructs_lib.metrics.redis import REDIS_EXPORTER
from tests.real.healthy.workloads import Workload, target_of
from tests.real.simulation import System, but, happens, minute, steady, sways

GIB = 2**30
CONNECTIONS = {"leads": 40, "postgres": 2}
REDIS = {
    "role": "master",
    "redis_version": "7.2.4",
    "redis_build_id": "d4d2a6",
    "redis_mode": "standalone",
    "os": "Linux 6.1.0 x86_64",
    "maxmemory_policy": "noeviction",
    "tcp_port": "6379",
    "run_id": "1f0c",
    "process_id": "1",
    "master_replid": "9a3b",
}


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """One server of each."""
    postgres, redis = target_of(pods, POSTGRES_EXPORTER.job), target_of(pods, REDIS_EXPORTER.job)
    system.add(POSTGRES_EXPORTER, postgres, "pg_up", steady(1))
    # A collector ran into its timeout.
    system.add(POSTGRES_EXPORTER, postgres, "pg_exporter_last_scrape_error", but(steady(0), minute(5), 1, 1))
    # A long report on the replica.
    system.add(POSTGRES_EXPORTER, postgres, "pg_replication_lag_seconds", but(sways(2, 1), minute(30), 3, 400))
    server = "postgresql.insurance-lead-gen.svc.cluster.local:5432"
    system.add(POSTGRES_EXPORTER, postgres, "pg_settings_max_connections", steady(100), server=server)
    for number, (database, connections) in enumerate(CONNECTIONS.items()):
        labels = {"datid": f"{16384 + number}", "datname": database}
        used = sways(connections, connections / 4)
        system.add(POSTGRES_EXPORTER, postgres, "pg_stat_database_numbackends", used, **labels)
        deadlocks = happens(minute(12), minute(48)) if database == "leads" else steady(0)
        system.add(POSTGRES_EXPORTER, postgres, "pg_stat_database_deadlocks", deadlocks, **labels)
    system.add(REDIS_EXPORTER, redis, "redis_up", steady(1))
    system.add(REDIS_EXPORTER, redis, "redis_instance_info", steady(1), **REDIS)
    system.add(REDIS_EXPORTER, redis, "redis_memory_max_bytes", steady(2 * GIB))
    system.add(REDIS_EXPORTER, redis, "redis_memory_used_bytes", sways(1.3 * GIB, 0.1 * GIB))
    system.add(REDIS_EXPORTER, redis, "redis_rejected_connections_total", happens(minute(18)))
