"""What AWS Lambda calls: each replica is looked at, and what is found of it said to CloudWatch.

What is wrong with a restore point is a metric and a line of the log, and so is what there was no time to read again.
What fails by itself, such as an AWS that does not answer, is an error, when all replicas were looked at: Lambda tries
again, and what fails each time waits in a queue, and is heard.
"""

import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from botocore.config import Config
from botocore.session import get_session

from constructs_lib.cloudwatch import AGE, BACKUPS, PUT_OFF, SIZE, WHOLE, dimensions
from constructs_lib.watch.contract import TIME, VARIABLE, Watched
from constructs_lib.watch.verify import TRIES, WORKERS, Finding, look

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Of the time that Lambda gives, what is kept for what is asked before and after an object is read again, in seconds.
RESERVE = 120
SAID = 20  # lines of the log, of one replica
log = logging.getLogger(__name__)


class WatchError(RuntimeError):
    """The watch could not do all that it is there for."""


class Context(Protocol):
    """What Lambda says of the call."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: Mapping[str, Any], context: Context) -> None:
    """Look at all replicas that the environment names.

    Args:
        event: With `time`, the moment for which it is started; now where it says none, as by hand.
        context: Of the call.
    Raises:
        WatchError: what could not be looked at, or said; all else was.
    """
    watched = Watched.from_json(os.environ[VARIABLE])
    s3 = cast("S3Client", connect("s3", watched.region))
    cloudwatch = connect("cloudwatch", os.environ["AWS_REGION"])
    turn = _moment(event)
    end = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    failed: list[str] = []
    for number, source in enumerate(watched.sources):
        until = share(now=time.monotonic(), end=end, left=len(watched.sources) - number)
        try:
            finding = look(s3, watched, source, now=datetime.now(UTC), turn=turn, until=until)
            _log(source, finding)
            cloudwatch.put_metric_data(Namespace=BACKUPS, MetricData=_metrics(source, finding))
        except Exception as error:  # whatever it is: the other replicas are looked at
            log.exception("%s could not be looked at", source)
            failed.append(f"{source}: {' '.join(str(error).split())}")
    if failed:
        raise WatchError("; ".join(failed))


def share(*, now: float, end: float, left: int) -> float:
    """Until when the next of some replicas may be read again, all in seconds: each has as much of what is left."""
    return now + (end - now) / left


def _log(source: str, finding: Finding) -> None:
    for wrong in finding.wrong[:SAID]:
        log.error("%s: %s", source, wrong)
    if len(finding.wrong) > SAID:
        log.error("%s: and %d more", source, len(finding.wrong) - SAID)
    if finding.put_off:
        log.warning("%s: put off %d, among them %s", source, len(finding.put_off), finding.put_off[0])
    whole = "not whole" if finding.wrong else "whole"
    log.info("%s: %s is %s, %d bytes were read again", source, finding.id, whole, finding.read)


def _metrics(source: str, finding: Finding) -> list[dict[str, Any]]:
    values: list[tuple[str, float, str]] = [
        (WHOLE, 0 if finding.wrong else 1, "None"),
        (PUT_OFF, len(finding.put_off), "Count"),
    ]
    if finding.age is not None and finding.size is not None:
        values += [(AGE, finding.age.total_seconds(), "Seconds"), (SIZE, finding.size, "Bytes")]
    named = [{"Name": name, "Value": value} for name, value in dimensions(source).items()]
    return [{"MetricName": name, "Dimensions": named, "Value": value, "Unit": unit} for name, value, unit in values]


def _moment(event: Mapping[str, Any]) -> datetime:
    said = event.get(TIME)
    return datetime.fromisoformat(said) if said else datetime.now(UTC)


def connect(service: str, region: str) -> Any:
    """A client of AWS, with limits that leave time for other replicas when it does not answer."""
    elsewhere = {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} & set(os.environ)
    config = Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=WORKERS,
        # What arrives is compared with its sum here.
        response_checksum_validation="when_required",
        s3={"us_east_1_regional_endpoint": "regional", "addressing_style": "path" if elsewhere else "auto"},
    )
    return get_session().create_client(service, region_name=region, config=config)
