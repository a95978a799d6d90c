"""The versions that are shipped, which are the versions that are proven."""

from constructs_lib.image import Image

PROMETHEUS = Image(registry="quay.io", repository="prometheus/prometheus", tag="v3.13.3")  # LTS until 2027-07-31
