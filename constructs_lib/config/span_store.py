"""Where Jaeger keeps spans, as typed data.

Source: https://www.jaegertracing.io/docs/latest/storage/
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Endpoint, ExternalHost
from constructs_lib.errors import ConstructError
from constructs_lib.units import go_duration

CREDENTIALS = "/etc/jaeger/credentials"
DAY = timedelta(days=1)
# Until a collector has written what it has acknowledged: at most so many spans are lost when it is killed.
ACTIONS, WORKERS, FLUSHED = 200, 4, timedelta(milliseconds=50)
# https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/cluster-settings/ (max_shards...)
SHARDS_OF_A_NODE, KINDS = 1000, 2


class Engine(StrEnum):
    """What keeps the spans."""

    OPENSEARCH = "opensearch"
    ELASTICSEARCH = "elasticsearch"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStore:
    """Spans in OpenSearch or Elasticsearch, in an index a day.

    Args:
        server: Reached by TLS: pods of the cluster, or a server outside of it.
        engine: Which of the two it is.
        user: Who logs in there; needs to write and read `<prefix>-jaeger-*`, their templates, and to delete them.
        password: Of that user. Collectors and query take a new one without a restart.
        ca: Who has signed the server's certificate; the public authorities when absent.
        prefix: Of the indices. None may end as another one on the same server does as a whole: its template, which
            begins with a wildcard, would be used for both.
        shards: Of each index.
        replicas: Copies of each shard; 0 on a single node, where none could be placed.
        retention: Whole days; an index is deleted as a whole, when its last span is as old.
        nodes: Of the server's data, so that their shards suffice.
    Raises:
        ConstructError: a name that is none, no day, or more shards than there may be.
    Source: https://www.jaegertracing.io/docs/latest/storage/opensearch/
    """

    server: ExternalHost | Endpoint
    engine: Engine = Engine.OPENSEARCH
    user: str
    password: SecretKey
    ca: SecretKey | None = None
    prefix: str = "jaeger"
    shards: int = 1
    replicas: int = 1
    retention: timedelta = timedelta(days=7)
    nodes: int = 1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[-a-zA-Z0-9._@+]{1,128}", self.user):  # a dollar would be replaced by a variable
            raise ConstructError(f"{self.user!r} cannot be the user of {self.engine}: use letters, digits and -._@+")
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?", self.prefix):
            raise ConstructError(
                f"{self.prefix!r} cannot be the prefix of indices: use small letters, digits and dashes, no dash last"
            )
        if self.retention < DAY or self.retention % DAY:
            raise ConstructError(f"the retention of spans is {self.retention}: use whole days, 1 or more")
        if self.shards < 1 or self.replicas < 0 or self.nodes < 1:
            raise ConstructError(
                f"indices have {self.shards} shards with {self.replicas} replicas on {self.nodes} nodes: use 1 or more "
                "shards, 0 or more replicas, 1 or more nodes"
            )
        if self.shards_in_all > (most := SHARDS_OF_A_NODE * self.nodes):
            raise ConstructError(
                f"{self.shards} shards with {self.replicas} replicas make {self.shards_in_all} in "
                f"{self.retention.days} days, but {self.nodes} nodes take {most}: above it spans are acknowledged and "
                "lost; use fewer, a shorter retention, or say how many nodes there are"
            )

    @property
    def shards_in_all(self) -> int:
        """How many the server holds, on the last day before the oldest index is deleted."""
        return (self.retention.days + 2) * KINDS * self.shards * (1 + self.replicas)

    @property
    def url(self) -> str:
        """Without a slash at its end, with which the cleaner finds nothing."""
        return f"https://{self.server.address}"

    def to_dict(self, *, writes: bool) -> dict[str, Any]:
        """The store as a process sees it.

        Args:
            writes: Whether it makes the templates of indices, without which nothing is found.
        """
        index = {"shards": self.shards, "replicas": self.replicas}
        bulk = {"max_actions": ACTIONS, "workers": WORKERS, "flush_interval": go_duration(FLUSHED)}
        return {
            self.engine.value: {
                "server_urls": [self.url],
                "auth": {"basic": {"username": self.user, "password_file": self.password.path_below(CREDENTIALS)}},
                **({"tls": {"ca_file": self.ca.path_below(CREDENTIALS)}} if self.ca else {}),
                "indices": {
                    "index_prefix": self.prefix,
                    **dict.fromkeys(("spans", "services", "dependencies", "sampling"), index),
                },
                # Else a trace is only looked for among those of the last three days.
                "max_span_age": go_duration(self.retention + DAY),
                "create_mappings": writes,
                **({"bulk_processing": bulk} if writes else {}),
            }
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedStore:
    """Spans in a database of the process itself, on a volume: for one process that is collector and query.

    Args:
        directory: On the volume.
        retention: After which a span is gone; an hour or more.
    Raises:
        ConstructError: a retention that is too short.
    Source: https://www.jaegertracing.io/docs/latest/storage/badger/
    """

    directory: str
    retention: timedelta = timedelta(days=2)

    def __post_init__(self) -> None:
        if self.retention < timedelta(hours=1):
            raise ConstructError(f"the retention of spans is {self.retention}: use an hour or more")

    def to_dict(self, *, writes: bool) -> dict[str, Any]:
        """The store as its process sees it."""
        del writes  # there is one process alone
        return {
            "badger": {
                "directories": {"keys": f"{self.directory}/keys", "values": f"{self.directory}/values"},
                "ephemeral": False,
                "ttl": {"spans": go_duration(self.retention)},
            }
        }
