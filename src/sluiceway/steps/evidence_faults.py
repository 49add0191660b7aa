"""What makes live evidence one that cannot be trusted, or shows that a hard rule was broken."""

import pandas as pd

from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.recurring import in_first_block
from sluiceway.statistics.sample_ratio import Assigned, broken_ratio

LOST_PAIRS_LIMIT = 0.01
"""Share of paired units that one arm may have lost before the evidence counts as broken."""

FALLBACK_LIMIT = 0.01
"""Share of the candidate's units that may have received safe defaults in one look."""

SAMPLE_RATIO_LEVEL = 1e-3
"""Probability that a sound router is ever called broken, over all looks and revisions."""

SILENT_LEVEL = 1e-4
"""Probability below which a mirror that drew no unit of a block is not chance."""


def unanswered_fault(arrived: pd.DataFrame, answered: frozenset[str], plan: Plan) -> str | None:
    """Blocks in which units arrived and nothing that counts was logged: nobody serves, or logs.

    So few units may have arrived that the mirror drew none of them; that is no fault.
    """
    units_of = arrived["block"].value_counts()
    by_chance = (1 - plan.canary.mirror / 100) ** units_of
    silent = sorted(set(units_of.index[by_chance < SILENT_LEVEL]) - answered)
    if not silent:
        return None
    units = int(arrived["block"].isin(silent).sum())
    nothing = "no answer" if plan.canary.unpaired_without_pairs else "no pair of answers"
    return f"{units:,} units arrived in {', '.join(silent)} and {nothing} was logged"


def lost_fault(lost: int, paired: int) -> str | None:
    """Whether too many pairs lack one arm's answer: those that are left would be a selection."""
    if lost <= LOST_PAIRS_LIMIT * (lost + paired):
        return None
    share = 100 * lost / (lost + paired)
    return f"{lost:,} of {lost + paired:,} pairs lost one arm's answer ({share:.1f} %, limit 1 %)"


def fallback_fault(answers: pd.DataFrame) -> str | None:
    """Defaults that happen to fit would otherwise hide a candidate that never answers."""
    lost = int(answers["fallback"].sum())
    if lost <= FALLBACK_LIMIT * len(answers):
        return None
    share = f"{lost:,} of {len(answers):,} units ({100 * lost / len(answers):.1f} %, limit 1 %)"
    return f"the candidate gave no usable answer to {share}; safe defaults took its place"


def ratio_fault(primary: pd.DataFrame, incomplete: frozenset[str]) -> str | None:
    """Whether newly assigned units were shared out as logged, since the evidence began."""
    first = primary[in_first_block(primary["unit"], primary["block"])]
    first = first[~first["block"].isin(incomplete)]
    # Units whose weight nobody wrote down were not shared out by any.
    on_candidate = (first["arm"] == "candidate").groupby(
        [first["routing_revision"], first["weight"]], dropna=False
    )
    counts = on_candidate.agg(["sum", "size"]).reset_index()
    assigned = [
        Assigned(revision=int(revision), weight=float(weight), candidate=int(x), units=int(n))
        for revision, weight, x, n in counts.itertuples(index=False)
    ]
    broken = broken_ratio(assigned, SAMPLE_RATIO_LEVEL)
    if broken is None:
        return None
    share = 100 * broken.candidate / broken.units
    seen = f"{broken.candidate:,} of {broken.units:,} new units ({share:.1f} %)"
    where = f"at weight {broken.weight:g} % (routing revision {broken.revision}; beta mixture, "
    where += f"level {SAMPLE_RATIO_LEVEL:g} over all looks and revisions)"
    return f"sample ratio broken: the candidate answered {seen} {where}"
