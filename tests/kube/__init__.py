"""Tests of `constructs_lib.kube`."""
