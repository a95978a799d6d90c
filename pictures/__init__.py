"""Pictures of the dashboards, of what their queries found on the cluster of the tests: `make pictures`.

Grafana has no part in them. A development tool, not a part of the package.
"""
