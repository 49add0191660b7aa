"""Asking a version about rows, and finding the rows over which it breaks its contract."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol

import numpy as np
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from sluiceway.contracts.cases import CaseCode, CaseResult, CounterExample, Why
from sluiceway.contracts.promises import Answers, Finding, check_answers
from sluiceway.contracts.regions import Column, Region, Row, columns_of
from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome

MOST_EXAMPLES: Final = 3
"""Examples shown of one case."""
MOST_DEATHS: Final = 8
"""So often a version may end its own process, or hang, before it is asked nothing any more."""
DRAWN_ROWS: Final = 150
"""Rows drawn at random from everything that is admitted."""
_MOST_CULPRITS: Final = 20
"""Rows without an answer that are looked for one by one."""
_MOST_ASKED: Final = 2_000
"""Questions of one draw, those for shrinking included."""
_SEED: Final = 20_130_901
RELATIVE_TOLERANCE: Final = 1e-6
"""Answers nearer than this are equal: a batch is computed in another order than its rows."""

_FATAL: Final = frozenset({"crashed", "deadline_exceeded"})
"""Faults after which the version's process had to be ended."""
_NOT_LOADED: Final = frozenset({"load_deadline_exceeded", "cannot_load", "files_changed"})
"""Faults that have nothing to do with what was asked."""


class AnswerFault(Protocol):
    """Why there is no answer."""

    @property
    def code(self) -> str:
        """How it failed."""

    @property
    def sentence(self) -> str:
        """The same for people."""


class Answered(Protocol):
    """What came of one question."""

    @property
    def answers(self) -> Answers | None:
        """Shape (rows,) or (rows, fields); None where there is a fault."""

    @property
    def seconds(self) -> float | None:
        """Wall time of the answer."""

    @property
    def fault(self) -> AnswerFault | None:
        """Why there is no answer."""


Ask = Callable[[Mapping[str, Column]], Answered]
"""A version that answers rows, given as one array an input."""


class GivenUp(Exception):
    """The version has ended its process so often that it is asked nothing any more."""


class NotLoaded(Exception):
    """The version cannot be loaded, whatever it is asked; the message says why."""


@dataclass(slots=True, kw_only=True)
class Questioner:
    """One version that is asked, with what it promises.

    Attributes:
        name: Such as ``dep_delay@2``.
        regions: What each input may be, in the order of the signature.
        typical: The row from which cases differ in as little as possible.
    """

    name: str
    contract: Contract
    ask: Ask
    regions: Mapping[str, Region]
    deaths: int = 0

    @property
    def typical(self) -> dict[str, float | str | None]:
        """Every input at its typical value."""
        return {name: region.typical for name, region in self.regions.items()}

    def asked(self, columns: Mapping[str, Column]) -> Answered:
        """Ask, and count how often the version did not survive the question.

        Raises:
            GivenUp: It has not too often.
            NotLoaded: It cannot be loaded.
        """
        if self.deaths >= MOST_DEATHS:
            raise GivenUp
        answered = self.ask(columns)
        if answered.fault is not None and str(answered.fault.code) in _NOT_LOADED:
            raise NotLoaded(answered.fault.sentence)
        if answered.fault is not None and str(answered.fault.code) in _FATAL:
            self.deaths += 1
        return answered

    def columns(self, rows: Sequence[Row]) -> dict[str, Column]:
        """Rows as one array an input."""
        return columns_of(rows, self.regions)

    def broken_rows(self, rows: Sequence[Row]) -> list[tuple[int, CounterExample]]:
        """Ask all rows at once, and find those that break the contract.

        Returns:
            Place and example of each broken row.

        Raises:
            GivenUp: The version died too often.
        """
        found: list[tuple[int, CounterExample]] = []
        self._look(rows, 0, found)
        return found

    def _look(
        self, rows: Sequence[Row], start: int, found: list[tuple[int, CounterExample]]
    ) -> None:
        if not rows or len(found) >= _MOST_CULPRITS:
            return
        answered = self.asked(self.columns(rows))
        if answered.answers is not None:
            found += [
                (start + place, self._example(rows[place], finding))
                for place, finding in broken_answers(self.contract, answered.answers)
            ]
            return
        said = answered.fault.sentence if answered.fault else "gave no answer"
        if len(rows) == 1:
            given = self.differing(rows[0])
            example = CounterExample(why=Why.NO_ANSWER, given=given, said=said)
            found.append((start, example))
            return
        before, half = len(found), len(rows) // 2
        died = answered.fault is not None and str(answered.fault.code) in _FATAL
        self._look(rows[:half], start, found)
        if not (died and len(found) > before):
            self._look(rows[half:], start + half, found)
        if len(found) == before:
            together = f"{len(rows):,} rows together, though none by itself: {said}"
            found.append((start, CounterExample(why=Why.NO_ANSWER, said=together)))

    def deadly_row(self, rows: Sequence[Row]) -> CounterExample | None:
        """The first row over which the version ends its process or hangs; None where none does.

        An error is an answer here: nobody promised another one to such rows.

        Raises:
            GivenUp: The version died too often.
        """
        deaths = self.deaths
        answered = self.asked(self.columns(rows))
        if self.deaths == deaths:
            return None
        if len(rows) > 1:
            half = len(rows) // 2
            inside = self.deadly_row(rows[:half]) or self.deadly_row(rows[half:])
            if inside is not None:
                return inside
        said = answered.fault.sentence if answered.fault else ""
        given = self.differing(rows[0]) if len(rows) == 1 else {}
        return CounterExample(why=Why.NO_ANSWER, given=given, said=said)

    def _example(self, row: Row, finding: Finding) -> CounterExample:
        return CounterExample(why=Why.OUT_OF_CONTRACT, given=self.differing(row), finding=finding)

    def differing(self, row: Row) -> dict[str, float | str | None]:
        """The values of a row that are not typical."""
        return {name: row[name] for name, usual in self.typical.items() if row[name] != usual}

    def drawn(
        self, rows: SearchStrategy[Row], *, most: int = DRAWN_ROWS
    ) -> tuple[int, CounterExample | None]:
        """Draw rows until one breaks the contract, and shrink that one.

        The draw is the same each time.

        Returns:
            How many rows were asked, and the smallest example; None where none was found.

        Raises:
            GivenUp: The version died too often.
        """
        asked = 0
        killer: CounterExample | None = None
        kept: dict[str, CounterExample] = {}

        def breaks(row: Row) -> bool:
            nonlocal asked, killer
            if killer is not None or asked >= _MOST_ASKED:
                return False  # a version that dies is not asked hundreds of times to shrink it
            asked += 1
            deaths = self.deaths
            broken = self.broken_rows([row])
            if self.deaths > deaths:
                killer = broken[0][1]
                return False
            if broken:
                kept[repr(row)] = broken[0][1]
            return bool(broken)

        how = settings(
            max_examples=most,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            print_blob=False,
        )
        try:
            row = find(rows, breaks, settings=how, random=Random(_SEED))
        except NoSuchExample:
            return asked, killer
        return asked, kept[repr(row)]

    def result(
        self,
        code: CaseCode,
        tried: int,
        broken: Sequence[CounterExample] = (),
        *,
        edge: str | None = None,
        outcome: Outcome | None = None,
    ) -> CaseResult:
        """What came of one case; the examples that differ least from the typical row are shown."""
        shown: dict[tuple[object, ...], CounterExample] = {}
        for example in sorted(broken, key=lambda one: len(one.given)):
            promise = example.finding.field if example.finding else None
            code_of = example.finding.code if example.finding else None
            shown.setdefault((example.why, code_of, promise, tuple(example.given)), example)
        return CaseResult(
            code=code,
            asked=self.name,
            edge=edge,
            tried=tried,
            outcome=outcome or (Outcome.FAILED if broken else Outcome.PASSED),
            broken=len(broken),
            examples=tuple(shown.values())[:MOST_EXAMPLES],
        )


def broken_answers(contract: Contract, answers: Answers) -> list[tuple[int, Finding]]:
    """Rows whose answer is not what each single answer has to be, each with its first finding.

    How answers are distributed is promised of recorded rows, not of edge cases, and takes no part.
    """
    single = replace(
        contract, output=tuple(replace(field, promise=None) for field in contract.output)
    )
    if not _failed(single, answers):
        return []
    found = []
    for place in range(len(answers)):
        failed = _failed(single, answers[place : place + 1])
        if failed:
            found.append((place, failed[0]))
    return found


def _failed(contract: Contract, answers: Answers) -> list[Finding]:
    findings = check_answers(contract, answers, seconds=0.0, min_rows=0)
    return [finding for finding in findings if finding.outcome is Outcome.FAILED]


def first_difference(
    contract: Contract, one: Answers, other: Answers, *, exactly: bool = False
) -> tuple[int, str, object, object] | None:
    """Row, field and both values of the first answer that two answers of equal shape differ in.

    Args:
        exactly: Numbers have to be equal to the last bit; otherwise within 1e-6 of the larger.
    """
    first, second = (np.asarray(a).reshape(len(a), -1) for a in (one, other))
    for field in contract.output:
        place = field.position
        if place >= min(first.shape[1], second.shape[1]):
            return 0, field.name, f"{first.shape[1]} columns", f"{second.shape[1]} columns"
        a, b = first[:, place], second[:, place]
        differs = ~_equal(a, b, 0.0 if exactly else RELATIVE_TOLERANCE)
        if differs.any():
            row = int(np.argmax(differs))
            return row, field.name, a[row], b[row]
    return None


def _equal(a: Answers, b: Answers, tolerance: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return np.asarray(a == b, dtype=bool)
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(x - y) <= tolerance * np.maximum(np.abs(x), np.abs(y))
    return np.asarray(near | (x == y) | (np.isnan(x) & np.isnan(y)))
