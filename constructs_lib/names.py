"""What Kubernetes accepts: names of objects, labels, address ranges."""

import ipaddress
import re

from constructs_lib.errors import ConstructError

# Kubernetes' own rule: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_VALUE = r"[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?"
LABEL_NAME = rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{LABEL_VALUE}"


def dns_label(value: str, *, of: str, limit: int = 63) -> str:
    """Give back a name that Kubernetes accepts for namespaces, Services and ports.

    Raises:
        ConstructError: anything but lower-case letters, digits and inner dashes, or too long.
    """
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", value) or len(value) > limit:
        raise ConstructError(
            f"{value!r} cannot be {of}: use up to {limit} lower-case letters, digits and dashes, a letter first"
        )
    return value


def object_name(value: str, *, of: str) -> str:
    """Give back a name that Kubernetes accepts for most of its objects: a DNS subdomain.

    Raises:
        ConstructError: anything but lower-case letters, digits, and inner dashes and dots, or too long.
    """
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", value) or len(value) > 253:
        raise ConstructError(f"{value!r} cannot be {of}: use lower-case letters, digits, dashes and dots")
    return value


def cidr(value: str, *, of: str) -> str:
    """Give back an address range that a NetworkPolicy accepts.

    Raises:
        ConstructError: no range, or one with host bits set.
    """
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ConstructError(
            f"{value!r} cannot be {of}, {error}: use an address range such as '10.0.0.0/16'"
        ) from error
    if "/" not in value:
        raise ConstructError(f"{value!r} cannot be {of} without a mask: did you mean '{network}'?")
    return value
