"""Control groups of the nodes, which outlive the processes in them and so must be removed."""

import os
from datetime import timedelta
from pathlib import Path

from tests.cluster.waiting import wait

ROOT = Path("/sys/fs/cgroup")
UNIFIED = ROOT / "cgroup.controllers"  # there with version 2, where one tree holds all controllers


def make(name: str) -> None:
    """Make a group with two levels, `run/node`, in every hierarchy, ready for a kubelet to make its own below."""
    for hierarchy in _hierarchies():
        parent = hierarchy
        for part in name.split("/"):
            if UNIFIED.exists():
                controllers = (parent / "cgroup.controllers").read_text().split()
                (parent / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in controllers))
            group = parent / part
            group.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):  # version 1 starts these empty, and then nothing can run inside
                if not UNIFIED.exists() and (group / file).exists():
                    (group / file).write_text((parent / file).read_text())
            parent = group


def remove(name: str) -> None:
    """Remove a group and all below it, from every hierarchy, as soon as the last process has left them."""
    wait(f"the control groups of {name} are removed", lambda: _removed(name), timedelta(seconds=20))


def _removed(name: str) -> bool:
    for hierarchy in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / name, topdown=False):
            Path(directory).rmdir()
    return True


def _hierarchies() -> list[Path]:
    if UNIFIED.exists():
        return [ROOT]
    return [path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink()]
