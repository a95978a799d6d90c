"""Random inputs of Jaeger's configuration that are all accepted, for tests here and for those with the real program."""

from datetime import timedelta

from hypothesis import strategies as st

from constructs_lib.config.jaeger import Collecting, JaegerConfig, SpanLimits, SpanMetrics
from constructs_lib.config.secrets import SecretKey
from constructs_lib.config.span_store import EmbeddedStore, Engine, SearchStore
from constructs_lib.contract import ExternalHost
from constructs_lib.units import Bytes

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
KEYS = st.builds(
    SecretKey, secret=NAMES, key=st.from_regex(r"[-._a-zA-Z0-9]{1,20}", fullmatch=True).filter(str.isalpha)
)
HOURS = st.integers(1, 30 * 24).map(lambda hours: timedelta(hours=hours))
SEARCH_STORES = st.builds(
    SearchStore,
    server=st.builds(
        ExternalHost,
        host=st.builds("{}.example.com".format, NAMES),
        port=st.integers(1, 65535),
        addresses=st.just(("0.0.0.0/0",)),
    ),
    engine=st.sampled_from(Engine),
    user=st.from_regex(r"[-a-zA-Z0-9._@+]{1,30}", fullmatch=True),
    password=KEYS,
    ca=st.none() | KEYS,
    prefix=st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True),
    shards=st.integers(1, 5),
    replicas=st.integers(0, 2),
    retention=st.integers(1, 30).map(lambda days: timedelta(days=days)),
    nodes=st.integers(1, 9),
)
EMBEDDED_STORES = st.builds(EmbeddedStore, directory=st.just("/badger"), retention=HOURS)
SPAN_METRICS = st.builds(
    SpanMetrics,
    buckets=st.lists(st.integers(1, 10**5), min_size=1, max_size=20, unique=True).map(
        lambda bounds: tuple(timedelta(milliseconds=each) for each in sorted(bounds))
    ),
    combinations=st.integers(1, 10**5),
    dimensions=st.lists(st.from_regex(r"[a-z][a-z0-9_.]{0,15}", fullmatch=True), max_size=3, unique=True).map(tuple),
    expiration=st.integers(1, 1000).map(lambda minutes: timedelta(minutes=minutes)),
)


@st.composite
def collecting(draw: st.DrawFn) -> Collecting:
    """With a queue that fits into its memory."""
    memory = draw(st.integers(256 * 1024**2, 2**36))
    queue = draw(st.integers(8 * 1024**2, int(memory * 0.4 / 3) - 1))
    age = draw(st.integers(10, 10**5))
    return Collecting(
        memory=Bytes(memory),
        limits=SpanLimits(queue=Bytes(queue), connection_age=timedelta(seconds=age)),
        metrics=draw(st.none() | SPAN_METRICS),
        sampling=draw(st.none() | st.just("/etc/jaeger/sampling/sampling.json")),
    )


@st.composite
def configurations(draw: st.DrawFn) -> JaegerConfig:
    """The file of a collector, of a query, or of both in one process."""
    collects = draw(st.none() | collecting())
    if collects is None:
        return JaegerConfig(store=draw(SEARCH_STORES), collects=None, queries=True)
    if draw(st.booleans()):
        return JaegerConfig(store=draw(EMBEDDED_STORES), collects=collects, queries=True)
    return JaegerConfig(store=draw(SEARCH_STORES), collects=collects, queries=draw(st.booleans()))
