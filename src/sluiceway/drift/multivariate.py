"""All columns together: can a classifier tell the windows apart on blocks it never saw?"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier

from sluiceway.drift.comparing import centred
from sluiceway.drift.findings import DriftPolicy
from sluiceway.drift.profiles import Floats
from sluiceway.drift.profiling import Raw
from sluiceway.outcomes import Outcome

AUC_FLOOR = 0.55
"""Least AUC that is called drift."""
_MOST_LEVELS = 200
_LARGEST = 1e300
"""Larger values count as this one: the middle between two would overflow."""


class JointReason(StrEnum):
    """Why a joint finding is what it is."""

    NOT_TOLD_APART = "not_told_apart"
    """PASSED: below the floor, on enough blocks."""
    TOLD_APART = "told_apart"
    """FAILED: the classifier knows the windows apart, beyond the floor and chance."""
    NOT_DISTINGUISHED = "not_distinguished"
    """INCONCLUSIVE: beyond the floor, and chance explains it."""
    TOO_FEW_BLOCKS = "too_few_blocks"
    """INCONCLUSIVE: too few blocks to learn on some and look at others."""
    NO_COLUMNS = "no_columns"
    """INCONCLUSIVE: the windows share no column that varies and can be learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointFinding:
    """A classifier two-sample test.

    Attributes:
        outcome: FAILED is drift of the columns together.
        reason: Why.
        auc: Probability that a current row scores above a reference row, on held-out blocks; None
            where nothing was learned.
        p_value: Of the held-out blocks' labels permuted.
        held_out: Blocks looked at, of the reference and of the current window.
        columns: Columns learned from.
    """

    outcome: Outcome
    reason: JointReason
    auc: float | None = None
    p_value: float | None = None
    held_out: tuple[int, int] = (0, 0)
    columns: tuple[str, ...] = ()


def told_apart(
    reference: Mapping[str, Raw],
    reference_blocks: NDArray[np.object_],
    current: Mapping[str, Raw],
    current_blocks: NDArray[np.object_],
    policy: DriftPolicy | None = None,
) -> JointFinding:
    """Learn to tell the windows apart on every second block, then look at the others.

    Lopez-Paz & Oquab (2017), with blocks in place of rows: given what was learned, the held-out
    blocks of quiet windows are exchangeable, so permuting their labels whole gives a valid p value
    without learning again.

    Args:
        reference: Raw columns; numbers, booleans, text and categories are learned from.
        reference_blocks: Name of each row's block.
        current: The same columns of the current window.
        current_blocks: Name of each row's block.
        policy: Its level, fewest blocks a side (all blocks) and permutations.
    """
    policy = policy or DriftPolicy()
    codes, names = pd.factorize(np.concatenate((reference_blocks, current_blocks)), sort=True)
    now = np.repeat([False, True], [len(reference_blocks), len(current_blocks)])
    sides = [np.unique(codes[now == side]) for side in (False, True)]
    if min(map(len, sides)) < policy.min_blocks or set(sides[0]) & set(sides[1]):
        return JointFinding(outcome=Outcome.INCONCLUSIVE, reason=JointReason.TOO_FEW_BLOCKS)
    table = _table(reference, current)
    if not table:
        return JointFinding(outcome=Outcome.INCONCLUSIVE, reason=JointReason.NO_COLUMNS)
    held = np.isin(codes, np.concatenate([side[1::2] for side in sides]))
    # Of a column without a value in the blocks that are learned from nothing can be learned.
    table = {name: one for name, one in table.items() if np.isfinite(one[~held]).any()}
    if not table:
        return JointFinding(outcome=Outcome.INCONCLUSIVE, reason=JointReason.NO_COLUMNS)
    features = np.column_stack(list(table.values()))
    seed = int.from_bytes(hashlib.sha256("\n".join(map(str, names)).encode()).digest()[:4], "big")
    model = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, early_stopping=False, class_weight="balanced",
        random_state=seed,
    )  # fmt: skip
    model.fit(features[~held], now[~held])
    scores = model.predict_proba(features[held])[:, 1]
    auc, p_value = _auc(scores, codes[held], now[held], seed, policy.permutations)
    finding = JointFinding(
        outcome=Outcome.INCONCLUSIVE,
        reason=JointReason.NOT_DISTINGUISHED,
        auc=auc,
        p_value=p_value,
        held_out=(len(sides[0][1::2]), len(sides[1][1::2])),
        columns=tuple(table),
    )
    return _judged(finding, policy)


def _judged(finding: JointFinding, policy: DriftPolicy) -> JointFinding:
    assert finding.auc is not None
    assert finding.p_value is not None
    outcome, reason = finding.outcome, finding.reason
    if finding.auc < AUC_FLOOR:
        outcome, reason = Outcome.PASSED, JointReason.NOT_TOLD_APART
    elif finding.p_value <= policy.alpha:
        outcome, reason = Outcome.FAILED, JointReason.TOLD_APART
    return JointFinding(
        outcome=outcome,
        reason=reason,
        auc=finding.auc,
        p_value=finding.p_value,
        held_out=finding.held_out,
        columns=finding.columns,
    )


def _table(reference: Mapping[str, Raw], current: Mapping[str, Raw]) -> dict[str, Floats]:
    """Numbers as they are, categories by their code; infinities count as missing."""
    table = {}
    for name in sorted(reference.keys() & current.keys()):
        column = pd.concat([pd.Series(reference[name]), pd.Series(current[name])])
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            continue
        if pd.api.types.is_numeric_dtype(column.dtype):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            values = np.where(np.isfinite(values), values, np.nan).clip(-_LARGEST, _LARGEST)
        else:
            codes, levels = pd.factorize(column.astype("str").where(column.notna()), sort=True)
            if len(levels) > _MOST_LEVELS:
                continue
            values = np.where(codes < 0, np.nan, codes)
        if len(np.unique(values)) > 1:
            table[name] = values
    return table


def _auc(
    scores: Floats, codes: NDArray[np.intp], now: NDArray[np.bool_], seed: int, draws: int
) -> tuple[float, float]:
    """AUC of the labels as they are, and how often permuted blocks reach it."""
    _, place = np.unique(codes, return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    ranks = np.bincount(place, weights=rankdata(scores)).astype(np.float64)
    current = np.bincount(place, weights=now) > 0
    contrast = centred(ranks[:, None], rows, int((~current).sum()))
    # AUC = ½ + (mean rank now − mean rank before)/N; the contrast gives that difference.
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.random((draws, len(rows))), axis=1)
    members = np.vstack((current, order < current.sum())).astype(np.float64)
    n, whole = members @ rows, rows.sum()
    auc = 0.5 + (members @ contrast.centred[:, 0]) / (n * (whole - n))
    return float(auc[0]), float((1 + (auc[1:] >= auc[0] - 1e-12).sum()) / (draws + 1))


def render_joint(finding: JointFinding, policy: DriftPolicy, block: str = "block") -> str:
    """One line with numbers, floor, level, sample and method.

    For example: ``all columns together: told apart with AUC 0.78 ≥ floor 0.55, p 0.0010 (wind,
    temperature; learned on every second block, looked at 10 and 10 others; 999 permutations of
    whole blocks, level 5 %)``.
    """
    match finding.reason:
        case JointReason.TOO_FEW_BLOCKS:
            needed = f"{policy.min_blocks} {block}s a side, in one window only, are needed"
            return f"all columns together: not compared, {needed}"
        case JointReason.NO_COLUMNS:
            return "all columns together: not compared, no column varies in both windows"
    assert finding.auc is not None
    assert finding.p_value is not None
    said = {
        JointReason.NOT_TOLD_APART: f"not told apart, AUC {finding.auc:.2f} < floor {AUC_FLOOR}",
        JointReason.TOLD_APART: f"told apart with AUC {finding.auc:.2f} ≥ floor {AUC_FLOOR}",
        JointReason.NOT_DISTINGUISHED: f"AUC {finding.auc:.2f} ≥ floor {AUC_FLOOR} may be chance",
    }[finding.reason]
    before, now = finding.held_out
    return (
        f"all columns together: {said}, p {finding.p_value:.4f} ({', '.join(finding.columns)}; "
        f"learned on every second {block}, looked at {before} and {now} others; "
        f"{policy.permutations:,} permutations of whole {block}s, level {100 * policy.alpha:.3g} %)"
    )
