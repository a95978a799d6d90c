"""Whatever the constructs accept for Alloy, at random."""

from hypothesis import strategies as st

from constructs_lib.config.alloy import LABELS_OF_A_STREAM, RESERVED, UNBOUNDED, AlloyConfig, Shipment, Streams
from constructs_lib.contract import Endpoint, Pods, Port
from constructs_lib.units import Bytes

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
TENANTS = st.from_regex(r"[a-zA-Z0-9!_.*'()-]{1,150}", fullmatch=True).filter(lambda name: name not in {".", ".."})
LABELS = st.from_regex(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True).filter(lambda name: name not in RESERVED)
SOURCES = st.from_regex(r"([a-z]{1,9}\.example/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,20}[a-zA-Z0-9])?", fullmatch=True)
STREAMS = st.builds(
    Streams,
    labels=st.lists(
        st.tuples(LABELS, SOURCES.filter(lambda name: name not in UNBOUNDED)),
        max_size=LABELS_OF_A_STREAM - len(RESERVED) + 1,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
    longest_line=st.integers(1, 2**40).map(Bytes),
)
LOKIS = st.builds(
    lambda namespace, service, port: Endpoint(
        pods=Pods.named(namespace, "loki"), service=service, port=Port(name="web", number=port)
    ),
    NAMES,
    st.one_of(NAMES, st.tuples(NAMES, NAMES).map(".".join)),  # a Service, or a pod by its name
    st.integers(1, 65535),
)
SHIPMENTS = st.builds(Shipment, loki=LOKIS, tenant=st.none() | TENANTS)
CONFIGS = st.builds(
    AlloyConfig,
    shipments=st.lists(SHIPMENTS, min_size=1, max_size=4, unique_by=lambda each: each.label).map(tuple),
    streams=STREAMS,
)
