"""The mail servers outside: SMTP with STARTTLS and AUTH, as a provider takes mail from its users.

Source: RFC 5321, RFC 3207, RFC 4954.
"""

import email
import email.policy
from base64 import b64decode, b64encode
from collections.abc import Callable
from socketserver import StreamRequestHandler
from typing import TYPE_CHECKING, cast

from tests.cluster.outside.record import Received
from tests.cluster.outside.services import Mailbox

if TYPE_CHECKING:
    from tests.cluster.outside.servers import Server

LONGEST_LINE = 4096


class MailHandler(StreamRequestHandler):
    """One connection."""

    def setup(self) -> None:
        super().setup()
        server = cast("Server", self.server)
        self._record = server.record
        self._host = server.hosts.get(self.connection.getsockname()[0], "")
        self._mailboxes = [box for box in server.services if isinstance(box, Mailbox) and box.host == self._host]
        self._secure = self._known = False
        self._sender, self._recipients = "", list[str]()

    def handle(self) -> None:
        fault = self._record.fault(self._host)
        if not self._mailboxes or fault is not None:
            status = 421 if self._mailboxes else 554
            self._note(status, None)
            self._say(f"{status} {self._host} takes no mail just now")
            return
        self._say(f"220 {self._host} ESMTP")
        commands: dict[str, Callable[[str], None]] = {
            "EHLO": self._hello,
            "HELO": lambda _: self._say(f"250 {self._host}"),
            "STARTTLS": self._start_tls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._recipient,
            "DATA": self._data,
            "RSET": self._reset,
            "NOOP": lambda _: self._say("250 2.0.0 OK"),
        }
        while line := self._line():
            verb, _, argument = line.partition(" ")
            if verb.upper() == "QUIT":
                self._say("221 2.0.0 Bye")
                return
            commands.get(verb.upper(), self._unknown)(argument)

    def _line(self) -> str:
        return self.rfile.readline(LONGEST_LINE).decode().rstrip("\r\n")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _hello(self, _: str) -> None:
        self._say(f"250-{self._host}", "250 AUTH PLAIN LOGIN" if self._secure else "250 STARTTLS")

    def _start_tls(self, _: str) -> None:
        self._say("220 2.0.0 Ready to start TLS")
        self.connection = cast("Server", self.server).tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self._secure = True

    def _auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        if not self._secure:
            self._say("530 5.7.0 Must issue a STARTTLS command first")
            return
        if mechanism.upper() == "PLAIN":
            user, password = (_decoded(initial) if initial else self._asked("")).split("\0")[-2:]
        elif mechanism.upper() == "LOGIN":
            user = _decoded(initial) if initial else self._asked("Username:")
            password = self._asked("Password:")
        else:
            self._say("504 5.5.4 Unrecognized authentication type")
            return
        self._known = any((box.user, box.password) == (user, password) for box in self._mailboxes)
        if not self._known:
            self._note(535, {"user": user})
        self._say("235 2.7.0 Accepted" if self._known else "535 5.7.8 Authentication credentials invalid")

    def _asked(self, challenge: str) -> str:
        self._say(f"334 {b64encode(challenge.encode()).decode()}")
        return _decoded(self._line())

    def _mail(self, argument: str) -> None:
        if not self._known:
            what = "Authentication required" if self._secure else "Must issue a STARTTLS command first"
            self._say(f"530 5.7.0 {what}")
            return
        self._sender, self._recipients = _address(argument), []
        self._say("250 2.1.0 OK")

    def _recipient(self, argument: str) -> None:
        if not self._sender:
            self._say("503 5.5.1 MAIL first")
            return
        self._recipients.append(_address(argument))
        self._say("250 2.1.5 OK")

    def _data(self, _: str) -> None:
        if not self._recipients:
            self._say("503 5.5.1 RCPT first")
            return
        self._say("354 End data with <CR><LF>.<CR><LF>")
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        part = message.get_body(("html", "plain"))
        body = {
            "from": self._sender,
            "to": self._recipients,
            "subject": message["Subject"],
            "text": part.get_content().replace("\r\n", "\n") if part else "",
        }
        self._note(250, body, {name: str(value) for name, value in message.items()})
        self._reset("")

    def _unknown(self, _: str) -> None:
        self._say("502 5.5.1 Unknown command")

    def _reset(self, _: str) -> None:
        self._sender, self._recipients = "", []
        self._say("250 2.0.0 OK")

    def _note(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self._record.add(Received(host=self._host, path="", body=body, status=status, headers=headers or {}))


def _decoded(text: str) -> str:
    return b64decode(text).decode()


def _address(argument: str) -> str:
    """Of `FROM:<a@b> SIZE=1`."""
    return argument.partition("<")[2].partition(">")[0]
