"""Servers of RDS: what both halves may ask for."""

import re
from typing import Any

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.kube.postgres_backup import CLIENTS
from constructs_lib.rds import VERSIONS, ManagedPostgres, PrivateNetwork

WHERE = {
    "vpc": "vpc-0123456789abcdef0",
    "subnets": ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
    "clients": "sg-0123456789abcdef0",
}


def network(**more: Any) -> PrivateNetwork:
    return PrivateNetwork(**{**WHERE, **more})


def server(**more: Any) -> ManagedPostgres:
    settings = {"name": "blue-monitoring-grafana", "secret": "blue/monitoring/grafana-postgres", "network": network()}
    return ManagedPostgres(**{**settings, **more})


def test_ids_of_long_ago_are_ids() -> None:
    """Of eight characters."""
    assert network(vpc="vpc-1234abcd", subnets=("subnet-1234abcd", "subnet-1234abce")).vpc == "vpc-1234abcd"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"vpc": "main"}, "'main' is no id: use one such as 'vpc-0123456789abcdef0'"),
        ({"vpc": "vpc-0123456789ABCDEF0"}, "'vpc-0123456789ABCDEF0' is no id: use one such as 'vpc-0"),
        ({"clients": "vpc-0123456789abcdef0"}, "'vpc-0123456789abcdef0' is no id: use one such as 'sg-0123456789abc"),
        ({"subnets": ("subnet-1234abcd", "us-east-1a")}, "'us-east-1a' is no id: use one such as 'subnet-0123456789ab"),
        (
            {"subnets": ("subnet-1234abcd", "subnet-1234abcd")},
            "the subnets subnet-1234abcd, subnet-1234abcd are not all different: name each once",
        ),
        (
            {"subnets": ("subnet-1234abcd",)},
            "the subnets of a database are subnet-1234abcd: RDS wants those of two zones or more",
        ),
        ({"subnets": ()}, "the subnets of a database are none: RDS wants those of two zones or more"),
    ],
    ids=str,
)
def test_what_is_no_network_of_a_database_is_refused(settings: dict[str, Any], sentence: str) -> None:
    """Before anything is made of it."""
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}"):
        network(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "a" * 63},
        {"name": "a-1-b"},
        {"secret": "a"},
        {"database": "a" * 63},
        {"user": "people_1"},
        {"port": 1150},
        {"port": 65_535},
        *({"version": each} for each in VERSIONS),
    ],
    ids=str,
)
def test_names_and_figures_at_the_limits_are_taken(settings: dict[str, Any]) -> None:
    """As RDS takes them."""
    (field, value) = next(iter(settings.items()))
    assert getattr(server(**settings), field) == value


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "a" * 64}, f"'{'a' * 64}' cannot be a server of RDS: use up to 63 lower-case letters, digits and "),
        ({"name": "blue--grafana"}, "'blue--grafana' cannot be a server of RDS: use up to 63 lower-case letters, "),
        ({"name": "blue-"}, "'blue-' cannot be a server of RDS: use up to 63 lower-case letters, digits and single "),
        ({"name": "1st"}, "'1st' cannot be a server of RDS: use up to 63 lower-case letters, digits and single dash"),
        ({"secret": "arn:aws:x"}, "'arn:aws:x' cannot be a secret of Secrets Manager: use its name, up to 512 letters"),
        ({"database": "my-boards"}, "'my-boards' cannot be a database that RDS makes: use up to 63 lower-case letters"),
        ({"database": "template1"}, "'template1' cannot be a database that RDS makes: use up to 63 lower-case letters"),
        ({"user": "Grafana"}, "'Grafana' cannot be a user that RDS makes: use up to 63 lower-case letters, digits and"),
        ({"user": "a" * 64}, f"'{'a' * 64}' cannot be a user that RDS makes: use up to 63 lower-case letters, digits"),
        ({"user": "admin"}, "'admin' cannot be a user that RDS makes: use up to 63 lower-case letters, digits and und"),
        ({"user": "user"}, "'user' cannot be a user that RDS makes: use up to 63 lower-case letters, digits and under"),
        ({"user": "rdsadmin"}, "'rdsadmin' cannot be a user that RDS makes: use up to 63 lower-case letters, digits a"),
        ({"user": "pg_monitor"}, "'pg_monitor' cannot be a user that RDS makes: use up to 63 lower-case letters, digi"),
        ({"port": 1149}, "PostgreSQL of RDS is to listen at 1149: use 1150 to 65535"),
        ({"port": 65_536}, "PostgreSQL of RDS is to listen at 65536: use 1150 to 65535"),
        ({"version": 14}, "PostgreSQL 14 has no programs here that save it: use 15 to 18"),
        ({"version": 19}, "PostgreSQL 19 has no programs here that save it: use 15 to 18"),
    ],
    ids=str,
)
def test_what_rds_refuses_is_refused(settings: dict[str, Any], sentence: str) -> None:
    """It would say so when the stack is deployed."""
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}"):
        server(**settings)


def test_versions_are_those_that_are_saved() -> None:
    """The other half has their programs."""
    assert set(VERSIONS) == set(CLIENTS)
