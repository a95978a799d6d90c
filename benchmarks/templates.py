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
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 7
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

    def by_command_line(self, output: Path, name: str) -> float:
        """An environment as users render it: the command line of CDK, and the app that it starts."""
        app = ["--app", " ".join(self.app), "-c", f"env={name}", "--output", str(output)]
        # Notices are looked for in the network.
        return _seconds([str(CDK), "synth", "--quiet", "--no-notices", "--no-color", *app])

    def by_itself(self, output: Path, name: str) -> float:
        """The app alone, as that command line starts it."""
        return _seconds(self.app, CDK_OUTDIR=str(output), CDK_CONTEXT_JSON=json.dumps({"env": name}))

    def in_one_process(self, output: Path, names: Sequence[str]) -> float:
        return _seconds([*self.several, str(output), *names])


def _seconds(command: Sequence[str], **variables: str) -> float:
    """A whole fresh process, from its start to its end."""
    # Modules are compiled once, whatever the shell says.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | variables
    start = perf_counter()
    done = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True)
    took = perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr}")
    return took


@dataclass(slots=True)
class Compared:
    """Seconds of both sides, round by round."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def less(self, other: "Compared", parts: int = 1) -> "Compared":
        """What is beyond another one, round by round, of each of so many parts."""
        return Compared(
            *(
                [(more - less) / parts for more, less in zip(mine, its, strict=True)]
                for mine, its in ((self.ours, other.ours), (self.theirs, other.theirs))
            )
        )

    def tell(self, what: str) -> None:
        rounds = sorted(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))
        ours, theirs = median(self.ours), median(self.theirs)
        print(
            f"{what}: {ours / theirs:.2f} of TypeScript's (single rounds {rounds[0]:.2f} to {rounds[-1]:.2f}; "
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

    def pair(self, number: int, measure: Callable[[Side, Path], float]) -> tuple[float, float]:
        """Both, and whether they rendered the same; who is first changes."""
        took: dict[bool, float] = {}
        with tempfile.TemporaryDirectory(dir=self.scratch) as outputs:
            where = {mine: Path(outputs, "python" if mine else "typescript") for mine in (True, False)}
            for mine in (True, False)[:: 1 if number % 2 else -1]:
                took[mine] = measure(self.ours if mine else self.theirs, where[mine])
            refuse_differences(where[True], where[False])
        return took[True], took[False]

    def add(self, to: Compared, number: int, *measures: Callable[[Side, Path], float]) -> None:
        """One round, of the sum of all measures."""
        ours, theirs = zip(*(self.pair(number, measure) for measure in measures), strict=True)
        to.ours.append(sum(ours))
        to.theirs.append(sum(theirs))


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
        app=[sys.executable, "-m", "apps.aws"],
        several=[sys.executable, "-m", "benchmarks.environments"],
    )
    theirs = Side(app=["node", str(made / "app.js")], several=["node", str(made / "several.js")])
    users, apps, none, one, two, many = (Compared() for _ in range(6))
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), ours, theirs)
        for name in names:  # whether they are the same, before anything is measured; and both are warm
            bench.pair(0, partial(Side.by_itself, name=name))
        for number in range(ROUNDS):
            bench.add(users, number, *(partial(Side.by_command_line, name=name) for name in names))
            bench.add(apps, number, *(partial(Side.by_itself, name=name) for name in names))
            for to, rendered in ((none, []), (one, names[:1]), (two, names), (many, several)):
                bench.add(to, number, partial(Side.in_one_process, names=rendered))
    users.tell(f"{' and '.join(names)}, by the command line of CDK")
    apps.tell(f"{' and '.join(names)}, the apps alone")
    none.tell("no environment: what each process begins with")
    one.less(none).tell("the first environment of a process")
    two.less(one).tell("the second one")
    many.less(two, FURTHER).tell("each further one")


if __name__ == "__main__":
    main()
