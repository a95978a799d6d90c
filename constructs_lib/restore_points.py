"""What both halves must agree on of restore points: where, whose and how young they are, and how long they live.

Plain data, standard library only, as in `constructs_lib.contract`.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.contract import Bucket
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import BLOCKS, DATABASE, POINTS
from constructs_lib.thresholds import check_durations
from constructs_lib.units import prometheus_duration

# S3 removes what has expired days later, and a point may be made as much later as a server was away.
SLACK = timedelta(days=7)
# https://github.com/prometheus/prometheus/blob/v3.13.3/cmd/prometheus/main.go
LONGEST_BLOCK = timedelta(days=31)
# A restore is tried every day, of another server each time.
DRILL_EVERY = timedelta(days=1)
# How much longer a server waits for a start that a queue sends it before it begins by itself: EventBridge tries for up
# to an hour to send one, and one day of the year may have 25.
START_WITHIN = timedelta(minutes=75)
STARTS_EVERY = timedelta(days=1)
# What is left for a run then, at least.
RUN_WITHIN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupLimits:
    """How often restore points are made, and from when on somebody must hear of them, in the cluster and outside of it.

    Args:
        every: Between two restore points of a server; any time, one more can be asked for.
        late: How much later one may be: it takes its time, and what fails is tried again.
        queued: Whether queues start them, every day, as those of `BackupSchedule`. A server whose start does not come
            begins by itself, 75 minutes later: it must have time left.
        failing: How long attempts may fail one after the other.
        unsaved: How long ago a database may have been saved, which happens every day.
        drill_within: How long a drill may take, which begins every day. Less than a day, since servers take turns, and
            one whose restore always fails would be hidden by another one.
    Raises:
        ConstructError: a duration that is too short, fewer restore points than queues start, or a drill in whose time
            another server's turn comes.
    """

    every: timedelta = timedelta(days=1)
    late: timedelta = timedelta(hours=2)
    failing: timedelta = timedelta(hours=1)
    unsaved: timedelta = timedelta(hours=26)
    drill_within: timedelta = timedelta(hours=4)
    queued: bool = False

    def __post_init__(self) -> None:
        check_durations(
            every=self.every,
            late=self.late,
            failing=self.failing,
            unsaved=self.unsaved,
            drill_within=self.drill_within,
        )
        if self.queued and self.every > STARTS_EVERY:
            raise ConstructError(
                f"a restore point is made every {prometheus_duration(self.every)}, but queues start one every "
                f"{prometheus_duration(STARTS_EVERY)}: make them as often, or let no queue start them"
            )
        if self.queued and self.late < START_WITHIN + RUN_WITHIN:
            raise ConstructError(
                f"late is {prometheus_duration(self.late)}, but a server whose start does not come begins "
                f"{prometheus_duration(START_WITHIN)} later by itself: use "
                f"{prometheus_duration(START_WITHIN + RUN_WITHIN)} or more, so that there is time for the run"
            )
        if self.drill_within >= DRILL_EVERY:
            raise ConstructError(
                f"drill_within is {prometheus_duration(self.drill_within)}, but servers take turns, and one that "
                f"cannot be restored would be hidden by the next one: use less than {prometheus_duration(DRILL_EVERY)}"
            )

    @property
    def oldest(self) -> timedelta:
        """How old the newest restore point of a server may be."""
        return self.every + self.late

    @property
    def undrilled(self) -> timedelta:
        """How long ago a restore may have been tried with success."""
        return DRILL_EVERY + self.drill_within


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePoints:
    """A bucket of restore points, how long what is in it lives, and how often there is another one.

    What a restore point consists of is below `blocks/`, sent once, and shared by all points that need it; the points
    themselves are below `points/`. An object may be as old as the local retention and the longest block when a point
    needs it for the last time, and that point is kept: all that must end before the object expires.

    Args:
        bucket: Where they are.
        keep: How long a restore point is kept: whole days.
        expiry: After which any object of the bucket expires: whole days.
        limits: How often they are made, by what, and when that is too late: whoever makes, tries and watches them, and
            the rules and alarms on them, take it from here.
    Raises:
        ConstructError: no whole days, or points that are kept until their objects have expired.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html
    """

    bucket: Bucket
    keep: timedelta = timedelta(days=30)
    expiry: timedelta = timedelta(days=90)
    limits: BackupLimits = BackupLimits()

    def __post_init__(self) -> None:
        for name, value in (("keep", self.keep), ("expiry", self.expiry)):
            if value < timedelta(days=1) or value % timedelta(days=1):
                raise ConstructError(
                    f"{name} of the restore points in {self.bucket.name} is {value}: use whole days, at least one"
                )
        if self.oldest <= timedelta(0):
            raise ConstructError(
                f"restore points in {self.bucket.name} are kept for {self.keep.days} days, but its objects expire "
                f"after {self.expiry.days}: keep points for less than {(self.expiry - SLACK).days}, or let objects "
                "expire later"
            )

    @property
    def oldest(self) -> timedelta:
        """How old an object may be that a new restore point needs: it must outlive that point."""
        return self.expiry - self.keep - SLACK

    def refuse_interval(self, every: timedelta) -> None:
        """Refuse a time between two restore points after which the one before has expired.

        Args:
            every: Between two restore points.
        Raises:
            ConstructError: it is as long as they are kept, or longer.
        """
        if every >= self.keep:
            raise ConstructError(
                f"a restore point is made every {prometheus_duration(every)}, but kept for {self.keep.days} days only, "
                "so that there would be none in between: make them more often, or keep them for longer"
            )

    def refuse_retention(self, retention: timedelta) -> None:
        """Refuse a local retention with which objects would expire before a restore point that needs them.

        Args:
            retention: How long samples stay on local disk.
        Raises:
            ConstructError: a sum that is too long, with its parts.
        """
        block = min(LONGEST_BLOCK, retention / 10)
        if retention + block > self.oldest:
            day = timedelta(days=1)
            raise ConstructError(
                f"a retention of {retention / day:g} days, a block of {block / day:g}, restore points that are kept "
                f"for {self.keep / day:g} and {SLACK / day:g} to spare are more than the {self.expiry / day:g} after "
                f"which objects in {self.bucket.name} expire, so that a point would lose some: lower the retention or "
                "keep, or let objects expire later"
            )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Origin:
    """Whose restore points they are: the replicas of one component, each with its own, or its one database.

    Args:
        cluster: By name.
        namespace: Of the component.
        component: By name.
        database: Whether it is a database, each of whose points is whole by itself.
    """

    cluster: str
    namespace: str
    component: str
    database: bool = False

    @property
    def path(self) -> str:
        """Below `blocks/` and `points/`; a replica is below it by the name of its pod."""
        return f"{self.cluster}/{self.namespace}/{self.component}"

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Of all its keys."""
        return tuple(f"{top}{self.path}/" for top in ((POINTS,) if self.database else (BLOCKS, POINTS)))

    @property
    def queues(self) -> str:
        """What the names of its replicas' queues begin with: the name of the pod is the rest.

        Neither a namespace nor a pod has an underscore in its name, so no two replicas share a queue.
        """
        return f"{self.cluster}_{self.namespace}_"

    def replicas(self, count: int = 1) -> tuple[str, ...]:
        """What its restore points are called by below its path: the names of its pods, or of its one database.

        Args:
            count: How many pods it has, 1 or more.
        Raises:
            ConstructError: no pod, or several databases.
        """
        if count < 1 or (self.database and count > 1):
            raise ConstructError(
                f"{self.path} has {count} {'databases' if self.database else 'replicas'}: use "
                f"{'1' if self.database else '1 or more'}"
            )
        return (DATABASE,) if self.database else tuple(f"{self.component}-{ordinal}" for ordinal in range(count))

    def source(self, replica: str) -> str:
        """Whose restore points those of a replica are, as the agent and the watch spell it.

        Args:
            replica: The name of its pod, or of the database.
        Raises:
            ConstructError: a name that no replica of the component has.
        """
        name, such = rf"{re.escape(self.component)}-[0-9]+", f"the name of a pod, such as '{self.component}-0'"
        if self.database:
            name, such = DATABASE, f"{DATABASE!r}, as it is a database"
        if not re.fullmatch(name, replica):
            raise ConstructError(f"{replica!r} is no replica of {self.path}: use {such}")
        return f"{self.path}/{replica}"

    def queue(self, replica: str) -> str:
        """The queue by which the backup of a replica is started.

        Args:
            replica: The name of its pod.
        Raises:
            ConstructError: a name that no pod of the component has, or a queue's that SQS refuses.
        Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
        """
        self.source(replica)
        name = f"{self.queues}{replica}"
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,80}", name):
            raise ConstructError(
                f"{name!r} of {len(name)} characters cannot be a queue of SQS, which takes up to 80 letters, digits, "
                "dashes and underscores: rename the cluster, the namespace or the component"
            )
        return name
