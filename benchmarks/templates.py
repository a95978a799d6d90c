"""Print what templates cost, in ratios to an app of TypeScript: `python -m benchmarks.templates`.

`cdk/` is that app: what a user of TypeScript would write for the same templates, on the same release of CDK. Both are
whole processes, in turns, and each pair is compared before its seconds count: templates, what validation reports, and
the code that is brought along must be the same bytes. TypeScript is compiled before, as Python's modules are.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter

from apps.assembly import NODE

ROUNDS = 9
SHOWN = 20  # lines of a difference
FURTHER = 4  # environments in one process, beyond the two
ROOT = Path(__file__).parent.parent
CDK = ROOT / "node_modules" / ".bin" / "cdk"
APP = Path(__file__).with_name("cdk")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constructs_lib"
# From which lines of source a resource is, and which command line may read it: they differ by the language's nature.
NOT_COMPARED = ("*.metadata.json", "manifest.json")
TEMPLATE, TREE, REPORT = ".template.json", "tree.json", "validation-report.json"


def compiled() -> Path:
    """Where the app of TypeScript is, as node runs it."""
    lock = hashlib.sha256((APP / "package-lock.json").read_bytes()).hexdigest()[:16]
    finished = CACHE / f"cdk-{lock}"
    ready = finished / "ready"
    if not ready.exists():
        finished.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(APP / name, finished)
        subprocess.run(["npm", "ci", "--silent"], check=True, cwd=finished)
        ready.touch()
    for source in (*APP.glob("*.ts"), APP / "tsconfig.json"):
        shutil.copy(source, finished)
    subprocess.run(["node_modules/.bin/tsc"], check=True, cwd=finished)
    return finished


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two apps.

    Args:
        app: The command that starts it.
        several: The one that renders environments one after the other in one process.
    """

    app: Sequence[str]
    several: Sequence[str]

    def by_command_line(self, output: Path, names: Sequence[str]) -> list[float]:
        """Environments as users render them: the command line of CDK for each, and the app that it starts."""
        # Notices are looked for in the network.
        command = [str(CDK), "synth", "--quiet", "--no-notices", "--no-color", "--app", " ".join(self.app)]
        return [sum(_run([*command, "-c", f"env={name}", "--output", str(output / name)])[0] for name in names)]

    def by_itself(self, output: Path, names: Sequence[str]) -> list[float]:
        """The app alone for each, as that command line starts it."""
        return [
            sum(
                _run(self.app, CDK_OUTDIR=str(output / name), CDK_CONTEXT_JSON=json.dumps({"env": name}))[0]
                for name in names
            )
        ]

    def in_one_process(self, output: Path, names: Sequence[str]) -> list[float]:
        """Of one process, what is none of its environments, and the first, the second, and a further one of them."""
        took, printed = _run([*self.several, str(output), *names])
        first, second, *further = json.loads(printed)
        return [took - first - second - sum(further), first, second, median(further)]


# A way to render environments into a directory, and the seconds of each of its figures.
Way = Callable[[Side, Path, Sequence[str]], list[float]]


def _run(command: Sequence[str], **variables: str) -> tuple[float, str]:
    """The seconds of a whole fresh process, from its start to its end, and what it printed."""
    # Modules are compiled once, whatever the shell says.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | variables
    start = perf_counter()
    done = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True)
    took = perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr}")
    return took, done.stdout


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds of both sides, round by round.

    Args:
        name: What is measured.
    """

    name: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def tell(self) -> None:
        rounds = sorted(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))
        ours, theirs = median(self.ours), median(self.theirs)
        print(
            f"{self.name}: {ours / theirs:.2f} of TypeScript's (single rounds {rounds[0]:.2f} to {rounds[-1]:.2f}; "
            f"{ours:.2f} s, and {theirs:.2f} s, here)"
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """Both apps, and where they render.

    Args:
        scratch: A directory for all of it.
        ours: The app of Python.
        theirs: The one of TypeScript.
    """

    scratch: Path
    ours: Side
    theirs: Side

    def measure(self, number: int, way: Way, names: Sequence[str], *figures: Figure) -> None:
        """One round, and whether both rendered the same; who is first changes."""
        took: dict[bool, list[float]] = {}
        with tempfile.TemporaryDirectory(dir=self.scratch) as outputs:
            where = {mine: Path(outputs, "python" if mine else "typescript") for mine in (True, False)}
            for mine in (True, False)[:: 1 if number % 2 else -1]:
                took[mine] = way(self.ours if mine else self.theirs, where[mine], names)
            refuse_differences(where[True], where[False])
        for figure, ours, theirs in zip(figures, took[True], took[False], strict=False):
            figure.ours.append(ours)
            figure.theirs.append(theirs)


def refuse_differences(ours: Path, theirs: Path) -> None:
    """Stop where two apps did not render the same, or did not validate it."""
    for manifest in (*ours.rglob("manifest.json"), *theirs.rglob("manifest.json")):
        if not manifest.with_name(REPORT).exists():
            sys.exit(f"no ratio of what is not validated: {manifest.parent.name} has no {REPORT}")
    mine, its = _rendered(ours), _rendered(theirs)
    for name in sorted({*mine, *its}, key=lambda name: (not name.endswith(TEMPLATE), name)):
        if mine.get(name) != its.get(name):
            before, after = (each.get(name, "").splitlines() for each in (mine, its))
            lines = islice(unified_diff(before, after, "Python", "TypeScript", lineterm=""), SHOWN)
            sys.exit(
                "\n".join(
                    (
                        f"no ratio of what is not the same: {name} differs. Follow the constructs in "
                        f"{APP.relative_to(ROOT)}/, and leave CONSTRUCTS_* and .env out.",
                        *lines,
                    )
                )
            )


def _rendered(output: Path) -> dict[str, str]:
    """All files, by their paths."""
    found = {}
    for path in output.rglob("*"):
        if path.is_file() and not any(path.match(pattern) for pattern in NOT_COMPARED):
            text = path.read_text()
            if path.name == TREE:  # which has properties in the order in which they are given
                text = json.dumps(json.loads(text), indent=1, sort_keys=True)
            found[str(path.relative_to(output))] = text
    return found


def main() -> None:
    names = sorted(path.parent.name for path in (ROOT / "dist").glob("*/aws"))
    several = [*names, *islice(cycle(names), FURTHER)]
    made = compiled()
    ours = Side(
        app=[sys.executable, "-m", "apps.assembly"],
        several=[sys.executable, "-m", "benchmarks.environments"],
    )
    theirs = Side(app=["node", str(made / "app.js")], several=["node", str(made / "several.js")])
    # Whoever writes an app of TypeScript could give node the option, too.
    with_option = Side(app=["env", f"NODE_OPTIONS={NODE}", *theirs.app], several=[])
    all_of_them = " and ".join(names)
    users, apps = Figure(f"{all_of_them}, by the command line of CDK"), Figure(f"{all_of_them}, the apps alone")
    alike = Figure(f"{all_of_them}, by the command line of CDK, node with {NODE} for both")
    in_one = [
        Figure(f"a process of several environments, {part}")
        for part in ("its start and its end", "the first one", "the second one", "a further one")
    ]
    with tempfile.TemporaryDirectory() as scratch:
        bench, with_options = Bench(Path(scratch), ours, theirs), Bench(Path(scratch), ours, with_option)
        bench.measure(0, Side.by_itself, names)  # they are the same, and warm, before anything is measured
        for number in range(ROUNDS):
            bench.measure(number, Side.by_command_line, names, users)
            with_options.measure(number, Side.by_command_line, names, alike)
            bench.measure(number, Side.by_itself, names, apps)
            bench.measure(number, Side.in_one_process, several, *in_one)
    for figure in (users, alike, apps, *in_one):
        figure.tell()


if __name__ == "__main__":
    main()
