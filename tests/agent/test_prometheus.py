"""What the agent asks a Prometheus, and what it makes of answers that are none; a real one is asked in tests/real."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.agent.prometheus import Held, Loaded, PrometheusError
from tests.agent.answering import QUIT, READ, Chunk, Part, answering, text, whole

UP, DOWN = {"__name__": "up", "job": "a"}, {"__name__": "up", "job": "b"}
CHUNKS = st.builds(
    Chunk,
    samples=st.integers(1, 2**16 - 1),
    begin=st.integers(-(2**62), 2**62),
    rest=st.binary(max_size=300),
    kind=st.integers(1, 4),
)
LABELS = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=200), max_size=4)
NUMBERED = st.lists(st.tuples(LABELS, st.lists(st.lists(CHUNKS, min_size=1, max_size=3), min_size=1, max_size=3)))


@given(NUMBERED)
def test_every_sample_of_every_series_is_counted(found: list[tuple[dict[str, str], list[list[Chunk]]]]) -> None:
    """Whatever their names, times, values and kinds are, and in however many frames a series comes."""
    series = [({**labels, "number": str(number)}, parts) for number, (labels, parts) in enumerate(found)]
    body = b"".join(Part(labels, chunks).frame() for labels, parts in series for chunks in parts)
    samples = sum(chunk.samples for _, parts in found for chunks in parts for chunk in chunks)
    with answering(read=[(200, body)]) as server:
        assert server.client.held(0, 1) == Held(series=len(series), samples=samples)


def test_all_series_of_the_time_are_asked_for_in_chunks() -> None:
    """Both ends of a remote read are included, the end of a block is not."""
    with answering(read=[(200, b"")]) as server:
        assert server.client.held(7_200_000, 14_400_000) == Held(series=0, samples=0)
        ((method, path, body),) = server.asked
    matcher = whole(1, 2) + text(2, b"__name__") + text(3, b".*")
    query = text(1, whole(1, 7_200_000) + whole(2, 14_399_999) + text(3, matcher)) + whole(2, 1)
    assert (method, path) == ("POST", READ)
    assert body.endswith(query)
    assert body[: -len(query)] == bytes((len(query), 60 << 2, len(query) - 1))  # of Snappy: one literal


FRAME = Part(UP).frame()
NONE = {
    "words": (FRAME + b"checksum mismatch expected:1234, actual:5678\n", "checksum mismatch expected"),
    "words that are short": (FRAME + b"no\n", r"but says: b'no\\n'"),
    "cut in a frame": (FRAME + Part(DOWN).frame()[:-1], "did not answer to the end"),
    "cut in a size": (FRAME + b"\xff", "did not answer to the end"),
    "a size that no frame has": (b"\xff\xff\xff\xff\x7f" + b"a" * 400, "did not answer to the end"),
    "no series": (b"\x02" + b"\0" * 4 + b"\x0a\x05", "is no series"),
    "no chunk": (b"\x04" + b"\0" * 4 + b"\x0a\x02\x1a\x00", "is no chunk"),
}


@pytest.mark.parametrize("name", NONE)
def test_an_answer_that_is_not_whole_is_told_as_such(name: str) -> None:
    """Prometheus has said 200 before it finds out, and puts the error where the next frame would be."""
    body, told = NONE[name]
    with answering(read=[(200, body)]) as server, pytest.raises(PrometheusError, match=told):
        server.client.held(0, 1)


def test_what_is_loaded_is_read() -> None:
    """With what a block has replaced, and what was deleted of it."""
    stats = {"numSamples": 120, "numSeries": 4, "numChunks": 4, "numTombstones": 1}
    parents = [{"ulid": "B", "minTime": 0, "maxTime": 1}]
    full = {"ulid": "A", "minTime": 1, "maxTime": 2, "stats": stats, "compaction": {"parents": parents}}
    bare = {"ulid": "C", "minTime": 3, "maxTime": 4, "stats": {}, "compaction": {"level": 1}}
    body = json.dumps({"status": "success", "data": {"blocks": [full, bare]}}).encode()
    with answering(blocks=[(200, body)]) as server:
        assert server.client.blocks() == {
            "A": Loaded("A", 1, 2, samples=120, series=4, tombstones=1, parents=frozenset({"B"})),
            "C": Loaded("C", 3, 4, samples=0, series=0, tombstones=0, parents=frozenset()),
        }


def test_a_server_without_blocks_has_none() -> None:
    """It says null."""
    with answering(blocks=[(200, b'{"data": {"blocks": null}}')]) as server:
        assert server.client.blocks() == {}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": {}}', b'{"data": {"blocks": [{"ulid": "A"}]}}'])
def test_blocks_that_cannot_be_read_are_told_as_such(body: bytes) -> None:
    """None is not an empty list."""
    with answering(blocks=[(200, body)]) as server, pytest.raises(PrometheusError, match="does not say which blocks"):
        server.client.blocks()


def test_a_refusal_is_quoted() -> None:
    """As it comes, with its status."""
    told = r"answers /api/v1/read by 400: bad request$"
    with answering(read=[(400, b"bad request\n")]) as server, pytest.raises(PrometheusError, match=told):
        server.client.held(0, 1)


def test_it_may_take_its_time_to_start() -> None:
    """It says 503 until it has."""
    with answering(ready=[(503, b"no"), (200, b"yes")]) as server:
        server.client.wait()
        assert len(server.asked) == 2


def test_one_that_does_not_start_is_given_up() -> None:
    """With what it said last."""
    told = r"has not started within 0:00:02, .* by 503: Service Unavailable$"
    with answering(ready=[(503, b"Service Unavailable")]) as server, pytest.raises(PrometheusError, match=told):
        server.client.wait()


def test_nobody_at_the_address_is_told_as_such() -> None:
    """By the same error, which ends the command in one line."""
    with answering() as server:
        client = server.client
    with pytest.raises(PrometheusError, match="does not answer /-/quit: ConnectionRefusedError"):
        client.end()


def test_it_is_ended_by_its_own_word() -> None:
    """A POST, which no crawler sends."""
    with answering(quit=[(200, b"")]) as server:
        server.client.end()
        assert [asked[:2] for asked in server.asked] == [("POST", QUIT)]
