"""Where harm comes from, as lines of text with every number."""

from collections.abc import Iterable

from sluiceway.attribution import Attribution, Effect, GateHarm, SourceAttribution, SourceHarm
from sluiceway.reports.attribution_rows import (
    ShareRow,
    alternatives_said,
    effect_said,
    interaction_said,
    places_of,
    share_rows,
)
from sluiceway.reports.figures import joined, plain, with_unit


def attribution_lines(found: Attribution) -> tuple[str, ...]:
    """The sentence, its sizes, what else would do, the sources, and whose share the harm is."""
    lines = [f"{found.sentence}.", *_sizes(found)]
    if (together := interaction_said(found)) and found.origin is None:
        lines.append(together)
    lines += alternatives_said(found)
    if found.sources is not None and not found.sources.sources:
        lines.append(f"Sources: {found.sources.sentence}.")
    lines += _shares_by_gate(found)
    return tuple(lines)


def _shares_by_gate(found: Attribution) -> Iterable[str]:
    rows = share_rows(found)
    for harmed in found.harmed:
        shares = [_share_said(row) for row in rows if row.gate == harmed.gate]
        if shares:
            yield (
                f"Shapley shares of {harmed.gate}'s harm, which explain and do not decide: "
                f"{'; '.join(shares)}."
            )


def _share_said(row: ShareRow) -> str:
    said = f"{row.node} {with_unit(row.share, row.unit)}"
    notes = [note for note in (row.percent, f"sampled {row.error}" if row.error else "") if note]
    return f"{said} ({', '.join(notes)})" if notes else said


def _sizes(found: Attribution) -> Iterable[str]:
    """Of each harmed gate, how large its harm is and what taking back leaves of it."""
    named = next((one for one in found.reversions if set(one.reverted) == set(found.revert)), None)
    for harmed in found.harmed:
        left = named.harms.get(harmed.gate) if named is not None and found.revert else None
        back = f"with {joined(found.revert)} taken back"
        yield _size(harmed, f", {harmed.path.value}", back, left)
    if found.sources is not None and found.sources.sources:
        yield from _sizes_by_source(found.sources)


def _sizes_by_source(found: SourceAttribution) -> Iterable[str]:
    named = next(
        (
            one
            for one in found.replacements
            if (one.sources, one.treatments) == (found.sources, found.treatments)
        ),
        None,
    )
    for harmed in found.harmed:
        left = None if named is None else named.harms.get(harmed.gate)
        yield _size(harmed, "", f"with {joined(found.sources)} replaced", left)


def _size(harmed: GateHarm | SourceHarm, path: str, back: str, left: Effect | None) -> str:
    places = places_of(harmed)
    said = with_unit(f"{harmed.gate}: harm {effect_said(harmed.harm, places)}", harmed.unit)
    margin = with_unit(f"margin {plain(harmed.margin, places)}", harmed.unit)
    if left is None:
        return f"{said}{path} ({margin})."
    return f"{said}{path}; {back} {effect_said(left, places)} is left ({margin})."
