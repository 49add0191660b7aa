"""Answers of both arms to the same question, from the rows of the log."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from sluiceway.gates import Gate
from sluiceway.serving.rows import MODELS, holds, merged
from sluiceway.statistics.recurring import in_first_block


def held(model: str) -> str:
    """The column that says which pairs hold a model's answers."""
    return f"holds:{model}"


def pairs_of(
    rows: pd.DataFrame, gates: Sequence[Gate], start: datetime, incomplete: frozenset[str]
) -> pd.DataFrame:
    """Answers of both arms to the same question, one pair a unit.

    A unit may be asked about more than once, and about other models each time: for each model the
    newest question that both arms answered counts.
    """
    wanted = _to_be_paired(rows, incomplete)
    wanted = wanted[wanted["event_time"] >= start]
    wanted = merged(wanted, ["unit", "request", "arm"])
    newest = [name for name in ("routing_revision", "answered_at") if name in wanted]
    wanted = wanted.sort_values(newest, ascending=False, kind="stable")
    arms = {
        arm: wanted[wanted["arm"] == arm].set_index(["unit", "request"])
        for arm in ("baseline", "candidate")
    }
    parts: list[pd.DataFrame] = []
    for model in dict.fromkeys(gate.model for gate in gates):
        fields = sorted({f"{g.model}.{g.field}" for g in gates if g.model == model})
        before, after = (_answers_of(one, model, fields) for one in arms.values())
        both = before.add_prefix("baseline:").join(after.add_prefix("candidate:"), how="inner")
        both = both.droplevel("request")
        both = both[~both.index.duplicated()]
        parts.append(both.assign(**{held(model): True}))
    paired = pd.concat(parts, axis=1) if parts else pd.DataFrame()
    blocks = wanted.drop_duplicates("unit").set_index("unit")["block"]
    return paired.join(blocks)


def units_to_pair(
    rows: pd.DataFrame, models: Iterable[str], incomplete: frozenset[str]
) -> pd.DataFrame:
    """Every unit that both arms were to answer, and whether a pair of its answers was lost.

    A question that did not ask for a model lost no pair of it. What a version failed to answer is
    no lost pair: the row is there, with the contract's fallback.

    Args:
        rows: Rows of the log since the evidence began, with ``block``.
        models: Whose answers are compared.
        incomplete: Blocks from which answers are missing; they are left out.

    Returns:
        One row a unit that was asked about one of these models, by ``unit``: ``block``,
        ``event_time``, ``routing_revision`` when it was first answered, ``on_candidate`` (whether
        its consumer received the candidate's answer) and ``lost``.
    """
    wanted = _to_be_paired(rows, incomplete)
    unit, names = pd.factorize(wanted["unit"])
    request, requests = pd.factorize(wanted["request"])
    question = unit * max(len(requests), 1) + request
    after = wanted["arm"].eq("candidate").to_numpy()
    asked, lost = (np.zeros(len(names), dtype=np.bool_) for _ in range(2))
    for model in dict.fromkeys(models):
        there = holds(wanted, model).to_numpy(dtype=np.bool_)
        both = np.intersect1d(question[there & after], question[there & ~after])
        wants, found = (np.zeros(len(names), dtype=np.bool_) for _ in range(2))
        wants[unit[there]] = True
        found[both // max(len(requests), 1)] = True
        asked |= wants
        lost |= wants & ~found
    order = [name for name in ("routing_revision", "answered_at") if name in wanted]
    wanted = wanted.assign(lost=lost[unit])[asked[unit]]
    first = wanted.sort_values(order, kind="stable").drop_duplicates("unit").set_index("unit")
    # Of a row that nobody received, the consumer received the other arm's.
    on_candidate = first["arm"].eq("candidate") == first["path"].eq("primary")
    return first[["block", "event_time", "routing_revision", "lost"]].assign(
        on_candidate=on_candidate
    )


def _to_be_paired(rows: pd.DataFrame, incomplete: frozenset[str]) -> pd.DataFrame:
    """Rows of units that both arms were to answer, with what tells their questions apart."""
    wanted = rows[rows["paired"].astype(bool)]
    wanted = wanted[in_first_block(wanted["unit"], wanted["block"])]
    wanted = wanted[~wanted["block"].isin(incomplete)]
    request = wanted["request_id"].fillna("") if "request_id" in wanted else ""
    return wanted.assign(request=request)


def _answers_of(rows: pd.DataFrame, model: str, fields: Sequence[str]) -> pd.DataFrame:
    """The rows of one arm that hold a model's fields, only these."""
    if MODELS in rows:
        # Where nobody asked for the model the log need not have its columns.
        rows = rows.reindex(columns=[*rows.columns, *(f for f in fields if f not in rows)])
    return rows.loc[holds(rows, model), list(fields)]
