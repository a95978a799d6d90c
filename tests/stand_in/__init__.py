"""Tests of what stands for Grafana on the test cluster."""
