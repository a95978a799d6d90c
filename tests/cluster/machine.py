"""Computers made of kernel namespaces."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tests.cluster.errors import ClusterError, ProcessEndedError
from tests.cluster.programs import ENVIRONMENT

T = TypeVar("T")
CLONE_NEWNET = 0x40000000

# The first process of a machine, with the name and the directory as its arguments. Mounts are shared with the machine's
# own containers, as containers that follow the host's mounts need it, and with nobody else. The process waits until the
# pipe from the tests closes; when it ends, the kernel kills all that still runs in the machine. Meanwhile bash reaps
# orphans, as a first process must, and other shells would not.
FIRST_PROCESS = """
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
for directory in lib log; do
  mkdir -p "$1/var-$directory"
  mount --bind "$1/var-$directory" "/var/$directory"
done
echo "$0" > /proc/sys/kernel/hostname
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
echo ready
read -r _
"""


class Machine:
    """A computer with processes, mounts, network, host name, /run, /var/lib and /var/log of its own.

    It ends with the process that made it, however that ends: no process, mount or network of it can stay behind.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._holder: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start the machine, or start it again with its disk as it was."""
        self._directory.mkdir(exist_ok=True)
        namespaces = ("--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
        self._holder = subprocess.Popen(
            ["unshare", *namespaces, "bash", "-euc", FIRST_PROCESS, self.name, str(self._directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            start_new_session=True,  # else Ctrl-C would reach the machine before the test that wants to look at it
        )
        assert self._holder.stdout
        assert self._holder.stderr
        if self._holder.stdout.readline() != b"ready\n":
            raise ClusterError(f"{self.name} did not boot: {self._holder.stderr.read().decode().strip()}")

    @property
    def pid(self) -> int:
        """A process whose network namespace is the machine's, as `ip link ... netns PID` takes it."""
        if self._holder is None:
            raise ClusterError(f"{self.name} is not running: start it first")
        return self._holder.pid

    @property
    def network(self) -> str:
        """Path of the network namespace."""
        return f"/proc/{self.pid}/ns/net"

    @property
    def processes(self) -> str:
        """Path of the machine's own /proc, in which its processes have the numbers that they know."""
        return f"/proc/{self.pid}/root/proc"

    def inside(self, *command: str) -> list[str]:
        """The command line that runs a command in the machine."""
        # The holder itself stays outside the process namespace that it made for its children.
        processes = f"--pid=/proc/{self.pid}/ns/pid_for_children"
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", "--uts", "--ipc", processes, *command]

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command in the machine to its end, and return its output."""
        return _run(self.inside(*command), f"{' '.join(command)} on {self.name}", stdin)

    def ip(self, *commands: str) -> None:
        """Run several `ip` commands in the machine."""
        self.run("ip", "-batch", "-", stdin="\n".join(commands))

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the machine's network, with files and processes as they are here."""
        with ThreadPoolExecutor(1, initializer=_enter, initargs=(self.network,)) as thread:
            return thread.submit(function).result()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process in the machine, with its output in a log file."""
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self.inside(*command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Send SIGKILL to a started process whose program has its name."""
        self.run("bash", "-euc", f"kill -KILL $(pidof {name})")
        self._processes.pop(name).wait()

    def wait(self, name: str) -> None:
        """Wait for the end of a started process, which was asked for."""
        self._processes.pop(name).wait()

    def check(self) -> None:
        """Fail if a started process has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise ProcessEndedError(f"{name} on {self.name} ended with {process.returncode}:\n{self.tail(name)}")

    def tail(self, name: str, lines: int = 8) -> str:
        """The last lines of a process's log, cut where they are very long."""
        return "\n".join(line[:240] for line in self._log(name).read_text(errors="replace").splitlines()[-lines:])

    def logs(self) -> str:
        """The last lines of all logs."""
        return "\n".join(f"--- {name} on {self.name}\n{self.tail(name)}" for name in self._processes)

    def stop(self) -> None:
        """End the machine at once, as if its power failed. It may have ended already."""
        if self._holder is not None:
            self._holder.communicate()  # closes the pipe, and returns after the last process of the machine has ended
            self._holder = None
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def connect(machine: Machine, interface: str, switch: Machine, port: str) -> None:
    """Lay a cable from an interface of a machine to a new one of another."""
    ends = (interface, "netns", str(machine.pid)), (port, "netns", str(switch.pid))
    command = ["ip", "link", "add", *ends[0], "type", "veth", "peer", "name", *ends[1]]
    _run(command, f"the cable from {machine.name} to {switch.name}")


def in_network(namespace: str) -> list[str]:
    """The beginning of a command line that runs a command in a network, with files and processes as they are here.

    The process ends, killed, with the thread that starts it, so that none is left behind in the network.
    """
    return ["nsenter", f"--net={namespace}", "setpriv", "--pdeathsig", "KILL", "--"]


def _run(command: list[str], what: str, stdin: str | None = None) -> str:
    ran = subprocess.run(command, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    if ran.returncode != 0:
        raise ClusterError(f"{what} failed: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout


def _enter(network: str) -> None:
    """Move the calling thread into a network namespace (`os.setns` came with Python 3.12)."""
    with Path(network).open() as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), network)
