"""Alerts and recording rules as data, each with the series that prove it."""
