"""The command line of the agent."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from constructs_lib.agent import collect, collect_dashboards


def main() -> None:
    """Run one command until it is told to stop."""
    parser = argparse.ArgumentParser(prog="agent", description=sys.modules[__name__].__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("collect", help="bring other teams' jobs and rules into Prometheus' files")
    _take_common(command)
    command.add_argument("--promtool", required=True, type=Path, help="of the Prometheus that reads the files")
    _take_common(commands.add_parser("collect-dashboards", help="bring other teams' dashboards into Grafana's files"))
    given = vars(parser.parse_args())
    chosen = given.pop("command")
    # The first process of a container ignores what it does not handle, and its pod would wait until it is killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    try:
        if chosen == "collect":
            collect.collect(collect.Options(**given))
        else:
            collect_dashboards.collect_dashboards(collect_dashboards.Options(**given))
    except SystemExit:
        logging.shutdown()
        # Threads wait for the API server, in code that aborts the process when they wake up in what is left of it.
        os._exit(0)


def _take_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--platform", required=True, type=Path, help="file with the platform's contract")
    command.add_argument("--output", required=True, type=Path, help="directory of the files")
    command.add_argument("--port", required=True, type=int, help="of the metrics")


if __name__ == "__main__":
    main()
