"""Images: pinned, maintained, and pulled from where the site says."""

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.image import Image

DIGEST = "sha256:" + "0123456789abcdef" * 4


def image(repository: str = "prometheus/prometheus", tag: str = "v3.13.3", digest: str | None = None) -> Image:
    return Image(registry="quay.io", repository=repository, tag=tag, digest=digest)


def test_a_reference_names_registry_repository_and_tag() -> None:
    """Without a mirror, an image comes from its own registry."""
    assert image().reference() == image().reference(None) == "quay.io/prometheus/prometheus:v3.13.3"


def test_a_mirror_replaces_the_registry_alone() -> None:
    """A mirror holds the same repositories under another host."""
    assert image().reference("mirror.example.com/all") == "mirror.example.com/all/prometheus/prometheus:v3.13.3"


def test_a_digest_follows_the_tag_that_people_read() -> None:
    """With a digest, the tag is kept and the digest decides, from a mirror too."""
    pinned = image(digest=DIGEST)
    assert pinned.reference() == f"quay.io/prometheus/prometheus:v3.13.3@{DIGEST}"
    assert pinned.reference("mirror") == f"mirror/prometheus/prometheus:v3.13.3@{DIGEST}"


@pytest.mark.parametrize("tag", ["", "latest"])
def test_tags_that_move_are_refused(tag: str) -> None:
    """What runs tomorrow must be what runs today."""
    with pytest.raises(ConstructError, match=f"has the tag '{tag}', which moves: pin a version"):
        image(tag=tag)


@pytest.mark.parametrize("tag", ["v1 2", "-v1", "v1-", "v1\n", "v1+build", "v" * 64])
def test_tags_that_cannot_be_labels_are_refused(tag: str) -> None:
    """The tag is a label of the pods, too."""
    with pytest.raises(ConstructError, match="use up to 63 letters and digits"):
        image(tag=tag)


@pytest.mark.parametrize("digest", ["", "sha256:", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), "md5:" + "0" * 64])
def test_digests_that_are_none_are_refused(digest: str) -> None:
    """A digest is the name of the algorithm and 64 hexadecimal digits."""
    with pytest.raises(ConstructError, match=r"has the digest .*: use 'sha256:' and 64 hexadecimal digits"):
        image(digest=digest)


@pytest.mark.parametrize(
    ("repository", "reason"),
    [
        ("bitnami/redis", "left Docker Hub"),
        ("bitnamilegacy/redis", "no updates"),
        ("grafana/promtail", "Promtail ended on 2026-03-02"),
        ("grafana/grafana-oss", "use grafana/grafana"),
        ("jaegertracing/all-in-one", "Jaeger v1 ended"),
    ],
)
def test_images_without_maintenance_are_refused(repository: str, reason: str) -> None:
    """What has ended or gets no updates is refused, with the reason."""
    with pytest.raises(ConstructError, match=f"the image {repository} is not maintained: .*{reason}"):
        image(repository)


@pytest.mark.parametrize("repository", ["grafana/promtail-client", "grafana/grafana", "team/bitnami"])
def test_images_of_similar_names_are_accepted(repository: str) -> None:
    """Only the image that ended is refused, and not one whose name begins alike."""
    assert image(repository).reference() == f"quay.io/{repository}:v3.13.3"
