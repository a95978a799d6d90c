"""Render every environment into a directory: `python -m apps.synth dist`.

Without an argument the directory is `CDK8S_OUTDIR`, as the cdk8s command line sets it.
"""

import gc
import json
import os
import sys
import tempfile
from pathlib import Path

import cdk8s

from apps import aws, environments
from apps.environment import Environment
from apps.kube import monitoring
from constructs_lib.config import to_yaml
from constructs_lib.errors import ConstructError
from constructs_lib.kube import synth


def render(all_environments: environments.Environments, output: Path) -> None:
    """Write `k8s/`, its `kustomization.yaml`, `platform.json` and `aws/`, for all environments or for none.

    Args:
        all_environments: The values.
        output: Replaced as a whole once everything is rendered; each environment has a directory there.
    Raises:
        ConstructError: what cannot work; the output is as it was.
    """
    _refuse_foreign(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as scratch:
        fresh = Path(scratch) / "fresh"
        for name, values in all_environments:
            app = cdk8s.App(outdir=str(fresh / name / "k8s"))
            try:
                collector = monitoring(app, name, values).collector
                synth(app)
                _write_templates(name, values, fresh / name / "aws")
                contract = None if collector is None else collector.platform.to_contract()
            except ConstructError as error:
                raise ConstructError(f"environment {name}: {error}") from error
            manifests = sorted(path.name for path in (fresh / name / "k8s").iterdir())
            kustomization = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [f"k8s/{manifest}" for manifest in manifests],
            }
            (fresh / name / "kustomization.yaml").write_text(to_yaml(kustomization))
            if contract is not None:
                (fresh / name / "platform.json").write_text(json.dumps(contract, indent=1) + "\n")
        former = Path(scratch) / "former"
        if output.exists():
            output.rename(former)
        try:
            fresh.rename(output)
        except OSError:
            if former.exists():
                former.rename(output)
            raise


def _write_templates(name: str, values: Environment, output: Path) -> None:
    """Write `<stack>.template.json` for each stack that the environment has; without any, nothing."""
    with tempfile.TemporaryDirectory() as assembly:
        app = aws.new_app(Path(assembly))
        if not aws.stacks(app, name, values):
            return
        output.mkdir()
        for stack in app.synth().stacks:
            (output / stack.template_file).write_text(json.dumps(stack.template, indent=1) + "\n")


def _refuse_foreign(output: Path) -> None:
    """Refuse to replace a directory that holds anything that was not rendered."""
    foreign = [path.name for path in output.glob("*") if not (path / "kustomization.yaml").exists()]
    if foreign:
        raise ConstructError(
            f"{output} holds {', '.join(sorted(foreign)[:3])}, which was not rendered and would be lost: "
            "give an empty directory, or one of an earlier rendering"
        )


def main() -> None:
    directory = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CDK8S_OUTDIR")
    if not directory:
        sys.exit("no directory to render into: give one, such as 'python -m apps.synth dist'")
    gc.freeze()  # what was imported stays; at its end, the process would look through all of it for garbage
    try:
        render(environments.load(), Path(directory))
    except (ConstructError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
