"""Labels as they are posted: checked all together, before any is kept."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sluiceway.serving.refusals import InputFault, RefusalCode, Refused
from sluiceway.system.inputs import Source
from sluiceway.system.values import System

MOST: Final = 10_000
"""Labels of one request."""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""How far another's clock may be ahead."""

_ROWS_SHOWN: Final = 10
_SHOWN: Final = 100
_ONE: Final = frozenset({"unit", "label", "value", "known_at", "event_time"})
_SEVERAL: Final = frozenset({"unit", "source", "values", "known_at", "event_time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedLabel:
    """What became true of a unit.

    Attributes:
        source: The source of labels that it belongs to.
        column: Its column there.
        known_at: When it was known (UTC).
        event_time: When the unit's event was (UTC); None for what the log of answers says.
    """

    unit: str
    source: str
    column: str
    value: float
    known_at: datetime
    event_time: datetime | None = None

    @property
    def label(self) -> str:
        """The full name: ``landings.arr_delay``."""
        return f"{self.source}.{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A label that contradicts the one that is kept.

    Attributes:
        kept: The value that came first, and stays.
        posted: The value that came now.
    """

    unit: str
    label: str
    kept: float
    posted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsTaken:
    """What came of posted labels.

    Attributes:
        accepted: Kept, for nothing was known before.
        duplicate: Known already, and the same.
        conflicts: Known already, and another; the first stays, what came now is kept aside.
        late: Those among the accepted that came after their maturity: blocks that were judged
            before do not count them.
        unknown: Units to which nothing was ever answered; their labels are not kept.
    """

    accepted: int
    duplicate: int
    conflicts: tuple[Conflict, ...]
    late: int
    unknown: tuple[str, ...]

    def __add__(self, other: "LabelsTaken") -> "LabelsTaken":
        """What came of both."""
        return LabelsTaken(
            accepted=self.accepted + other.accepted,
            duplicate=self.duplicate + other.duplicate,
            conflicts=self.conflicts + other.conflicts,
            late=self.late + other.late,
            unknown=tuple(dict.fromkeys(self.unknown + other.unknown)),
        )

    def as_json(self) -> dict[str, object]:
        """Counts, and the first hundred of what was not taken."""
        conflicts = [
            {"unit": one.unit, "label": one.label, "kept": one.kept, "posted": one.posted}
            for one in self.conflicts[:_SHOWN]
        ]
        return {
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "conflicting": len(self.conflicts),
            "late": self.late,
            "unknown_unit": len(self.unknown),
            "conflicts": conflicts,
            "unknown": list(self.unknown[:_SHOWN]),
        }


class FaultyLabels:
    """Faults by field and rule, with the first rows that have them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], list[int]] = {}

    def tell(self, row: int, field: str, rule: str, what: str) -> None:
        """Note one."""
        self._rows.setdefault((field, rule, what), []).append(row)

    def faults(self) -> tuple[InputFault, ...]:
        """All that were noted."""
        return tuple(
            InputFault(
                field=field, rule=rule, rows=tuple(rows[:_ROWS_SHOWN]), count=len(rows), what=what
            )
            for (field, rule, what), rows in self._rows.items()
        )

    def refuse(self) -> None:
        """End here where there are any.

        Raises:
            Refused: There are.
        """
        if faults := self.faults():
            rows = len({row for rows in self._rows.values() for row in rows})
            what = f"{rows:,} labels cannot be taken, so none was; mend them and post all again"
            raise Refused(RefusalCode.OUT_OF_CONTRACT, what, faults=faults)


def checked(
    records: Sequence[Any], system: System, *, now: datetime
) -> tuple[tuple[int, PostedLabel], ...]:
    """Read labels in either of their forms, each with the number of its record.

    ``{"unit": …, "label": "landings.arr_delay", "value": 12.0, "known_at": …}``, or several of one
    unit: ``{"unit": …, "source": "landings", "values": {"arr_delay": 12.0, …}, "known_at": …}``.
    Times are ISO 8601 with a timezone; ``event_time`` may be given too.

    Raises:
        Refused: With everything that is wrong with any of them.
    """
    if len(records) > MOST:
        what = f"{len(records):,} labels are too many for one request; post at most {MOST:,}"
        raise Refused(RefusalCode.TOO_LARGE, what)
    names = label_names(system)
    faults = FaultyLabels()
    found: list[tuple[int, PostedLabel]] = []
    for row, record in enumerate(records):
        if not isinstance(record, Mapping):
            faults.tell(row, "labels", "shape", "is no object with unit, label, value and known_at")
            continue
        found += [(row, one) for one in _labels_of(row, record, names, now, faults)]
    faults.refuse()
    return tuple(found)


def label_names(system: System) -> tuple[str, ...]:
    """Every ``source.column`` that models are judged by, sorted."""
    targets = (target for model in system.models.values() for target in model.metrics)
    return tuple(sorted({target.label for target in targets if target.label}))


def columns_of(system: System, source: Source) -> tuple[str, ...]:
    """The columns of a source of labels that models are judged by."""
    parts = (name.partition(".") for name in label_names(system))
    return tuple(column for name, _, column in parts if name == source.name)


def _labels_of(
    row: int,
    record: Mapping[str, Any],
    names: Sequence[str],
    now: datetime,
    faults: FaultyLabels,
) -> Iterable[PostedLabel]:
    several = "values" in record or "source" in record
    for key in sorted(map(str, set(record) - (_SEVERAL if several else _ONE))):
        faults.tell(row, key, "unknown_field", "is not known here; remove it or correct its name")
    unit = record.get("unit")
    if "unit" not in record:
        faults.tell(row, "unit", "missing_column", "is missing")
    elif not isinstance(unit, str) or not unit:
        faults.tell(row, "unit", "dtype", "is no text, or an empty one")
    known_at = _time(row, record, "known_at", faults)
    event_time = _time(row, record, "event_time", faults, needed=False)
    if known_at is not None and known_at > now + CLOCKS_DIFFER:
        faults.tell(row, "known_at", "range", "lies in the future")
    if known_at is not None and event_time is not None and known_at < event_time:
        faults.tell(row, "known_at", "range", "is earlier than the event_time")
    values = _values(row, record, names, faults, several=several)
    if not isinstance(unit, str) or not unit or known_at is None:
        return
    for name, value in values.items():
        source, _, column = name.partition(".")
        yield PostedLabel(
            unit=unit,
            source=source,
            column=column,
            value=value,
            known_at=known_at,
            event_time=event_time,
        )


def _values(
    row: int,
    record: Mapping[str, Any],
    names: Sequence[str],
    faults: FaultyLabels,
    *,
    several: bool,
) -> dict[str, float]:
    """The numbers of a record by the full names of their labels."""
    if several:
        given = record.get("values")
        if not isinstance(given, Mapping) or not given:
            faults.tell(row, "values", "shape", "is no object of numbers by column")
            return {}
        said = {f"{record.get('source')}.{column}": value for column, value in given.items()}
    else:
        lacking = [key for key in ("label", "value") if key not in record]
        for key in lacking:
            faults.tell(row, key, "missing_column", "is missing")
        if lacking:
            return {}
        said = {str(record["label"]): record["value"]}
    found = {}
    for name, value in said.items():
        field = f"values.{name.partition('.')[2]}" if several else "value"
        if name not in names:
            what = f"{name} is no label that a model is judged by (there are: {', '.join(names)})"
            faults.tell(row, "source" if several else "label", "category", what)
        elif not isinstance(value, int | float):
            faults.tell(row, field, "dtype", "is no number")
        elif not math.isfinite(value):
            faults.tell(
                row, field, "finite", "is not finite; a label that is not known is not posted"
            )
        else:
            found[name] = float(value)
    return found


def _time(
    row: int,
    record: Mapping[str, Any],
    key: str,
    faults: FaultyLabels,
    *,
    needed: bool = True,
) -> datetime | None:
    said = record.get(key)
    if said is None:
        if needed:
            faults.tell(row, key, "missing_column", "is missing")
        return None
    try:
        time = said if isinstance(said, datetime) else datetime.fromisoformat(str(said))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        what = "is no time in ISO 8601 with a timezone, like 2013-09-01T22:00:00Z"
        faults.tell(row, key, "dtype", what)
        return None
    return time
