"""What programs tell of themselves: the metrics that rules and dashboards may read, one file per program."""
