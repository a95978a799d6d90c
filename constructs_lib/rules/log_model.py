"""Alerts on logs: which lines are counted, who is told, and the lines that prove it.

The ruler of Loki evaluates them: https://grafana.com/docs/loki/latest/alert/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from constructs_lib.config.matchers import check_labels
from constructs_lib.errors import ConstructError
from constructs_lib.promql import LABEL_NAME, quoted
from constructs_lib.rules.model import Severity, announcement, check_announcement, check_group
from constructs_lib.units import go_duration, prometheus_duration

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesProof:
    """Lines that an alert counts, and others, alike, that it does not.

    A sharp proof has a line for each text that is searched for, which holds no other one, and one for each text that
    spares a line, which would be counted without it: then nothing of an alert is for nothing. `make prove` lets a real
    Loki count: one line too few, in another stream, or spread over more than the time, and nothing fires.

    Args:
        counted: As programs write them.
        spared: Likewise.
    """

    counted: tuple[str, ...]
    spared: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAlert:
    """Too many lines of a kind within a time. A line that a collector had to send twice may be counted twice.

    Args:
        name: In capitalised words, which also name its runbook; letters and digits.
        streams: Which logs are searched, by their labels: `{"namespace": "shop"}`.
        texts: A line that holds one of these is counted, as they stand, capitals as well.
        but: Unless it holds one of these.
        by: Labels by which lines are counted apart, and which the alert has.
        above: More lines than this must have come.
        within: In this time, which ends now: whole seconds, a minute to a day.
        hold: How long that must last before it fires, 0 or more; it begins anew when its member of Loki is replaced.
        severity: How soon somebody must look.
        team: Who looks: a label value, such as 'backend'.
        summary: One sentence without values.
        description: One sentence with the values, as `{{ $labels.app }}` and `{{ $value }}`.
        proof: The lines that are counted, and those that are not.
    Raises:
        ConstructError: no stream or text, a text that Loki or Alertmanager cannot fill in, a label that is not counted
            by, a time out of bounds, or a proof that is not sharp.
    Source: https://grafana.com/docs/loki/latest/query/metric_queries/
    """

    name: str
    streams: Mapping[str, str]
    texts: tuple[str, ...]
    but: tuple[str, ...] = ()
    by: tuple[str, ...]
    above: int = 0
    within: timedelta
    hold: timedelta = timedelta(0)
    severity: Severity
    team: str
    summary: str
    description: str
    proof: LinesProof

    def __post_init__(self) -> None:
        texts = (self.summary, self.description)
        check_announcement(name=self.name, severity=self.severity, team=self.team, texts=texts)
        if not self.streams:
            raise ConstructError(f"the alert {self.name} searches no stream: name one by a label, such as namespace")
        check_labels(self.streams, of=f"the alert {self.name}")
        for label in self.by:
            if not LABEL_NAME.fullmatch(label):
                raise ConstructError(f"the alert {self.name} counts by {label!r}, which is no label's name")
        if unknown := set(re.findall(r"\$labels\.(\w+)", " ".join(texts))) - set(self.by):
            raise ConstructError(
                f"the alert {self.name} says {', '.join(sorted(unknown))}, but counts by "
                f"{', '.join(self.by) or 'no label'}, so nothing would stand there: add it to by"
            )
        self._check_numbers()
        self._check_texts()

    def _check_numbers(self) -> None:
        if self.above < 0:
            raise ConstructError(f"the alert {self.name} fires above {self.above} lines, so always: use 0 or more")
        if not SHORTEST <= self.within <= LONGEST or self.within % timedelta(seconds=1):
            raise ConstructError(
                f"the alert {self.name} counts lines within {self.within}: use whole seconds, {SHORTEST} to {LONGEST}, "
                "since each evaluation reads all of them again"
            )
        if self.hold < timedelta(0):
            raise ConstructError(f"the alert {self.name} holds for {self.hold}: use 0 or more")

    def _check_texts(self) -> None:
        if not self.texts:
            raise ConstructError(f"the alert {self.name} searches for no text, so every line would count: give one")
        for text in (*self.texts, *self.but):
            if not text.strip() or not text.isprintable():
                raise ConstructError(f"the alert {self.name} searches for {text!r}: use printable text of one line")
        for line in self.proof.counted:
            if not self.counts(line):
                raise ConstructError(f"the proof of the alert {self.name} has the line {line!r}, which is not counted")
        for line in self.proof.spared:
            if self.counts(line):
                raise ConstructError(f"the proof of the alert {self.name} spares the line {line!r}, which is counted")
        alone = {text for line in self.proof.counted if len(held := self._held(line)) == 1 for text in held}
        if unproven := set(self.texts) - alone:
            raise ConstructError(
                f"the proof of the alert {self.name} has no line that is counted for {min(unproven)!r} alone: add one"
            )
        sparing = {
            found[0]
            for line in self.proof.spared
            if self._held(line) and len(found := [text for text in self.but if text in line]) == 1
        }
        if unproven := set(self.but) - sparing:
            raise ConstructError(
                f"the proof of the alert {self.name} has no line that is spared for {min(unproven)!r} alone: add one"
            )

    def _held(self, line: str) -> list[str]:
        return [text for text in self.texts if text in line]

    def counts(self, line: str) -> bool:
        """Whether a line of its streams is counted."""
        return bool(self._held(line)) and not any(text in line for text in self.but)

    @property
    def expr(self) -> str:
        """What it is in LogQL."""
        selector = ",".join(f"{label}={quoted(value)}" for label, value in sorted(self.streams.items()))
        filters = " or ".join(map(quoted, self.texts)) + "".join(f" != {quoted(text)}" for text in self.but)
        count = f"count_over_time({{{selector}}} |= {filters} [{go_duration(self.within)}])"
        return f"sum by ({', '.join(self.by)}) ({count}) > {self.above}"

    def to_dict(self, runbooks: str) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": prometheus_duration(self.hold)} if self.hold else {}),
            **announcement(self, runbooks),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRuleGroup:
    """Alerts on logs that are evaluated together, by one member of Loki.

    Args:
        name: Also names the file and the ConfigMap's key: lower-case words joined by dashes.
        alerts: At least one.
    Raises:
        ConstructError: no alert, two of the same name, or a name that is none.
    """

    name: str
    alerts: tuple[LogAlert, ...]

    def __post_init__(self) -> None:
        check_group(self.name, alerts=self.alerts)

    def to_dict(self, runbooks: str) -> dict[str, Any]:
        """A whole rule file.

        Args:
            runbooks: The URL below which every alert has a page: its name with the suffix `.md`.
        """
        return {"groups": [{"name": self.name, "rules": [alert.to_dict(runbooks) for alert in self.alerts]}]}
