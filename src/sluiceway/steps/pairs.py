"""Answers of both arms to the same question, from the rows of the log."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from sluiceway.gates import Gate
from sluiceway.serving.rows import MODELS, holds, merged
from sluiceway.statistics.recurring import in_first_block


def held(model: str) -> str:
    """The column that says which pairs hold a model's answers."""
    return f"holds:{model}"


def pairs_of(
    rows: pd.DataFrame, gates: Sequence[Gate], start: datetime, incomplete: frozenset[str]
) -> tuple[pd.DataFrame, int]:
    """Answers of both arms to the same question, one pair a unit, and how many lost one arm's.

    A unit may be asked about more than once, and about other models each time: for each model the
    newest question that both arms answered counts, and a question that did not ask for a model
    lost no pair of it.
    """
    wanted = rows[rows["paired"].astype(bool)]
    wanted = wanted[in_first_block(wanted["unit"], wanted["block"])]
    wanted = wanted[(wanted["event_time"] >= start) & ~wanted["block"].isin(incomplete)]
    request = wanted["request_id"].fillna("") if "request_id" in wanted else ""
    wanted = merged(wanted.assign(request=request), ["unit", "request", "arm"])
    newest = [name for name in ("routing_revision", "answered_at") if name in wanted]
    wanted = wanted.sort_values(newest, ascending=False, kind="stable")
    arms = {
        arm: wanted[wanted["arm"] == arm].set_index(["unit", "request"])
        for arm in ("baseline", "candidate")
    }
    parts: list[pd.DataFrame] = []
    lost: set[str] = set()
    for model in dict.fromkeys(gate.model for gate in gates):
        fields = sorted({f"{g.model}.{g.field}" for g in gates if g.model == model})
        before, after = (_answers_of(one, model, fields) for one in arms.values())
        both = before.add_prefix("baseline:").join(after.add_prefix("candidate:"), how="inner")
        both = both.droplevel("request")
        both = both[~both.index.duplicated()]
        parts.append(both.assign(**{held(model): True}))
        asked = {*before.index.get_level_values("unit"), *after.index.get_level_values("unit")}
        lost |= asked - set(both.index)
    paired = pd.concat(parts, axis=1) if parts else pd.DataFrame()
    blocks = wanted.drop_duplicates("unit").set_index("unit")["block"]
    return paired.join(blocks), len(lost)


def _answers_of(rows: pd.DataFrame, model: str, fields: Sequence[str]) -> pd.DataFrame:
    """The rows of one arm that hold a model's fields, only these."""
    if MODELS in rows:
        # Where nobody asked for the model the log need not have its columns.
        rows = rows.reindex(columns=[*rows.columns, *(f for f in fields if f not in rows)])
    return rows.loc[holds(rows, model), list(fields)]
