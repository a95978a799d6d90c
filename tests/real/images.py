"""The official images' programs, at their paths, and our own image, under the very names that dist/prod uses."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from apps.environments import PROD
from constructs_lib import versions
from constructs_lib.image import Image as Shipped
from tests.cluster.agent import agent_image
from tests.cluster.debian import add_programs, postgres_client_image
from tests.cluster.grafana import grafana_image
from tests.cluster.image import Image


def image(shipped: Shipped, *programs: str, user: str = "65534", **others: str) -> Image:
    """An image whose entry point is its first program.

    Args:
        programs: Paths in the image, each named as the built program is.
        others: Further built programs, each with its path.
    """
    paths: Mapping[str, str] = {PurePosixPath(path).name: path for path in programs} | others
    return Image(name=shipped.reference(), programs=paths, entrypoint=(f"/{programs[0]}",), user=user)


PROMETHEUS = replace(
    # With a client for tests of what the pod may reach.
    image(versions.PROMETHEUS, "bin/prometheus", "bin/promtool", probe="probe"),
    # The official image has BusyBox, of which an init container uses this.
    packages=("coreutils",),
    fill=partial(add_programs, ["/bin/cp"]),
)
JAEGER = Image(
    name=versions.JAEGER.reference(),
    programs={"jaeger": "cmd/jaeger/jaeger-linux"},
    entrypoint=("/cmd/jaeger/jaeger-linux",),
    user="10001",
)
JAEGER_INDEX_CLEANER = Image(
    name=versions.JAEGER_INDEX_CLEANER.reference(),
    programs={"es-index-cleaner": "go/bin/es-index-cleaner-linux"},
    entrypoint=("/go/bin/es-index-cleaner-linux",),
    user="10001",
)
# Its server cannot be built here: what stands for it reads all that it would read.
GRAFANA = grafana_image(versions.GRAFANA.reference())
AGENT = agent_image(PROD.agent_image.reference())
# Of the server outside, which is of Debian's version, too.
POSTGRES_CLIENTS = postgres_client_image(versions.POSTGRES_17.reference())
# A customer's service, of the example of an onboarded one.
CHECKOUT = Image(
    name="registry.example.com/shop/checkout:1.4.0",
    programs={"probe": "probe"},
    entrypoint=("/probe", "serve", "8080"),
    user="65534",
)
# What brings people in, which is the customer's.
TRAEFIK = Image(
    name="registry.local/traefik:3.6",
    programs={"traefik": "usr/local/bin/traefik"},
    entrypoint=("/usr/local/bin/traefik",),
    user="65532",
)
SHIPPED = (
    PROMETHEUS,
    image(versions.ALERTMANAGER, "bin/alertmanager", "bin/amtool"),
    image(versions.CONFIG_RELOADER, "bin/prometheus-config-reloader"),
    image(versions.LOKI, "usr/bin/loki", user="10001"),
    image(versions.ALLOY, "bin/alloy", user="0"),
    JAEGER,
    JAEGER_INDEX_CLEANER,
    image(versions.NODE_EXPORTER, "bin/node_exporter"),
    image(versions.KUBE_STATE_METRICS, "kube-state-metrics"),
    image(versions.POSTGRES_EXPORTER, "bin/postgres_exporter"),
    image(versions.REDIS_EXPORTER, "redis_exporter", user="59000"),
    image(versions.BLACKBOX_EXPORTER, "bin/blackbox_exporter"),
    image(versions.OAUTH2_PROXY, "bin/oauth2-proxy", user="65532"),
    GRAFANA,
    AGENT,
    POSTGRES_CLIENTS,
)
