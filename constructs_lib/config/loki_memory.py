"""What Loki does with the memory that its container may use."""

from dataclasses import dataclass

from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

# Shares of the memory limit; what is left is for the program itself, for queries, and for garbage.
CHUNKS, CACHES, REPLAY, GO = 0.5, 0.1, 0.75, 0.9
# Of chunks, of results, and those that take over the settings of the latter: statistics, volumes, series, labels.
CACHE_COUNT = 6
# Below the first size S3 is filled with crumbs; above the others, Loki's own defaults, nothing is gained.
SMALLEST_CHUNK, LARGEST_CHUNK, LARGEST_BLOCK = Bytes(64 * 1024), Bytes.mib(1.5), Bytes(256 * 1024)
BLOCKS_OF_A_CHUNK = 4
SMALLEST_MEMORY = Bytes.mib(256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How the memory limit of one pod is shared out."""

    replay: Bytes
    """Above this, reading again what was written ahead goes by way of the store."""
    go: Bytes
    """Where the garbage collector begins to work hard."""
    cache: Bytes
    """Of each cache."""
    chunk: Bytes
    """Compressed, when it is stored."""
    block: Bytes
    """Uncompressed, when it is added to its chunk."""


def shared_out(limit: Bytes, streams: int) -> Memory:
    """Share out the memory limit of one pod, so that as many streams as it may have fit, and it is not killed.

    Half of it is for what is not stored yet: a chunk of each stream. Since chunks of busy streams are stored when they
    are full, and begin anew, they are half full on average: together with the block that each of them is gathering, a
    stream takes no more than one full chunk. A tenth is for all caches. Reading again what was written ahead happens
    before anybody asks, so that it may have three quarters.

    Args:
        limit: Of the container.
        streams: That a pod may have at the same time.
    Raises:
        ConstructError: not enough memory for these streams, or for Loki at all.
    """
    if limit < SMALLEST_MEMORY:
        raise ConstructError(f"the memory limit of Loki is {limit}: use {SMALLEST_MEMORY} or more")
    most = int(limit.count * CHUNKS) // SMALLEST_CHUNK.count
    if streams > most:
        raise ConstructError(
            f"a pod of Loki may have {streams} streams, but its memory limit of {limit} suffices for {most}: lower "
            "the limit of streams, or give it more memory"
        )
    chunk = min(int(limit.count * CHUNKS) // streams, LARGEST_CHUNK.count)
    return Memory(
        replay=limit.scaled(REPLAY),
        go=limit.scaled(GO),
        cache=limit.scaled(CACHES / CACHE_COUNT),
        chunk=Bytes(chunk),
        block=Bytes(min(chunk // BLOCKS_OF_A_CHUNK, LARGEST_BLOCK.count)),
    )
