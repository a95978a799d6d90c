"""The AWS half of the stack: assembly only, and the app of the command line of CDK, which `cdk.json` names.

The environment is chosen by `-c env=staging`: production by default.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import aws_cdk as cdk

from apps import environments
from apps.environment import Environment
from constructs_lib.aws import BackupPipeline, ObjectStore
from constructs_lib.contract import GRAFANA_BACKUP, LOKI, PROMETHEUS, Identity, Origin
from constructs_lib.errors import ConstructError

DEFAULT = "prod"


def stacks(app: cdk.App, name: str, values: Environment) -> list[cdk.Stack]:
    """Add the stacks of one environment to a CDK app; none where it needs nothing of AWS.

    Args:
        app: Into which they go.
        name: Of the environment: stacks of several share an account.
        values: What the site chose.
    Raises:
        ConstructError: values that AWS would refuse.
    """

    def stack(id: str, description: str) -> cdk.Stack:
        return cdk.Stack(
            app,
            id,
            stack_name=f"{id}-{name}",
            description=description,
            env=cdk.Environment(region=values.region),
            # The templates have no assets: CloudFormation takes them as they are, in accounts that know no CDK, too.
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )

    made = []
    if values.logs_store:
        made.append(stack("MonitoringStores", "Where the programs of the monitoring keep their data."))
        identity = Identity(cluster=values.cluster, namespace=values.namespace, service_account=LOKI)
        ObjectStore(made[-1], "Logs", bucket=values.logs_store, identity=identity, web_identity=values.web_identity)
    if values.restore_points:
        made.append(stack("MonitoringBackup", "Restore points of the monitoring, and who may add to them."))
        origins = [Origin(cluster=values.cluster, namespace=values.namespace, component=PROMETHEUS)]
        if values.grafana_backup:
            origins.append(replace(origins[0], component=GRAFANA_BACKUP, database=True))
        BackupPipeline(
            made[-1],
            "RestorePoints",
            restore_points=values.restore_points,
            origins=origins,
            web_identity=values.web_identity,
        )
    return made


def new_app(outdir: Path | None = None) -> cdk.App:
    """An app that behaves alike wherever it is started: with the feature flags of `cdk.json`, and telling nobody.

    Args:
        outdir: Into which it is rendered; the command line of CDK names its own.
    """
    settings = json.loads((Path(__file__).parent.parent / "cdk.json").read_text())
    return cdk.App(outdir=str(outdir) if outdir else None, context=settings["context"], analytics_reporting=False)


def main() -> None:
    app = new_app()
    name = app.node.try_get_context("env") or DEFAULT
    try:
        known = dict(environments.load())
        if name not in known:
            raise ConstructError(f"there is no environment {name!r}: use -c env= with one of {', '.join(known)}")
        if not stacks(app, name, known[name]):
            raise ConstructError(f"the environment {name} needs nothing of AWS: choose another one by -c env=")
    except ConstructError as error:
        sys.exit(f"error: {error}")
    app.synth()


if __name__ == "__main__":
    main()
