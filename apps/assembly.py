"""The app of the command line of CDK, which `cdk.json` names: `python -m apps.assembly`.

The environment is chosen by `-c env=staging`: production by default.
"""

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import aws_cdk as cdk

from constructs_lib.errors import ConstructError

DEFAULT = "prod"


def main() -> None:
    try:
        # Validation needs a second to start, in the process of node: Python meanwhile imports, and asks node nothing.
        with ThreadPoolExecutor(max_workers=1) as beside:
            starting = beside.submit(validation)
            from apps import aws, environments  # noqa: PLC0415

            known = dict(environments.load())
            validates = starting.result()
        gc.freeze()  # what was imported stays; at its end, the process would look through all of it for garbage
        app = aws.new_app()
        cdk.Validations.of(app).add_plugins(*validates)
        name = app.node.try_get_context("env") or DEFAULT
        if name not in known:
            raise ConstructError(f"there is no environment {name!r}: use -c env= with one of {', '.join(known)}")
        if not aws.stacks(app, name, known[name]):
            raise ConstructError(f"the environment {name} needs nothing of AWS: choose another one by -c env=")
    except ConstructError as error:
        sys.exit(f"error: {error}")
    app.synth()


def validation() -> list[cdk.CloudFormationValidatePlugin]:
    """What CDK itself adds when it writes templates, unless `cdk synth --no-validation` tells it not to."""
    return [] if os.environ.get("CDK_VALIDATION") == "false" else [cdk.CloudFormationValidatePlugin()]


if __name__ == "__main__":
    main()
