"""The customer's stack: values in `environments`, assembly in `kube`, rendering in `synth`."""
