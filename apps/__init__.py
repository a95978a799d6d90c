"""The customer's stack: values in `environments`, assembly in `kube` and `aws`, rendering in `synth`."""
