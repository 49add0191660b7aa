"""Writing a drafted contract as a file, with the reason for each number beside it."""

import textwrap
from collections.abc import Sequence
from typing import Final

from sluiceway.contracts.inferring import Draft
from sluiceway.contracts.writing import write_contract

_WIDTH: Final = 88
"""Characters of a line of comment."""


def drafted_text(draft: Draft, *, heading: Sequence[str]) -> str:
    """A contract file that :func:`sluiceway.contracts.file.read_contract` reads back.

    Args:
        heading: Lines of comment at the top.
    """
    notes: dict[tuple[str, ...], str] = {}
    for path, reason in draft.reasons.items():
        # An input stands on one line, so its reasons do too.
        key = path[:2] if path[0] == "inputs" else path
        said = f"{path[-1]}: {reason}" if path[0] == "inputs" else reason
        notes[key] = f"{notes[key]}; {said}" if key in notes else said
    folded = {path: textwrap.fill(said, _WIDTH) for path, said in notes.items()}
    top = "".join(f"# {line}\n" for said in heading for line in textwrap.wrap(said, _WIDTH))
    return top + write_contract(draft.contract, notes=folded)
