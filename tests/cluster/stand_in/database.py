"""Grafana's database: SQLite in its directory, or PostgreSQL, by the very settings that Grafana has for it.

A table tells which instances share it, each with a fingerprint of its secret_key, without which nobody could read what
another one stored; another table has the administrator, whom only the first start makes.
"""

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.settings import Settings

PSQL = "/usr/lib/postgresql/15/bin/psql"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"  # where Go looks, where no authority is named
PATIENCE = "5"  # seconds
SCHEMA = """
CREATE TABLE IF NOT EXISTS stand_in_instances (name TEXT PRIMARY KEY, secret TEXT NOT NULL, seen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stand_in_admin (one INTEGER PRIMARY KEY, name TEXT NOT NULL, password TEXT NOT NULL);
INSERT INTO stand_in_admin VALUES (1, {admin}, {password}) ON CONFLICT DO NOTHING;
"""
SEEN = """
INSERT INTO stand_in_instances VALUES ({name}, {secret}, {now})
  ON CONFLICT (name) DO UPDATE SET secret = excluded.secret, seen = excluded.seen;
"""
INSTANCES = "SELECT name, secret, seen FROM stand_in_instances ORDER BY name;"
ADMIN = "SELECT name, password FROM stand_in_admin;"
# Replicas that start at once make the same tables, so Grafana locks, too.
LOCK, UNLOCK = "SELECT pg_advisory_lock(13);", "SELECT pg_advisory_unlock(13);"


class DatabaseError(Exception):
    """It does not do what it was asked for."""


@dataclass(frozen=True, slots=True)
class Database:
    """The database of an instance.

    Args:
        name: Of the instance.
    """

    place: Place
    settings: Settings
    name: str

    def prepare(self) -> None:
        """Make the tables, if nobody has."""
        admin, password = self.settings["security.admin_user"], fingerprint(self.settings["security.admin_password"])
        self._ask(SCHEMA.format(admin=_text(admin), password=_text(password)), locked=True)

    def instances(self, now: int) -> dict[str, dict[str, str]]:
        """Tell that this instance lives, and return all that ever told: its name -> secret and seen."""
        secret = fingerprint(self.settings["security.secret_key"])
        rows = self._ask(SEEN.format(name=_text(self.name), secret=_text(secret), now=now) + INSTANCES)
        return {name: {"secret": its, "seen": seen} for name, its, seen in rows}

    def admits(self, user: str, password: str) -> bool:
        """Whether the administrator logs in so."""
        return self._ask(ADMIN) == [[user, fingerprint(password)]]

    def _ask(self, sql: str, *, locked: bool = False) -> list[list[str]]:
        kind = self.settings["database.type"]
        if kind == "sqlite3":
            return self._ask_sqlite(sql)
        if kind == "postgres":
            return self._ask_postgres(f"{LOCK}\n{sql}\n{UNLOCK}" if locked else sql)
        raise DatabaseError(f"nothing is known here of a database of the type {kind}")

    def _ask_sqlite(self, sql: str) -> list[list[str]]:
        path = self.place.at(str(Path(self.settings["paths.data"], self.settings["database.path"])))
        *changes, last = [part.strip() for part in sql.split(";\n") if part.strip()]
        try:
            with closing(sqlite3.connect(path, timeout=float(PATIENCE))) as opened, opened:
                for change in changes:
                    opened.execute(change)
                rows = opened.execute(last).fetchall()
        except sqlite3.Error as error:
            raise DatabaseError(f"SQLite's {path.name}: {error}") from None
        return [[str(value) for value in row] for row in rows]

    def _ask_postgres(self, sql: str) -> list[list[str]]:
        command = [PSQL, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t"]
        ran = subprocess.run(
            [*command, "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"],
            input=sql,
            env={**os.environ, **connection(self.settings)},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise DatabaseError(f"PostgreSQL at {self.settings['database.host']}: {' '.join(ran.stderr.split())}")
        return [line.split("\t") for line in ran.stdout.splitlines() if line]


def connection(settings: Settings) -> Mapping[str, str]:
    """The settings of the database, as variables of PostgreSQL's own client.

    Source: https://www.postgresql.org/docs/15/libpq-envars.html
    """
    host, _, port = settings["database.host"].rpartition(":")
    given = {
        "PGHOST": host or port,
        "PGPORT": port if host else "5432",
        "PGDATABASE": settings["database.name"],
        "PGUSER": settings["database.user"],
        "PGPASSWORD": settings["database.password"],
        "PGSSLMODE": settings["database.ssl_mode"],
        "PGSSLCERT": settings["database.client_cert_path"],
        "PGSSLKEY": settings["database.client_key_path"],
        "PGSSLROOTCERT": settings["database.ca_cert_path"],
        "PGCONNECT_TIMEOUT": PATIENCE,
    }
    if settings["database.ssl_mode"].startswith("verify") and not settings["database.ca_cert_path"]:
        given["PGSSLROOTCERT"] = TRUSTED
    return {name: value for name, value in given.items() if value}


def fingerprint(secret: str) -> str:
    """By which two secrets are known to be the same, and no more."""
    return hashlib.pbkdf2_hmac("sha256", secret.encode(), b"stand-in", 10_000).hex()[:16]


def _text(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))
