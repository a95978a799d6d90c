"""The app of the command line of CDK, which `cdk.json` names: `python -m apps.assembly`.

The environment is chosen by `-c env=staging`: production by default.
"""

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from constructs_lib.errors import ConstructError

if TYPE_CHECKING:
    import aws_cdk as cdk

DEFAULT = "prod"
# Node waits for all of its threads that look for garbage: on two processors, validation starts half a second later.
NODE = "--v8-pool-size=1"


def main() -> None:
    gc.disable()  # all that is imported stays, and the process ends in seconds
    os.environ["NODE_OPTIONS"] = f"{NODE} {os.environ.get('NODE_OPTIONS', '')}".rstrip()
    try:
        # Node, and in it the validation, need more than a second to start: Python imports meanwhile, and asks nothing.
        with ThreadPoolExecutor(max_workers=1) as beside:
            starting = beside.submit(validation)
            from apps import environments  # noqa: PLC0415

            known = dict(environments.load())
            from apps import aws  # noqa: PLC0415

            validates = starting.result()
        gc.freeze()  # at its end, the process would look through all of it for garbage all the same
        app = aws.new_app(validates=validates)
        name = app.node.try_get_context("env") or DEFAULT
        if name not in known:
            raise ConstructError(f"there is no environment {name!r}: use -c env= with one of {', '.join(known)}")
        if not aws.stacks(app, name, known[name]):
            raise ConstructError(f"the environment {name} needs nothing of AWS: choose another one by -c env=")
    except ConstructError as error:
        sys.exit(f"error: {error}")
    app.synth()


def validation() -> list["cdk.CloudFormationValidatePlugin"]:
    """What CDK itself adds when it writes templates, unless `cdk synth --no-validation` tells it not to."""
    import aws_cdk as cdk  # noqa: PLC0415

    return [] if os.environ.get("CDK_VALIDATION") == "false" else [cdk.CloudFormationValidatePlugin()]


if __name__ == "__main__":
    main()
