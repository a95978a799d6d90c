"""What Kubernetes accepts: names of objects and address ranges."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.errors import ConstructError
from constructs_lib.names import cidr as read_cidr
from constructs_lib.names import dns_label, object_name

# https://www.rfc-editor.org/rfc/rfc1035#section-2.3.1, in the lower case that Kubernetes wants.
RFC_1035 = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")
SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")


@given(st.one_of(st.text(max_size=70), st.text("ab9-", max_size=70), st.from_regex(RFC_1035)))
def test_names_are_accepted_exactly_when_they_are_labels_of_rfc_1035(name: str) -> None:
    """What is accepted is a DNS label, and every DNS label is accepted, unchanged."""
    if RFC_1035.match(name):
        assert dns_label(name, of="a name") == name
    else:
        with pytest.raises(ConstructError, match=r"cannot be a name: use up to 63 lower-case letters"):
            dns_label(name, of="a name")


def test_names_have_the_limit_of_what_they_name() -> None:
    """A shorter limit is kept, and told."""
    assert dns_label("abc", of="a port's name", limit=3) == "abc"
    with pytest.raises(ConstructError, match="'abcd' cannot be a port's name: use up to 3 lower-case letters"):
        dns_label("abcd", of="a port's name", limit=3)


@given(st.one_of(st.text(max_size=9), st.text("ab9-.", max_size=260), st.from_regex(SUBDOMAIN)))
def test_names_of_objects_are_accepted_exactly_when_they_are_subdomains(name: str) -> None:
    """Labels of RFC 1123 joined by dots, 253 characters at most."""
    if SUBDOMAIN.match(name) and len(name) <= 253:
        assert object_name(name, of="a name") == name
    else:
        with pytest.raises(ConstructError, match="cannot be a name: use lower-case letters, digits, dashes and dots"):
            object_name(name, of="a name")


@pytest.mark.parametrize("value", ["10.0.0.0/8", "10.0.0.1/32", "fd00::/8", "0.0.0.0/0"])
def test_address_ranges_of_both_families_are_accepted(value: str) -> None:
    """IPv4 and IPv6, from one address to all."""
    assert read_cidr(value, of="a range") == value


@pytest.mark.parametrize("value", ["", "10.0.0.1/8", "10.0.0.0/33", "example.com", "10.0.0/8", "fd00::/129"])
def test_address_ranges_that_are_none_are_refused(value: str) -> None:
    """A range with host bits or without sense is refused, with an example of what is allowed."""
    with pytest.raises(ConstructError, match=r"cannot be a range, .*: use an address range such as '10.0.0.0/16'"):
        read_cidr(value, of="a range")


def test_an_address_without_a_mask_is_refused() -> None:
    """A NetworkPolicy wants the mask, so the refusal offers it."""
    with pytest.raises(ConstructError, match=r"'10.0.0.1' cannot be a range without a mask: .* '10.0.0.1/32'"):
        read_cidr("10.0.0.1", of="a range")
