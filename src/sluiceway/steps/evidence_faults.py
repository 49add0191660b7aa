"""What makes live evidence one that cannot be trusted, or shows that a hard rule was broken."""

import math
from datetime import datetime

import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.lost_pairs import PARTS, log_e_unequal
from sluiceway.statistics.recurring import in_first_block
from sluiceway.statistics.sample_ratio import Assigned, broken_ratio
from sluiceway.statistics.sequential import Stratum

LOST_PAIRS_LIMIT = 0.01
"""Share of paired units that one arm may have lost before the evidence counts as broken."""

LOST_UNEQUALLY_LEVEL = 1e-3
"""Probability that arms which lose pairs alike are ever called unequal, over all looks."""

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


def lost_fault(units: pd.DataFrame, start: datetime) -> str | None:
    """Whether too many pairs lack one arm's answer: those that are left would be a selection.

    Args:
        units: Of :func:`~sluiceway.steps.pairs.units_to_pair`.
        start: Where the blocks of this look begin.
    """
    seen = units[units["event_time"] >= start]
    lost = int(seen["lost"].sum())
    if lost <= LOST_PAIRS_LIMIT * len(seen):
        return None
    share = f"({100 * lost / len(seen):.1f} %, limit 1 %)"
    return f"{lost:,} of {len(seen):,} pairs lost one arm's answer {share}: {_lost_by_arm(seen)}"


def unequal_loss_fault(units: pd.DataFrame, calendar: BlockCalendar) -> str | None:
    """Whether one arm has lost more of its pairs than the other, since the evidence began.

    Args:
        units: Of :func:`~sluiceway.steps.pairs.units_to_pair`.
    """
    if not units["lost"].any():
        return None
    log_e = log_e_unequal(_parts(units, calendar))
    if log_e < -math.log(LOST_UNEQUALLY_LEVEL):
        return None
    how = f"bets on {PARTS} parts of each block, level {LOST_UNEQUALLY_LEVEL:g} over all looks"
    return f"one arm loses more of its pairs than the other: {_lost_by_arm(units)} ({how})"


def _lost_by_arm(units: pd.DataFrame) -> str:
    """How many pairs each arm has lost, an arm's units being those who received its answer."""
    said = []
    for name, other, on_candidate in (
        ("candidate", "champion", True),
        ("champion", "candidate", False),
    ):
        own = units.loc[units["on_candidate"] == on_candidate, "lost"]
        share = 100 * float(own.mean()) if len(own) else 0.0
        counts = f"{int(own.sum()):,} of the {name}'s {len(own):,} units ({share:.2f} %)"
        said.append(f"{counts} lack the {other}'s answer")
    return ", ".join(said)


def _parts(units: pd.DataFrame, calendar: BlockCalendar) -> list[list[Stratum]]:
    """Units and lost pairs of each part of a block in which pairs were lost, in order of time."""
    names = units["block"].unique()
    begin = units["block"].map({name: calendar.start(name) for name in names})
    length = units["block"].map({name: calendar.end(name) - calendar.start(name) for name in names})
    part = ((units["event_time"] - begin) / length * PARTS).astype(float) // 1
    strata = units.assign(
        part=part,
        units=1,
        candidate_units=units["on_candidate"],
        candidate_lost=units["on_candidate"] & units["lost"],
    )
    columns = ["units", "candidate_units", "lost", "candidate_lost"]
    counts = strata.groupby(["block", "part", "routing_revision"])[columns].sum()
    found: dict[tuple[str, float], list[Stratum]] = {}
    with_loss = counts[counts["lost"] > 0].reset_index()
    for block, place, _, size, of_candidate, lost, lost_by_candidate in with_loss.itertuples(
        index=False
    ):
        found.setdefault((block, place), []).append(
            Stratum(
                baseline_units=int(size - of_candidate),
                candidate_units=int(of_candidate),
                baseline_events=int(lost - lost_by_candidate),
                candidate_events=int(lost_by_candidate),
            )
        )
    return list(found.values())


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
