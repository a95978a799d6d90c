"""Servers of AWS RDS, as both halves know them: where they are and what they have. Standard library only."""

import re
from dataclasses import dataclass

from constructs_lib.errors import ConstructError

# The property of the secret that has the password.
PASSWORD = "password"  # noqa: S105  # its name
# Major versions of PostgreSQL whose own programs save and restore a database.
VERSIONS = range(15, 19)
LEAST_PORT, MOST_PORT = 1150, 65535
# What RDS keeps for itself, or PostgreSQL does.
TAKEN = re.compile(r"admin|(pg_|rds|template).*")
# Reserved by PostgreSQL in all places: https://www.postgresql.org/docs/18/sql-keywords-appendix.html
RESERVED = (
    "all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create "
    "current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc "
    "distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral "
    "leading limit localtime localtimestamp not null offset on only or order placing primary public references "
    "returning select session_user some symmetric system_user table then to trailing true union unique user using "
    "variadic when where window with"
)
LONGEST_NAME = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateNetwork:
    """Where a server is, and who is let in.

    Args:
        vpc: By id.
        subnets: By id, of two zones or more.
        clients: The security group of whoever connects, by id: for pods of EKS that of their nodes.
    Raises:
        ConstructError: an id that is none, a single subnet, or one that is named twice.
    Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html
    """

    vpc: str
    subnets: tuple[str, ...]
    clients: str

    def __post_init__(self) -> None:
        for kind, ids in (("vpc", (self.vpc,)), ("subnet", self.subnets), ("sg", (self.clients,))):
            for each in ids:
                if not re.fullmatch(rf"{kind}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", each):
                    raise ConstructError(f"{each!r} is no id: use one such as '{kind}-0123456789abcdef0'")
        if len(set(self.subnets)) < len(self.subnets):
            raise ConstructError(f"the subnets {', '.join(self.subnets)} are not all different: name each once")
        if len(self.subnets) < 2:
            raise ConstructError(
                f"the subnets of a database are {', '.join(self.subnets) or 'none'}: RDS wants those of two zones or "
                "more, so that it is in another one when a zone is lost"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPostgres:
    """A server of PostgreSQL that has one database, and one user, who owns that.

    Args:
        name: Of the server: no other one of the account and region has it.
        secret: Of Secrets Manager, by name, likewise: the password is its property `password`.
        network: Where it is.
        database: By name.
        user: Who logs in there.
        port: Where it listens.
        version: The major version.
    Raises:
        ConstructError: a name, a port or a version that RDS refuses.
    Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
    """

    name: str
    secret: str
    network: PrivateNetwork
    database: str = "grafana"
    user: str = "grafana"
    port: int = 5432
    version: int = 17

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z](-?[a-z0-9])*", self.name) or len(self.name) > LONGEST_NAME:
            raise ConstructError(
                f"{self.name!r} cannot be a server of RDS: use up to 63 lower-case letters, digits and single dashes, "
                "a letter first"
            )
        # An ARN would be that of a single account.
        if not re.fullmatch(r"[\w/+=.@-]{1,512}", self.secret, re.ASCII):
            raise ConstructError(
                f"{self.secret!r} cannot be a secret of Secrets Manager: use its name, up to 512 letters, digits and "
                "/_+=.@-"
            )
        for of, name in (("database", self.database), ("user", self.user)):
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name) or TAKEN.fullmatch(name) or name in RESERVED.split():
                raise ConstructError(
                    f"{name!r} cannot be a {of} that RDS makes: use up to 63 lower-case letters, digits and "
                    "underscores, a letter first, and none of admin, pg_..., rds..., template... and the words of SQL"
                )
        if not LEAST_PORT <= self.port <= MOST_PORT:
            raise ConstructError(f"PostgreSQL of RDS is to listen at {self.port}: use {LEAST_PORT} to {MOST_PORT}")
        if self.version not in VERSIONS:
            raise ConstructError(
                f"PostgreSQL {self.version} has no programs here that save it: use {VERSIONS[0]} to {VERSIONS[-1]}"
            )
