"""The floor: the least that any app of cdk8s does in a process of its own: `python -m benchmarks.floor DIR`."""

import sys

import cdk8s
import cdk8s_plus_27  # noqa: F401  # whoever renders a workload imports it, and it takes a while

if __name__ == "__main__":
    app = cdk8s.App(outdir=sys.argv[1])
    chart = cdk8s.Chart(app, "floor")
    metadata = cdk8s.ApiObjectMetadata(name="floor")
    cdk8s.ApiObject(chart, "config-map", api_version="v1", kind="ConfigMap", metadata=metadata)
    app.synth()
