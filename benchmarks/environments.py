"""Templates of environments, one after the other in one process: `python -m benchmarks.environments DIR prod staging`.

`cdk/several.ts` does the same.
"""

import gc
import sys
from pathlib import Path

from apps import aws, environments

if __name__ == "__main__":
    gc.freeze()  # as the app does
    output, *names = sys.argv[1:]
    known = dict(environments.load())
    for number, name in enumerate(names):
        app = aws.new_app(Path(output, str(number)))
        aws.stacks(app, name, known[name])
        app.synth()
