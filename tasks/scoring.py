"""The task that answers a table of units."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from sluiceway.errors import BadInput, Fault
from sluiceway.gateway.scoring_batches import score
from sluiceway.settings import Settings
from tasks.retrying import side_effect

_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".csv": pd.read_csv,
}


@side_effect("score a table")
def score_table(
    settings: Settings, rows: Path, model: str, answers: Path, consumer: str | None
) -> int:
    """Answer every row of a file and write the answers to another, whole or not at all.

    Returns:
        How many rows were answered.

    Raises:
        BadInput: The file is neither Parquet nor CSV, or its rows are not what they have to be.
    """
    for file in (rows, answers):
        if file.suffix not in _READERS:
            what = f"is neither {' nor '.join(_READERS)}"
            raise BadInput([Fault(where=str(file), what=what)])
    answered = score(settings, _READERS[rows.suffix](rows), model, consumer=consumer)
    answers.parent.mkdir(parents=True, exist_ok=True)
    written = answers.with_name(f".{answers.name}.part")
    if answers.suffix == ".csv":
        answered.to_csv(written, index=False)
    else:
        answered.to_parquet(written, index=False)
    written.replace(answers)
    return len(answered)
