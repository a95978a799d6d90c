"""The versions that are shipped, which are the versions that are proven."""

from constructs_lib.image import Image

PROMETHEUS = Image(registry="quay.io", repository="prometheus/prometheus", tag="v3.13.3")  # LTS until 2027-07-31
ALERTMANAGER = Image(registry="quay.io", repository="prometheus/alertmanager", tag="v0.34.1")
CONFIG_RELOADER = Image(registry="quay.io", repository="prometheus-operator/prometheus-config-reloader", tag="v0.93.1")
NODE_EXPORTER = Image(registry="quay.io", repository="prometheus/node-exporter", tag="v1.12.1")
KUBE_STATE_METRICS = Image(  # of Kubernetes 1.36, and of those before and after
    registry="registry.k8s.io", repository="kube-state-metrics/kube-state-metrics", tag="v2.20.0"
)
ALLOY = Image(registry="docker.io", repository="grafana/alloy", tag="v1.19.2")
POSTGRES_EXPORTER = Image(registry="quay.io", repository="prometheuscommunity/postgres-exporter", tag="v0.17.1")
REDIS_EXPORTER = Image(registry="quay.io", repository="oliver006/redis_exporter", tag="v1.74.0")
BLACKBOX_EXPORTER = Image(registry="quay.io", repository="prometheus/blackbox-exporter", tag="v0.28.0")
OAUTH2_PROXY = Image(registry="quay.io", repository="oauth2-proxy/oauth2-proxy", tag="v7.15.6")
# Of each major version that its clients save: a dump restores into no older server.
POSTGRES_15 = Image(registry="docker.io", repository="library/postgres", tag="15.15")
POSTGRES_16 = Image(registry="docker.io", repository="library/postgres", tag="16.11")
POSTGRES_17 = Image(registry="docker.io", repository="library/postgres", tag="17.7")
POSTGRES_18 = Image(registry="docker.io", repository="library/postgres", tag="18.1")
GRAFANA = Image(registry="docker.io", repository="grafana/grafana", tag="13.2.3")
LOKI = Image(registry="docker.io", repository="grafana/loki", tag="3.7.8")
# Of the same source as the Go module github.com/jaegertracing/jaeger v1.76.0; later ones are no Go modules.
JAEGER = Image(registry="docker.io", repository="jaegertracing/jaeger", tag="2.13.0")
JAEGER_INDEX_CLEANER = Image(registry="docker.io", repository="jaegertracing/jaeger-es-index-cleaner", tag="2.13.0")
