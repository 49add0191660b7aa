"""Taking labels in: checked, found among the answered units, kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sluiceway.adapters.labels.store import LabelRow, LabelStore
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.serving.keeping import Keeping
from sluiceway.serving.labels import FaultyLabels, LabelsTaken, PostedLabel, checked
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.rows import micros
from sluiceway.system.check_logging import REQUESTS
from sluiceway.system.values import System


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLabels:
    """Labels without a fault.

    Attributes:
        rows: Those of units that were answered, with their event times.
        unknown: The other units, as they were said.
    """

    rows: tuple[LabelRow, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelIntake:
    """Takes posted labels.

    Attributes:
        system: The system file as it is now.
        log: Knows to which units something was answered, and when their events were.
        store: Keeps the labels.
        keeping: How units are kept.
        clock: Tells the time (UTC).
    """

    system: Callable[[], System]
    log: LivePredictionLog
    store: LabelStore
    keeping: Keeping
    clock: Callable[[], datetime] = _now

    def take(self, records: Sequence[Any]) -> LabelsTaken:
        """Take labels in the forms of :func:`~sluiceway.serving.labels.checked`, or none of them.

        Raises:
            Refused: Some are wrong, or nothing was ever answered to any of the units.
            LogUnavailable: They could not be kept.
            DamagedLog: Nobody can tell to which units something was answered.
        """
        labels = self.checked(records)
        if records and not labels.rows:
            some = ", ".join(labels.unknown[:10])
            what = f"nothing was ever answered to any of these units: {some}"
            raise Refused(RefusalCode.UNKNOWN_UNIT, what)
        return self.keep(labels)

    def checked(self, records: Sequence[Any]) -> CheckedLabels:
        """Labels that may be kept; nothing is yet.

        Raises:
            Refused: Some are wrong.
            DamagedLog: Nobody can tell to which units something was answered.
        """
        system = self.system()
        said: dict[str, str] = {}
        labels = []
        for row, one in checked(records, system, now=self.clock()):
            unit = self.keeping.unit(one.unit)
            said[unit] = one.unit
            labels.append((row, replace(one, unit=unit)))
        answered = self.log.answered(said)
        known = [(row, one) for row, one in labels if one.unit in answered]
        return CheckedLabels(
            rows=tuple(_timed(known, answered, system)),
            unknown=tuple(name for unit, name in said.items() if unit not in answered),
        )

    def keep(self, labels: CheckedLabels) -> LabelsTaken:
        """Keep labels that were checked.

        Raises:
            LogUnavailable: They could not be kept.
        """
        return self.store.post(labels.rows, unknown=labels.unknown, now=self.clock())


def _timed(
    labels: Sequence[tuple[int, PostedLabel]], answered: dict[str, int], system: System
) -> list[LabelRow]:
    """Labels with the event times that they belong to.

    Raises:
        Refused: Some were known before their event, or belong to another than was answered.
    """
    asked = any(source.live_loader == REQUESTS for source in system.sources.values())
    faults = FaultyLabels()
    rows = []
    for row, one in labels:
        said = answered[one.unit]
        time = said if one.event_time is None else micros(one.event_time)
        if asked and time != said:
            # What was asked says which units there are, and when.
            faults.tell(row, "event_time", "range", "is not that of the unit's first answer")
        known_at = micros(one.known_at)
        if known_at < time:
            faults.tell(row, "known_at", "range", "is earlier than the event that was answered")
        declared = system.sources[one.source].labels
        assert declared is not None  # only such sources have labels to be judged by
        rows.append(
            LabelRow(
                unit=one.unit,
                source=one.source,
                column=one.column,
                value=one.value,
                known_at=known_at,
                event_time=time,
                mature_at=time + int(declared.maturity.total_seconds() * 1_000_000),
            )
        )
    faults.refuse()
    return rows
