"""Addresses that people follow: what is one, and what is refused."""

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.urls import absolute_url


@pytest.mark.parametrize("value", ["https://a.example.com", "http://localhost:9090", "https://a.example.com/"])
def test_an_absolute_url_is_given_back(value: str) -> None:
    """As it is."""
    assert absolute_url(value, of="external_url", path=False) == value


@pytest.mark.parametrize("value", ["", "a.example.com", "ftp://a.example.com", "https://", "https://["])
def test_what_no_browser_opens_is_refused(value: str) -> None:
    """The link in a notification would lead nowhere."""
    with pytest.raises(ConstructError, match=r"external_url is '.*': use a URL such as"):
        absolute_url(value, of="external_url")


def test_credentials_are_refused_without_being_repeated() -> None:
    """The message must not say them."""
    with pytest.raises(ConstructError, match=r"^external_url of the host a.example.com holds credentials: take them"):
        absolute_url("https://user:word@a.example.com", of="external_url")


def test_a_path_is_refused_where_there_must_be_none() -> None:
    """Probes ask at the root."""
    with pytest.raises(ConstructError, match=r"external_url is '.*', with a path: give it a host of its own"):
        absolute_url("https://a.example.com/prometheus", of="external_url", path=False)
    assert absolute_url("https://a.example.com/runbooks", of="runbooks")
