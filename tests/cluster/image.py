"""OCI images of programs built here or installed, under the very names that manifests use: nothing is pulled."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.programs import built

TRUSTED = "/etc/ssl/certs/ca-certificates.crt"  # where Go, OpenSSL and Debian look for the authorities
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image.

    Args:
        name: As in the manifests, with its tag.
        programs: Name of a built program -> its path in the image, as in the official image.
        user: Numeric user, or user:group.
        packages: Debian packages of this machine of which it holds programs.
        files: Path -> content of files that all may read.
        fill: Adds whatever else is in it, when the image is written.
        directories: Empty directories, writable for `user`, as some official images have them.
    """

    name: str
    programs: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    fill: Callable[[tarfile.TarFile], None] = field(default=lambda _: None, repr=False)
    entrypoint: tuple[str, ...]
    user: str = "0"
    directories: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": "/bin:/usr/bin"})


PAUSE = Image(name="registry.local/pause:1", programs={"probe": "probe"}, entrypoint=("/probe", "sleep"), user="65535")
PROBE = Image(name="registry.local/probe:1", programs={"probe": "probe"}, entrypoint=("/probe",), user="65534")
COREDNS = Image(
    name="registry.k8s.io/coredns/coredns:v1.13.1",
    programs={"coredns": "coredns"},
    entrypoint=("/coredns",),
    user="65532",
)


def write_image(image: Image, path: Path) -> None:
    """Write an image as the tar of an OCI layout (https://github.com/opencontainers/image-spec)."""
    files = layer(image)
    config = _json(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {
                "User": image.user,
                "Entrypoint": list(image.entrypoint),
                "Env": [f"{name}={value}" for name, value in image.environment.items()],
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(files)]},
        }
    )
    oci = "application/vnd.oci.image"
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{oci}.manifest.v1+json",
            "config": _descriptor(config, f"{oci}.config.v1+json"),
            "layers": [_descriptor(files, f"{oci}.layer.v1.tar")],
        }
    )
    named = _descriptor(manifest, f"{oci}.manifest.v1+json") | {
        "annotations": {"io.containerd.image.name": image.name}  # the one name that containerd's import takes as it is
    }
    with tarfile.open(path, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [named]}))
        for blob in (files, config, manifest):
            _add(tar, f"blobs/{_digest(blob).replace(':', '/')}", blob)


def layer(image: Image) -> bytes:
    """The root file system of an image, as a tar."""
    owner = int(image.user.split(":")[0])
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory, mode, user in (
            ("etc", 0o755, 0),
            ("tmp", 0o1777, 0),
            *((d, 0o755, owner) for d in image.directories),
        ):
            entry = tarfile.TarInfo(directory.strip("/"))
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, user, user
            tar.addfile(entry)
        for program, target in image.programs.items():
            _add(tar, target.lstrip("/"), Path(built(program)).read_bytes(), mode=0o755)
        for name, content in image.files.items():
            _add(tar, name.lstrip("/"), content)
        image.fill(tar)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
