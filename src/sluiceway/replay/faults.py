"""What can be wrong with recorded history and with models' answers: typed, never a warning."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sluiceway.errors import SluicewayError


class HistoryFaultCode(StrEnum):
    """Why recorded rows cannot be trusted."""

    EMPTY_WINDOW = "empty_window"
    """Not one row in the window asked for."""
    MISSING_TABLE = "missing_table"
    """The loader's file, table or function is not there or cannot be read."""
    MISSING_COLUMN = "missing_column"
    WRONG_DTYPE = "wrong_dtype"
    """Text where a number is needed, a number where a time is needed, or the like."""
    MISSING_UNIT = "missing_unit"
    """Rows without a unit."""
    MISSING_EVENT_TIME = "missing_event_time"
    """Rows without an event time; nobody can say whether they belong to the window."""
    EVENT_TIME_DISAGREES = "event_time_disagrees"
    """Two sources give one unit two event times."""
    EVENT_AFTER_AS_OF = "event_after_as_of"
    """Rows from later than the moment at which one looks."""
    DUPLICATE_UNITS = "duplicate_units"
    INFINITE_VALUES = "infinite_values"
    OUT_OF_RANGE = "out_of_range"
    """Values outside the range that the feature declares."""
    NEW_CATEGORY = "new_category"
    """Text that is not among the categories that the feature declares."""
    NULL_RATE = "null_rate"
    """More missing values over the window than the feature declares."""
    LABEL_FROM_THE_FUTURE = "label_from_the_future"
    """A label known before its event, or there without a time at which it was known."""
    FAULTY_TRANSFORMATION = "faulty_transformation"
    """A transformation is missing, raised, or gave something of the wrong shape."""
    EARLIER_ANSWERS = "earlier_answers"
    """A model reads what another answered earlier; rows are replayed one request at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFault:
    """One thing wrong with the recorded rows.

    Attributes:
        source: Name of the source, or of the feature where a feature's values are wrong, or of the
            model whose earlier answers are not there.
        column: Column of the source, version of the feature or field of the model; None where the
            whole is meant.
        count: Rows concerned; 0 where it is not a matter of rows.
        example: One value or unit concerned, as text; empty where there is none.
        what: What is wrong and what would be right, in words.
    """

    code: HistoryFaultCode
    source: str
    column: str | None
    count: int
    example: str
    what: str

    def __str__(self) -> str:
        where = self.source if self.column is None else f"{self.source}.{self.column}"
        return f"{where}: {self.what}"


class UnusableHistory(SluicewayError):
    """Recorded rows refused whole: nothing measured on them counts.

    Attributes:
        faults: Everything found wrong. Never empty.
    """

    def __init__(self, faults: Sequence[HistoryFault]) -> None:
        if not faults:
            raise ValueError("UnusableHistory needs at least one fault")
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in faults))


class AnswerFaultCode(StrEnum):
    """Why a model's answers cannot be used."""

    RAISED = "raised"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    WRONG_SHAPE = "wrong_shape"
    """Other than one row of the promised fields for each row asked."""
    WRONG_DTYPE = "wrong_dtype"
    """Answers that are no numbers."""
    MISSING_VALUES = "missing_values"
    """NaN in a field that is promised to be there."""
    INFINITE_VALUES = "infinite_values"
    OUT_OF_RANGE = "out_of_range"
    """Values outside the range that the contract promises."""
    UNDECLARED_INPUT = "undeclared_input"
    """The model reads a column that the system file does not give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFault:
    """One thing wrong with what a model version answered.

    Attributes:
        version: Its version, or ``recorded`` for answers read from the prediction log.
        field: Output field concerned; None where the whole answer is meant.
        count: Rows concerned, within the partition at hand.
        arms: Names of the arms that asked this version for this answer, in the order of the arms;
            an arm that gives the same version other inputs is not among them.
        what: What is wrong and what would be right, in words.
    """

    model: str
    version: str
    code: AnswerFaultCode
    field: str | None
    count: int
    arms: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        return f"{self.model}@{self.version}: {self.what}"


class FaultyAnswers(SluicewayError):
    """A model version gave no usable answer; whatever depends on it is unknown.

    The caller decides by `faults` what that means: a candidate that breaks its promise has
    FAILED; a fault of the champion, or a deadline on a busy machine, is an ERROR.

    Attributes:
        faults: What is wrong. Never empty.
    """

    def __init__(self, faults: Sequence[AnswerFault]) -> None:
        if not faults:
            raise ValueError("FaultyAnswers needs at least one fault")
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in faults))
