"""The process that runs the services outside: `python -m tests.cluster.outside.receivers CONFIGURATION`."""

import json
import sys
import threading
from pathlib import Path

from tests.cluster.outside.mail import MailHandler
from tests.cluster.outside.record import Record
from tests.cluster.outside.servers import Server, WebServer, context
from tests.cluster.outside.services import KINDS, MAIL_PORT, WEB_PORT, Mailbox
from tests.cluster.outside.web import WebHandler


def main(configuration: Path) -> None:
    """Serve until the machine ends."""
    given = json.loads(configuration.read_text())
    tls = context(given["certificate"], given["key"])
    record = Record(configuration.parent)
    services = [KINDS[each.pop("kind")](**each) for each in given["services"]]
    web, mail = WebServer(("", WEB_PORT), WebHandler, tls, record), Server(("", MAIL_PORT), MailHandler, tls, record)
    for server in (web, mail):
        server.services = [service for service in services if isinstance(service, Mailbox) == (server is mail)]
        server.hosts = given["hosts"]
    threading.Thread(target=mail.serve_forever, daemon=True).start()
    web.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
