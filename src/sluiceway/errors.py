"""Errors for people: what was wrong, where, and what would be right."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with what a person gave us.

    Attributes:
        where: File and path inside it, such as ``system.yaml: models.arr_delay.inputs[2]``.
        what: What is wrong and what would be right, in words.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class SluicewayError(Exception):
    """The base of every error that Sluiceway raises on purpose."""


class BadInput(SluicewayError):
    """Input refused whole: all its faults together, nothing touched.

    Attributes:
        faults: What is wrong, in the order of the file. Never empty.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        if not faults:
            raise ValueError("BadInput needs at least one fault")
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in faults))
