"""Manifests: as they were written, or refused."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import Block, File, RestorePoint, moment, object_key

SOURCE = "prod/monitoring/prometheus/prometheus-0"
ULIDS = ("01J00000000000000000000000", "01J00000000000000000000001")


def block(ulid: str, number: int) -> Block:
    sums = {
        path: hashlib.sha256(f"{ulid}{path}".encode()).hexdigest() for path in ("chunks/000001", "index", "meta.json")
    }
    files = tuple(
        File(path=path, key=object_key(SOURCE, ulid, path, sha256), size=10 + number, sha256=sha256)
        for path, sha256 in sums.items()
    )
    return Block(ulid=ulid, min_time=number, max_time=number + 5, samples=7, series=2, chunks=3, files=files)


POINT = RestorePoint(
    source=SOURCE,
    id="20261128T020000Z",
    made=datetime(2026, 11, 28, 2, tzinfo=UTC),
    blocks=tuple(block(ulid, number) for number, ulid in enumerate(ULIDS)),
)


def resigned(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The manifest with a change in it, by someone who knows how to sum it up."""
    body = json.loads(POINT.to_json())
    del body["sha256"]
    change(body)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps({**body, "sha256": hashlib.sha256(canonical).hexdigest()}).encode()


def test_manifest_is_read_as_it_was_written() -> None:
    """All of it, and its totals are those of its blocks."""
    assert RestorePoint.from_json(POINT.to_json()) == POINT
    assert RestorePoint.from_json(resigned(lambda body: None)) == POINT
    assert (POINT.size, POINT.samples, POINT.min_time, POINT.max_time) == (63, 14, 0, 6)
    assert json.loads(POINT.to_json())["totals"] == {"blocks": 2, "files": 6, "bytes": 63, "samples": 14}


def test_no_cut_manifest_is_read() -> None:
    """Wherever it ends."""
    text = POINT.to_json()
    for end in range(len(text)):
        with pytest.raises(ConstructError, match="the manifest"):
            RestorePoint.from_json(text[:end])


def test_no_flipped_manifest_is_read() -> None:
    """Whichever bit it is."""
    text = POINT.to_json()
    for at in range(len(text)):
        for bit in range(8):
            flipped = text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :]
            with pytest.raises(ConstructError, match="the manifest"):
                RestorePoint.from_json(flipped)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(lambda body: body.update(format=2), "format 2, but this program reads 1", id="format"),
        pytest.param(lambda body: body.update(source="prod"), "'prod' is not of the form", id="source"),
        pytest.param(lambda body: body.update(id="yesterday"), "'yesterday' is no restore point", id="id"),
        pytest.param(lambda body: body.update(made="2026-11-28T02:00:00"), "is of no time zone", id="time zone"),
        pytest.param(lambda body: body.update(blocks=[]), "at least one", id="no block"),
        pytest.param(lambda body: body["blocks"].reverse(), "in the order of their names", id="order"),
        pytest.param(lambda body: body["blocks"].append(body["blocks"][1]), "each once", id="twice"),
        pytest.param(lambda body: body["blocks"][0].pop("numSamples"), "says what cannot be: 'numSamples'", id="lack"),
        pytest.param(lambda body: body["blocks"][0].update(ulid="../../etc"), "'../../etc' is not of", id="ulid"),
        pytest.param(lambda body: body["blocks"][0].update(maxTime=-1), "ends before it begins", id="ends"),
        pytest.param(lambda body: body["blocks"][0].update(numSeries=True), "True is no whole number", id="number"),
        pytest.param(
            lambda body: body["blocks"][0]["files"].pop(1), "consists of chunks/000001, meta.json", id="index"
        ),
        pytest.param(
            lambda body: body["blocks"][0]["files"][0].update(path="chunks/../../x"),
            "'chunks/../../x' is not",
            id="path",
        ),
        pytest.param(lambda body: body["blocks"][0]["files"][0].update(key="other"), "is at other", id="key"),
        pytest.param(lambda body: body["blocks"][0]["files"][0].update(size=-1), "-1 is below 0", id="size"),
        pytest.param(
            lambda body: body["blocks"][0]["files"][0].update(sha256="AB"), "'AB' is not of the form", id="sum"
        ),
    ],
)
def test_manifest_that_says_what_cannot_be_is_refused(change: Callable[[dict[str, Any]], object], match: str) -> None:
    """Though its sum is right: nothing is written where a manifest wants it."""
    with pytest.raises(ConstructError, match=match):
        RestorePoint.from_json(resigned(change))


@pytest.mark.parametrize("text", [b"[]", b"7", b"null"], ids=str)
def test_no_other_json_is_read(text: bytes) -> None:
    """Nor anything else."""
    with pytest.raises(ConstructError, match="no object of JSON"):
        RestorePoint.from_json(text)


@pytest.mark.parametrize("point", ["2026-11-28", "20261128T020000", "20261328T020000Z", "2026112T8020000Z", ""])
def test_id_is_a_moment(point: str) -> None:
    """And each moment has one id."""
    with pytest.raises(ConstructError, match="is no restore point: use 'newest', or an id"):
        moment(point)


def test_replaceable_files_are_addressed_by_their_content() -> None:
    """So that one version never takes the place of another one; the others have their names."""
    ulid = ULIDS[0]
    keys = [object_key(SOURCE, ulid, path, "ab") for path in ("index", "chunks/000001", "meta.json", "tombstones")]

    assert [key.removeprefix(f"blocks/{SOURCE}/{ulid}/") for key in keys] == [
        "index",
        "chunks/000001",
        "meta-ab.json",
        "tombstones-ab",
    ]
