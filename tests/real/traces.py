"""What a cluster leaves on the machine while it runs, and must not leave afterwards."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.cluster.rundirectory import PREFIX

Runs = dict[str, set[str]]  # name of a run directory -> all kernel namespaces of the cluster that runs in it


def runs(root: int) -> Runs:
    """The clusters that a process runs."""
    processes = [path for path in Path("/proc").iterdir() if path.name.isdecimal()]
    children: dict[int, list[int]] = {}
    for process in processes:
        with suppress(OSError):  # the process has just ended
            children.setdefault(int((process / "stat").read_text().rsplit(")", 1)[1].split()[1]), []).append(
                int(process.name)
            )
    found: Runs = {}
    for child in children.get(root, []):
        with suppress(OSError):
            name = re.search(rf"(?s)^unshare\0.*/({PREFIX}\w+)/", Path(f"/proc/{child}/cmdline").read_text())
            if name:
                found.setdefault(name[1], set()).update(*(namespaces(pid) for pid in descendants(child, children)))
    return {name: found[name] - namespaces(root) for name in found}


def descendants(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    """All processes below one."""
    for child in children.get(pid, []):
        yield child
        yield from descendants(child, children)


def namespaces(pid: int) -> set[str]:
    """Network, mount, process and other namespaces of a process."""
    try:
        return {str(link.readlink()) for link in Path(f"/proc/{pid}/ns").iterdir()}
    except OSError:
        return set()


def processes(gone: Runs) -> list[str]:
    """The namespaces of clusters in which processes live; their numbers are soon used again."""
    alive: set[str] = set().union(
        *(namespaces(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdecimal())
    )
    return sorted(alive.intersection(*gone.values()))


def files(gone: Runs) -> list[str]:
    """The mounts, directories and control groups of clusters."""
    mounts = Path("/proc/mounts").read_text().splitlines()
    places = [Path(tempfile.gettempdir()), Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
    return [
        *(mount for mount in mounts if any(name in mount for name in gone)),
        *(str(place / name) for place in places for name in gone if (place / name).exists()),
    ]
