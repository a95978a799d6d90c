"""Errors that programs do not catch, as their languages write them, in the logs of a namespace."""

from datetime import timedelta

from constructs_lib.rules.log_model import LinesProof, LogAlert, LogRuleGroup
from constructs_lib.rules.model import BACKEND, Severity

# A line of what a program writes of one, by who writes it so.
LINES = {
    "panic: ": "panic: runtime error: index out of range [3] with length 3",  # Go
    "fatal error: ": "fatal error: concurrent map writes",  # Go
    "Traceback (most recent call last):": "Traceback (most recent call last):",  # Python
    'Exception in thread "': 'Exception in thread "main" java.lang.NullPointerException',  # Java
    "Node.js v": "Node.js v24.19.0",  # which ends what Node writes of one, as nothing else of it does
    "PHP Fatal error:  ": "PHP Fatal error:  Uncaught Error: Call to undefined function shop() in /app/index.php:3",
}
HANDLED = "http: panic serving 10.0.0.1:4242: runtime error"  # by Go's own server, which answers the next request


def uncaught_errors(
    *, namespace: str, above: int = 10, within: timedelta = timedelta(minutes=15), team: str = BACKEND
) -> LogRuleGroup:
    """The group `uncaught-errors`, of one alert: an application writes many of them.

    A program that also writes down what it has caught, as Python's `logging.exception` does, is counted, too: `above`
    says how much of that is usual.

    Args:
        namespace: Whose pods write.
        above: More of them than this by one application within the time.
        within: That time.
        team: Who looks.
    Raises:
        ConstructError: a number or a time out of bounds.
    """
    alert = LogAlert(
        name="ErrorsUncaught",
        streams={"namespace": namespace},
        texts=tuple(LINES),
        by=("namespace", "app"),
        above=above,
        within=within,
        severity=Severity.WARNING,
        team=team,
        summary="An application writes many errors that it has not caught.",
        description="{{ $labels.app }} in {{ $labels.namespace }} has written {{ $value }} of them lately.",
        proof=LinesProof(counted=tuple(LINES.values()), spared=(HANDLED,)),
    )
    return LogRuleGroup(name="uncaught-errors", alerts=(alert,))
