"""Templates of environments, one after the other in one process: `python -m benchmarks.environments DIR prod staging`.

It prints the seconds of each as JSON. `cdk/several.ts` does the same.
"""

import gc
import json
import sys
from pathlib import Path
from time import perf_counter

from apps import aws, environments

if __name__ == "__main__":
    gc.freeze()  # as the app does
    output, *names = sys.argv[1:]
    known = dict(environments.load())
    seconds = []
    for number, name in enumerate(names):
        start = perf_counter()
        app = aws.new_app(Path(output, str(number)))
        aws.stacks(app, name, known[name])
        app.synth()
        seconds.append(perf_counter() - start)
    print(json.dumps(seconds))
