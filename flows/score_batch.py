"""The flow that answers a table of units, canaries and log included."""

from pathlib import Path

from prefect import flow

from sluiceway.settings import Settings
from tasks.scoring import score_table


@flow(name="score-batch", flow_run_name="score {rows} by {model}", persist_result=False)
def score_batch(rows: str, model: str, answers: str, consumer: str | None = None) -> int:
    """Answer every row of a Parquet or CSV file, each by the arm of its unit.

    Args:
        rows: The file: one row a unit.
        model: Whose answers are wanted.
        answers: The file to write: Parquet or CSV.
        consumer: Who reads the answers.

    Returns:
        How many rows were answered.
    """
    return score_table(Settings(), Path(rows), model, Path(answers), consumer)
