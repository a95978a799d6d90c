"""Tests of `constructs_lib.config`."""
