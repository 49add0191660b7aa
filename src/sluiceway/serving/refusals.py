"""Questions that are not answered: each with a code for machines and words for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sluiceway.errors import SluicewayError


class RefusalCode(StrEnum):
    """Why there is no answer. The names are part of the interface; none is ever reused."""

    MALFORMED = "malformed"
    """The body is not what its content type says."""
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_LARGE = "too_large"
    """The body, its depth, a number or the count of rows is beyond what is read."""
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_VERSION = "unknown_version"
    """The version exists nowhere, or does not serve now."""
    UNIT_MISSING = "unit_missing"
    OUT_OF_CONTRACT = "out_of_contract"
    """Rows are not what the model's inputs promise: each fault says which field and rule."""
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    OVERLOADED = "overloaded"
    """More is asked than can be answered in time; ask again later."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """One caller asks more often than it may."""
    NOT_READY = "not_ready"
    """Nothing is loaded that could answer."""
    UNKNOWN_UNIT = "unknown_unit"
    """Nothing was ever answered to this unit."""
    CONFLICT = "conflict"
    """It contradicts what is known already."""
    UNKNOWN_PATH = "unknown_path"
    """Nothing is served at this path."""
    WRONG_METHOD = "wrong_method"
    """Something is, and not by this method."""
    TOO_SLOW = "too_slow"
    """The body did not arrive in time."""
    INTERNAL = "internal"
    """A fault of the gateway itself; its log has the rest under the request's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFault:
    """One thing wrong with the rows.

    Attributes:
        field: The column.
        rule: What it breaks: ``missing_column``, ``shape``, ``dtype``, ``null``, ``range``,
            ``category``, ``finite`` …
        rows: The first rows that break it, from 0; empty where it is the column as a whole.
        count: How many rows do.
        what: In words, with what would be right.
    """

    field: str
    rule: str
    rows: tuple[int, ...] = ()
    count: int = 0
    what: str


class Refused(SluicewayError):
    """A question is refused whole.

    Attributes:
        code: For machines.
        what: For people.
        faults: What is wrong with the rows, where it is that.
        retry_after: Seconds after which asking again makes sense; None where it never does.
    """

    def __init__(
        self,
        code: RefusalCode,
        what: str,
        *,
        faults: Sequence[InputFault] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.faults = tuple(faults)
        self.retry_after = retry_after
