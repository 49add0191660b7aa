"""What contract tests outside of any rollout came to."""

from dataclasses import dataclass

from sluiceway.outcomes import Outcome
from sluiceway.releases import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderTested:
    """What a reader came to, fed with everything that a version promises.

    Attributes:
        model: The reader.
        broken: The first thing that went wrong, in words; empty where nothing did.
    """

    model: str
    outcome: Outcome
    broken: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTested:
    """A version was held to its contract, and its readers to what it promises, in no rollout.

    Attributes:
        model: The model whose version was tested.
        members: It, what fed it and its readers, as they took part.
        outcome: What its own cases came to.
        as_fed: Whether only recorded rows broke it, as these members fed it.
        broken: The first thing that went wrong, in words; empty where nothing did.
        rows: Recorded rows that it was asked.
    """

    model: str
    members: tuple[Member, ...]
    outcome: Outcome
    as_fed: bool
    broken: str
    readers: tuple[ReaderTested, ...]
    rows: int
