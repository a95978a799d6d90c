"""What the platform's dashboards are called, so that one can lead to another."""

SYSTEM_HEALTH = "system-health"
APPLICATION = "application-performance"
BUSINESS = "business"
LOGS = "logs"
PROMETHEUS = "prometheus"
LOKI = "loki"
JAEGER = "jaeger"
