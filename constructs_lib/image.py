"""Container images, and where they are pulled from."""

import re
from dataclasses import dataclass

from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_VALUE

# No longer maintained where they are, or ended: what was pinned to them breaks or rots unnoticed.
ENDED = {
    "bitnami/": "Bitnami's versioned images left Docker Hub on 2025-08-28",
    "bitnamilegacy/": "Bitnami's legacy images get no updates",
    "grafana/promtail": "Promtail ended on 2026-03-02, use Grafana Alloy",
    "grafana/grafana-oss": "it is frozen from 12.4 on, use grafana/grafana",
    "jaegertracing/all-in-one": "Jaeger v1 ended on 2025-12-31, use jaegertracing/jaeger",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A container image, pinned by tag or by digest.

    Args:
        registry: The registry's host, such as `quay.io`.
        repository: The path within the registry, such as `prometheus/prometheus`.
        tag: The version.
        digest: `sha256:` and 64 hexadecimal digits; wins over the tag, which then only tells people the version.
    Raises:
        ConstructError: a tag that moves, a digest that is none, or an image whose maintenance has ended.
    """

    registry: str
    repository: str
    tag: str
    digest: str | None = None

    def __post_init__(self) -> None:
        if not self.tag or self.tag == "latest":
            raise ConstructError(f"the image {self.repository} has the tag {self.tag!r}, which moves: pin a version")
        if not re.fullmatch(LABEL_VALUE, self.tag):  # it becomes a label too
            raise ConstructError(
                f"the image {self.repository} has the tag {self.tag!r}: use up to 63 letters and digits"
            )
        if self.digest is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", self.digest):
            raise ConstructError(
                f"the image {self.repository} has the digest {self.digest!r}: use 'sha256:' and 64 hexadecimal digits"
            )
        for prefix, reason in ENDED.items():
            if self.repository == prefix or (prefix.endswith("/") and self.repository.startswith(prefix)):
                raise ConstructError(f"the image {self.repository} is not maintained: {reason}")

    @classmethod
    def parse(cls, text: str) -> "Image":
        """Read what a container's `image` field says.

        Raises:
            ConstructError: a registry, a tag or both that are not said.
        """
        match = re.fullmatch(r"([^/@]+)/([^:@]+):([^@]+)(?:@(.+))?", text)
        if match is None or not re.search("[.:]|^localhost$", match[1]):
            raise ConstructError(
                f"{text!r} is no image: use registry, repository and tag, such as "
                "'quay.io/prometheus/prometheus:v3.13.3'"
            )
        return cls(registry=match[1], repository=match[2], tag=match[3], digest=match[4])

    def reference(self, registry: str | None = None) -> str:
        """What a container's `image` field says.

        Args:
            registry: A mirror that holds the same repositories, in place of the image's own registry.
        """
        name = f"{registry or self.registry}/{self.repository}:{self.tag}"
        return f"{name}@{self.digest}" if self.digest else name
