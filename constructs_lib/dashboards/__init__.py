"""Dashboards as code: what people look at, made of what the rules read, against the limits that the alerts have."""
