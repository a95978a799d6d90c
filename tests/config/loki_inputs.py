"""Random inputs of Loki's configuration that are all accepted, for tests here and for those with the real program."""

from datetime import date, timedelta

from hypothesis import strategies as st

from constructs_lib.config.log_limits import Compaction, LogLimits
from constructs_lib.config.log_schema import Index, Kept, LogSchema, SchemaPeriod
from constructs_lib.config.loki import LokiConfig, Ring
from constructs_lib.config.loki_ruler import Ruler
from constructs_lib.contract import Bucket
from constructs_lib.units import Bytes

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
PREFIXES = st.from_regex(r"[a-z0-9_]{0,10}[a-z_]", fullmatch=True)
BUCKETS = st.builds(
    Bucket,
    name=st.from_regex(r"[a-z0-9][-a-z0-9]{1,40}(\.[a-z0-9]{1,10})?[a-z0-9]", fullmatch=True).filter(
        lambda name: (
            not name.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
            and not name.endswith(("-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mrap"))
        )
    ),
    region=st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1", "ap-southeast-4", "eusc-de-east-1"]),
)


@st.composite
def limits(draw: st.DrawFn) -> LogLimits:
    days = draw(st.integers(1, 3650))
    line, stream_rate, rate, burst = sorted(draw(st.lists(st.integers(1024, 2**33), min_size=4, max_size=4)))
    return LogLimits(
        retention=timedelta(days=days),
        rate=Bytes(rate),
        burst=Bytes(burst),
        stream_rate=Bytes(stream_rate),
        streams=draw(st.integers(1, 10**5)),
        line=Bytes(line),
        late=timedelta(minutes=draw(st.integers(1, days * 24 * 60))),
        entries=draw(st.integers(1, 10**6)),
        split=timedelta(minutes=draw(st.integers(1, 24 * 60))),
    )


@st.composite
def schemas(draw: st.DrawFn, kept: st.SearchStrategy[Kept]) -> LogSchema:
    """With a last period that has begun, and earlier ones of any kind."""
    days = sorted(draw(st.sets(st.dates(date(2018, 1, 1), date(2026, 1, 1)), min_size=1, max_size=4)))
    earlier = [
        SchemaPeriod(
            since=day,
            index=draw(st.sampled_from(Index)),
            version=draw(st.sampled_from([11, 12, 13])),
            kept=draw(st.none() | kept),
            prefix=draw(PREFIXES),
        )
        for day in days[:-1]
    ]
    return LogSchema(periods=(*earlier, SchemaPeriod(since=days[-1], prefix=draw(PREFIXES))))


@st.composite
def configurations(draw: st.DrawFn) -> LokiConfig:
    """The whole file: alone on its volume, alone with a bucket, several with a bucket."""
    bucket = draw(st.none() | BUCKETS)
    replicas = draw(st.integers(1, 9)) if bucket else 1
    ring = (
        Ring(
            replicas=replicas,
            factor=draw(st.integers(1, min(replicas, 3))),
            label=f"{draw(NAMES)}/{draw(NAMES)}",
            members=f"{draw(NAMES)}.{draw(NAMES)}.svc.cluster.local:7946",
        )
        if replicas > 1
        else None
    )
    ruler = Ruler(
        rules="/etc/loki/rules",
        alertmanagers=tuple(f"{draw(NAMES)}.{draw(NAMES)}:9093" for _ in range(draw(st.integers(1, 3)))),
        grafana=f"https://{draw(NAMES)}.example.com",
        labels={"cluster": draw(NAMES), "environment": draw(NAMES)},
    )
    places = [Kept.S3] if ring else [Kept.S3, Kept.FILESYSTEM] if bucket else [Kept.FILESYSTEM]
    asked, tenants = draw(limits()), draw(st.none() | st.integers(1, 20))
    of_all = asked.streams * (tenants or 1)
    streams = ring.streams_of_each(of_all) if ring else of_all
    least = max(streams * 2 * 64 * 1024, 2**28)
    return LokiConfig(
        directory="/loki",
        bucket=bucket,
        ring=ring,
        memory=Bytes(draw(st.integers(least, max(least, 2**36)))),
        limits=asked,
        tenants=tenants,
        schema=draw(schemas(st.sampled_from(places))),
        ruler=None if tenants else draw(st.none() | st.just(ruler)),
        compaction=Compaction(
            interval=timedelta(minutes=draw(st.integers(1, 24 * 60))),
            delete_delay=timedelta(minutes=draw(st.integers(1, 3 * 24 * 60))),
        ),
    )
