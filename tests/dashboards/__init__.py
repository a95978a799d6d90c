"""Tests of `constructs_lib.dashboards`."""
