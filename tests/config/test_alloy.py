"""What Alloy reads: its language, where lines come from, how they are told apart, and where they go."""

import re
from collections.abc import Sequence
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.config.alloy import UNBOUNDED, AlloyConfig, Block, Export, Shipment, Streams, Variable, to_alloy
from constructs_lib.config.discovery import meta
from constructs_lib.contract import Endpoint, Pods, Port
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes
from tests.config.alloy_inputs import CONFIGS, LOKIS
from tests.config.relabeling import Labels, discovered_pod, relabeled

LOKI = Endpoint(pods=Pods.named("monitoring", "loki"), service="loki", port=Port(name="web", number=3100))
AUDIT = Endpoint(pods=Pods.named("audit", "loki"), service="loki", port=Port(name="web", number=3100))
BOTH = AlloyConfig(shipments=(Shipment(loki=LOKI), Shipment(loki=AUDIT, tenant="team-a")), streams=Streams())
# The escapes of Alloy's strings that ours may contain.
ESCAPE = re.compile(r'\\(?:(["\\bfnrt])|u([0-9a-f]{4}))')


def one(text: str, pattern: str) -> str:
    """The only match in a text."""
    (found,) = re.findall(pattern, text)
    return str(found)


def block(head: str) -> str:
    """The text of one block at the top of the configuration."""
    return one(BOTH.to_text(), rf"(?ms)^{re.escape(head)} {{\n.*?^}}$")


def lines_of(container: str, streams: Streams = Streams(), **pod: str) -> Labels:
    """The labels of what a container writes, and the pattern of its files."""
    found = {**discovered_pod(**pod), meta("pod", "container_name"): container}  # type: ignore[arg-type]
    final = relabeled(found, AlloyConfig(shipments=(), streams=streams).relabelings)
    assert final is not None
    return {name: value for name, value in final.items() if value and (name == "__path__" or name[:2] != "__")}


def test_every_kind_of_value_has_its_spelling() -> None:
    """Attributes stand below each other as Alloy's own formatter puts them, blocks inside of blocks below those."""
    inner = Block("stage.static_labels", attributes={"values": ["a", "b"]})
    values = {"yes": True, "count": 3, "to": Export("x.y.z"), "field": Variable("NODE", after="n=")}
    assert to_alloy([Block("outer", "label", values, (inner, inner))]).splitlines() == [
        'outer "label" {',
        "\tyes   = true",
        "\tcount = 3",
        "\tto    = x.y.z",
        '\tfield = "n=" + sys.env("NODE")',
        "",
        "\tstage.static_labels {",
        '\t\tvalues = ["a", "b"]',
        "\t}",
        "",
        "\tstage.static_labels {",
        '\t\tvalues = ["a", "b"]',
        "\t}",
        "}",
    ]


@given(st.text())
def test_no_text_leaves_its_quotes(text: str) -> None:
    """Whatever a string holds, Alloy reads it back, and nothing else becomes part of the configuration."""
    _, written, _, end = to_alloy([Block("b", attributes={"a": text})]).split("\n")
    assert end == ""
    quoted = one(written, r'^\ta = "((?:[^"\\\n\ufeff]|\\.)*)"$')
    named = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
    read = ESCAPE.sub(lambda m: named.get(m[1], m[1]) if m[1] else chr(int(m[2], 16)), quoted)
    assert read == text
    assert "\\" not in ESCAPE.sub("", quoted)


@pytest.mark.trap(58)
def test_a_collector_is_told_of_the_pods_of_its_own_node() -> None:
    """Without it, the pods of all nodes would be watched on every node."""
    assert 'field = "spec.nodeName=" + sys.env("NODE_NAME")' in block('discovery.kubernetes "pods"')
    assert "loki.source.kubernetes" not in BOTH.to_text()


@pytest.mark.trap(60)
@pytest.mark.parametrize("state", [{"phase": "Running"}, {"phase": "Succeeded"}, {"ip": "fd00::7"}])
def test_lines_are_where_the_kubelet_puts_them(state: Labels) -> None:
    """Also those of what has ended: a Job of a second must be read to its end."""
    pattern = lines_of("proxy", namespace="shop", name="api-7", **state)["__path__"]
    directory = "/var/log/pods/shop_api-7_0a1b2c3d-1111-2222-3333-444455556666/proxy"
    assert PurePath(f"{directory}/0.log").match(pattern)
    assert PurePath(f"{directory}/12.log").match(pattern)
    for other in (
        *(f"{directory}/0.log.20260801-120000", f"{directory}/0.log.20260801-120000.gz"),  # rotated: read before
        directory.replace("/proxy", "/api/0.log"),
        directory.replace("api-7", "api-77") + "/0.log",
        directory.replace("shop", "workshop") + "/0.log",
    ):
        assert not PurePath(other).match(pattern), other


@pytest.mark.trap(60)
def test_a_line_loses_what_the_container_runtime_wrote_before_it() -> None:
    """Its time becomes that of the line, its parts become one, and the line has a limit that Loki accepts."""
    process = block('loki.process "loki_IN_monitoring"')
    assert process.index("stage.cri") < process.index("stage.label_drop")
    assert "max_partial_line_size          = 262144" in process
    assert "max_partial_line_size_truncate = true" in process


@pytest.mark.trap(62)
def test_streams_are_told_by_what_has_few_values() -> None:
    """No uid, no address, no file: each of them would be a stream of its own with every start."""
    labels = lines_of("proxy")
    assert labels == {
        "namespace": "shop",
        "pod": "worker-1",
        "node": "node-1",
        "app": "worker",
        "container": "proxy",
        "__path__": labels["__path__"],
    }
    assert 'values = ["filename"]' in block('loki.process "loki_IN_monitoring"')


def test_further_labels_are_taken_from_the_pods() -> None:
    """A pod without it has no such label."""
    streams = Streams(labels=(("team", "app.kubernetes.io/name"), ("tier", "tier")))
    labels = lines_of("proxy", streams)
    assert labels["team"] == "worker"
    assert "tier" not in labels


@pytest.mark.trap(62)
@pytest.mark.parametrize("source", sorted(UNBOUNDED))
def test_a_label_that_is_new_with_every_pod_is_refused(source: str) -> None:
    """Loki takes some thousands of streams of a tenant."""
    with pytest.raises(ConstructError, match=rf"'hash' of streams would be {source} of the pods, .*: leave it out"):
        Streams(labels=(("hash", source),))


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([("te-am", "team")], r"'te-am' of streams cannot be taken from the pods' label 'team': use letters"),
        ([("__team", "team")], r"'__team' of streams cannot be taken"),
        ([("team", "a/b/c")], r"'team' of streams cannot be taken from the pods' label 'a/b/c'"),
        ([("pod", "team")], r"'pod' of streams is taken: use another name than app, container, filename, "),
        ([("filename", "team")], r"'filename' of streams is taken"),
        ([("team", "team"), ("team", "squad")], r"'team' of streams is taken: .* each once"),
        ([(f"l{n}", "team") for n in range(10)], r"10 further labels, and 6 of their own, but Loki takes 15: use up"),
    ],
)
def test_labels_that_loki_would_refuse_are_refused(labels: Sequence[tuple[str, str]], sentence: str) -> None:
    """It refuses the lines, each time anew."""
    with pytest.raises(ConstructError, match=sentence):
        Streams(labels=tuple(labels))


def test_as_many_labels_as_loki_takes_are_accepted() -> None:
    """The limit itself is within."""
    assert len(Streams(labels=tuple((f"l{n}", "team") for n in range(9))).labels) == 9


def test_a_line_of_nothing_is_refused() -> None:
    """Every line would be empty."""
    with pytest.raises(ConstructError, match="the longest line is 0 bytes, so that nothing would be left: use 1"):
        Streams(longest_line=Bytes(0))


def test_each_loki_has_a_reader_of_its_own() -> None:
    """One that is away must not keep lines from the others; their positions do not meet either."""
    for label in ("loki_IN_monitoring", "loki_IN_audit"):
        assert f"forward_to = [loki.process.{label}.receiver]" in block(f'loki.source.file "{label}"')
        assert f"forward_to = [loki.write.{label}.receiver]" in block(f'loki.process "{label}"')


def test_lines_wait_for_a_loki_that_is_away() -> None:
    """Alloy would give up after ten attempts; and when Loki is back, it hears of it within seconds."""
    write = block('loki.write "loki_IN_monitoring"')
    assert 'url                 = "http://loki.monitoring.svc.cluster.local:3100/loki/api/v1/push"' in write
    assert "max_backoff_retries = 0" in write
    assert 'max_backoff_period  = "10s"' in write


def test_a_tenant_is_named_where_there_is_one() -> None:
    """A Loki that tells no tenants apart is told of none."""
    assert "tenant_id" not in block('loki.write "loki_IN_monitoring"')
    assert 'tenant_id           = "team-a"' in block('loki.write "loki_IN_audit"')


@pytest.mark.parametrize("tenant", ["", ".", "..", "a/b", "a|b", "ä", "a" * 151, "a b", "a\n"])
def test_a_tenant_that_loki_refuses_is_refused(tenant: str) -> None:
    """It would refuse every line."""
    with pytest.raises(ConstructError, match=r"cannot be a tenant: use up to 150 letters, digits and !-_"):
        Shipment(loki=LOKI, tenant=tenant)


@given(LOKIS, LOKIS)
def test_no_two_lokis_share_their_blocks(one: Endpoint, other: Endpoint) -> None:
    """Labels are identifiers, and differ as the addresses do."""
    labels = [Shipment(loki=each).label for each in (one, other)]
    assert (labels[0] == labels[1]) == ((one.service, one.pods.namespace) == (other.service, other.pods.namespace))
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", label) for label in labels)


@given(CONFIGS)
def test_blocks_are_complete(config: AlloyConfig) -> None:
    """Every block that another one refers to is there, once."""
    text = config.to_text()
    heads = re.findall(r'(?m)^([a-z.]+) "(\w+)" \{$', text)
    assert len(heads) == len(set(heads)) == 2 + 3 * len(config.shipments)
    referred = re.findall(r"(?m) = \[?([a-z.]+)\.(\w+)\.(?:receiver|targets|output)\]?$", text)
    assert set(referred) == {head for head in heads if head[0] != "loki.source.file"}
