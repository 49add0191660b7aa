"""What a rollout knows of the inputs its evidence rests on: profiles kept, and comparisons made."""

from dataclasses import dataclass
from datetime import datetime

from sluiceway.drift import DriftFinding
from sluiceway.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProfile:
    """A profile of inputs that is kept as evidence.

    Attributes:
        digest: SHA-256 of its canonical JSON, which says where it is kept and what it was.
        start: Begin of the window it was made of (UTC).
        end: Its end, exclusive.
        blocks: Blocks with rows.
        rows: Rows, missing values included.
    """

    digest: str
    start: datetime
    end: datetime
    blocks: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceInputs:
    """The inputs of a shadow replay.

    Attributes:
        reference: Of its window.
        history: Of recorded time before it; None where nothing could be read.
    """

    reference: KeptProfile
    history: KeptProfile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsCompared:
    """What holding the live inputs against shadow's came to.

    Attributes:
        outcome: FAILED where any drifted.
        blocks: Live blocks that were compared.
        reference_blocks: Blocks of the reference.
        block: What one block is called.
        tests: Comparisons that shared the level.
        nearest: The finding that is nearest to its threshold, or farthest beyond it.
    """

    outcome: Outcome
    blocks: int
    reference_blocks: int
    block: str
    tests: int
    nearest: DriftFinding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsSeen:
    """What one look saw of the live inputs.

    Attributes:
        kept: Profile of the blocks of this look; None where nothing could be profiled.
        blocks: Live blocks that can be compared with the reference by now.
        next_at: How many of them it takes for the next comparison; None where none is planned.
        compared: The comparison that was due; None where none was.
        fault: Why there is no profile, or nothing to hold it against; None where there is.
    """

    kept: KeptProfile | None
    blocks: int
    next_at: int | None
    compared: InputsCompared | None = None
    fault: str | None = None
