"""PostgreSQL and Redis, by their usual exporters, each of which watches one server."""

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.postgres import POSTGRES_EXPORTER
from constructs_lib.metrics.redis import REDIS_EXPORTER
from constructs_lib.rules.database import LIMITS, DatabaseLimits
from constructs_lib.rules.model import Evaluator, RuleGroup
from constructs_lib.rules.postgres import postgres_alerts
from constructs_lib.rules.redis import redis_alerts


def databases(
    by: Evaluator,
    *,
    postgres: str | None = POSTGRES_EXPORTER.job,
    redis: str | None = REDIS_EXPORTER.job,
    limits: DatabaseLimits = LIMITS,
) -> RuleGroup:
    """The group `databases`.

    Args:
        by: Who evaluates it.
        postgres: The job of the exporters of PostgreSQL; None where there is none.
        redis: The job of the exporters of Redis; None where there is none.
        limits: From where on somebody must hear of it.
    Raises:
        ConstructError: neither of the two.
    """
    if postgres is None and redis is None:
        raise ConstructError("the rule group databases watches no job: name postgres or redis, or leave the group out")
    return RuleGroup(
        name="databases",
        alerts=(
            *(postgres_alerts(by, postgres, limits) if postgres is not None else ()),
            *(redis_alerts(by, redis, limits) if redis is not None else ()),
        ),
    )
