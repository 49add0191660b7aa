"""Asking one model version for its answers to one partition, and believing nothing it says."""

import threading
import weakref
from collections.abc import Callable, Mapping
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluiceway.contracts.values import Contract, OutputField
from sluiceway.ports import Predictor
from sluiceway.replay.faults import AnswerFault, AnswerFaultCode, FaultyAnswers
from sluiceway.replay.partitions import Column, Floats


class DeadlineExceeded(Exception):
    """The call did not return in time; its thread is left to itself."""


class BoundedCalls:
    """Makes calls one after the other in a thread of its own, and waits for none too long.

    One thread for all calls, because numerical libraries build their own pool of threads for each
    thread that calls them. A thread cannot be ended from outside: one that hangs is left to itself,
    does not keep the interpreter alive, and the next call gets a new one.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[Callable[[], Any] | None] | None = None
        self._told: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def within(self, deadline: timedelta, call: Callable[[], Any]) -> Any:
        """Call, and wait no longer than the deadline.

        Raises:
            DeadlineExceeded: It has not returned.
            BaseException: Whatever the call raised.
        """
        if self._asked is None:
            self._asked, self._told = SimpleQueue(), SimpleQueue()
            threading.Thread(
                target=_serve,
                args=(self._asked, self._told),
                daemon=True,
                name="sluiceway-predict",
            ).start()
            weakref.finalize(self, self._asked.put, None)
        self._asked.put(call)
        try:
            returned, raised = self._told.get(timeout=deadline.total_seconds())
        except Empty:
            self._asked.put(None)
            self._asked = None
            raise DeadlineExceeded from None
        if raised is not None:
            raise raised
        return returned


def _serve(
    asked: "SimpleQueue[Callable[[], Any] | None]",
    told: "SimpleQueue[tuple[Any, BaseException | None]]",
) -> None:
    while (call := asked.get()) is not None:
        try:
            answer: tuple[Any, BaseException | None] = (call(), None)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it belongs
            answer = (None, error)
        told.put(answer)
        del call, answer


class Scorer:
    """One model version with the contract its answers are held against.

    Attributes:
        model: Name of the model.
        version: Its version.
    """

    def __init__(
        self,
        model: str,
        version: str,
        predictor: Predictor,
        contract: Contract,
        arms: tuple[str, ...],
        calls: BoundedCalls,
    ) -> None:
        self.model = model
        self.version = version
        self._predictor = predictor
        self._contract = contract
        self._arms = arms
        self._calls = calls

    def answers(self, columns: Mapping[str, Column], rows: int) -> dict[str, Floats]:
        """Ask for answers.

        Args:
            columns: Values of shape (rows,) by input name.
            rows: How many rows.

        Returns:
            ``float64[rows]`` by output field; views into what the model returned where possible.

        Raises:
            FaultyAnswers: With everything that is wrong with this answer.
        """
        deadline = self._contract.deadline
        try:
            answer = self._calls.within(deadline, lambda: self._predictor.predict(columns))
        except DeadlineExceeded as error:
            seconds = f"{deadline.total_seconds():g} s"
            what = f"gave no answer to {rows} rows within its deadline of {seconds}"
            fault = self._fault(AnswerFaultCode.DEADLINE_EXCEEDED, what, count=rows)
            raise FaultyAnswers([fault]) from error
        except BaseException as error:  # a model may raise anything, SystemExit included
            what = f"raised {type(error).__name__}: {error}"
            raise FaultyAnswers([self._fault(AnswerFaultCode.RAISED, what, count=rows)]) from error
        table = self._table(answer, rows)
        fields = {field.name: table[:, field.position] for field in self._contract.output}
        faults = [
            fault
            for field in self._contract.output
            for fault in self._field_faults(field, fields[field.name])
        ]
        if faults:
            raise FaultyAnswers(faults)
        return fields

    def _table(self, answer: Any, rows: int) -> NDArray[np.float64]:
        """The answer as ``float64[rows, columns]``, all columns that fields are picked from."""
        array = np.asarray(answer)
        if array.dtype.kind not in "fiub":
            text = [field.name for field in self._contract.output if field.dtype == "string"]
            promised = f"{', '.join(text)} is text: a replay takes numbers only"
            what = f"answered with {array.dtype}, {promised if text else 'numbers are promised'}"
            raise FaultyAnswers([self._fault(AnswerFaultCode.WRONG_DTYPE, what, count=rows)])
        width = 1 + max(field.position for field in self._contract.output)
        if array.shape == (rows,) and width == 1:
            array = array[:, None]
        # Fields are picked by position, so further columns harm nobody; promises see it so too.
        if array.ndim != 2 or len(array) != rows or array.shape[1] < width:
            right = f"({rows}, {width} or more)" + (f" or ({rows},)" if width == 1 else "")
            what = f"answered with shape {array.shape}; {right} is right"
            raise FaultyAnswers([self._fault(AnswerFaultCode.WRONG_SHAPE, what, count=rows)])
        return array.astype(np.float64, copy=False)

    def _field_faults(self, field: OutputField, values: Floats) -> list[AnswerFault]:
        if not len(values):
            return []
        faults = []
        missing = int(np.count_nonzero(np.isnan(values)))
        if missing and not field.nullable:
            what = f"{field.name} is missing in {missing} of {len(values)} rows; it is not nullable"
            faults.append(self._fault(AnswerFaultCode.MISSING_VALUES, what, field.name, missing))
        least, most = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
        infinite = int(np.isinf(values).sum()) if np.isinf(least) or np.isinf(most) else 0
        if infinite:
            what = f"{field.name} is infinite in {infinite} of {len(values)} rows"
            faults.append(self._fault(AnswerFaultCode.INFINITE_VALUES, what, field.name, infinite))
        low = -np.inf if field.low is None else field.low
        high = np.inf if field.high is None else field.high
        if least < low or most > high:
            outside = int(np.count_nonzero((values < low) | (values > high)))
            promised = f"{low:g} to {high:g} {field.unit}"
            seen = f"answers lie between {least:g} and {most:g}"
            what = f"{field.name} leaves its promised {promised} in {outside} rows; {seen}"
            faults.append(self._fault(AnswerFaultCode.OUT_OF_RANGE, what, field.name, outside))
        return faults

    def _fault(
        self, code: AnswerFaultCode, what: str, field: str | None = None, count: int = 0
    ) -> AnswerFault:
        return AnswerFault(
            model=self.model,
            version=self.version,
            code=code,
            field=field,
            count=count,
            arms=self._arms,
            what=what,
        )
