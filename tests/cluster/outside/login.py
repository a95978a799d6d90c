"""Who logs people in, as somebody else runs it: a machine of its own, with TLS that everybody trusts."""

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from tests.cluster.authority import PUBLIC, Authority
from tests.cluster.machine import Machine
from tests.cluster.outside.client import ask
from tests.cluster.outside.files import write
from tests.cluster.programs import python
from tests.cluster.spec import LoginSpec
from tests.cluster.waiting import wait

SOON = timedelta(seconds=30)


class Login:
    """A machine that runs a provider of OpenID Connect.

    Attributes:
        host: Its name.
        address: Of its host; cluster DNS answers with it.
        issuer: The URL by which it is known.
        authority: Path of the certificate of who signed its own.
    """

    def __init__(self, spec: LoginSpec, address: IPv4Address, authority: Authority, directory: Path) -> None:
        self.machine = Machine("login", directory)
        self.host, self.address, self.issuer = spec.host, address, f"https://{spec.host}"
        self.authority = authority.path(f"{PUBLIC}-ca.crt")
        self._spec, self._authority, self._directory = spec, authority, directory

    def start(self) -> None:
        """Start it, on a machine that has its network."""
        configuration = write(
            self._directory / "login.json",
            {
                "certificate": self._authority.path(f"{PUBLIC}.crt"),
                "key": self._authority.path(f"{PUBLIC}.key"),
                "address": str(self.address),
                "issuer": self.issuer,
                "client": self._spec.client,
                "secret": self._spec.secret,
            },
        )
        self.machine.start("provider", python("tests.cluster.outside.provider", configuration))

    def wait_ready(self) -> None:
        """Wait until it answers."""
        wait("who logs people in answers", self._ready, SOON)

    def _ready(self) -> bool:
        self.machine.check()
        address, known = str(self.address), "/.well-known/openid-configuration"
        status, _ = self.machine.call(
            lambda: ask(self.host, address, "GET", known, headers={}, authority=self.authority)
        )
        return status == 200
