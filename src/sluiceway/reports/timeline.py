"""What a rollout's timeline shows: preparation, traffic, looks, and who decided what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sluiceway.durations import render_duration
from sluiceway.outcomes import Outcome
from sluiceway.planning import Fit
from sluiceway.reports.figures import count, duration, moment, spoken
from sluiceway.reports.story import Story, Told
from sluiceway.rollouts.endings import Ending
from sluiceway.rollouts.events import (
    AbortRequested,
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    CanaryPlanned,
    ChampionRestored,
    Confirmed,
    ContractsChecked,
    DeadlineLengthened,
    Diagnosed,
    Ended,
    FeaturesAudited,
    Happening,
    Held,
    IncidentOpened,
    Looked,
    Planned,
    Promoted,
    Requested,
    Resumed,
    RollbackDecided,
    ShadowMeasured,
    StepEntered,
    TrafficStopped,
    Waited,
)


class Tone(StrEnum):
    """How a mark is coloured; every mark has its word besides."""

    PLAIN = "plain"
    GOOD = "good"
    OPEN = "open"
    BROKEN = "broken"
    BAD = "bad"


_BY_OUTCOME = {
    Outcome.PASSED: Tone.GOOD,
    Outcome.INCONCLUSIVE: Tone.OPEN,
    Outcome.ERROR: Tone.BROKEN,
    Outcome.FAILED: Tone.BAD,
}
_BY_ENDING = {
    Ending.PROMOTED: Tone.GOOD,
    Ending.REJECTED: Tone.BAD,
    Ending.ROLLED_BACK: Tone.BAD,
    Ending.ERRORED: Tone.BROKEN,
}
_FITS = {Fit.IN_TIME: Tone.GOOD, Fit.LENGTHENED: Tone.OPEN, Fit.REFUSED: Tone.BAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened, in a word or two.

    Attributes:
        at: When (UTC).
        word: What.
        detail: One number or name of it; may be empty.
        times: How often in a row; the first time is `at`.
    """

    at: datetime
    word: str
    detail: str = ""
    tone: Tone = Tone.PLAIN
    times: int = 1


def preparation(story: Story) -> tuple[Mark, ...]:
    """What happened before the candidate got its first unit; repetitions are counted."""
    marks: list[Mark] = []
    for told in story.told[: _first_step(story)]:
        mark = _mark(told)
        if mark is None:
            continue
        if marks and replace(marks[-1], at=mark.at, times=1) == mark:
            marks[-1] = replace(marks[-1], times=marks[-1].times + 1)
        else:
            marks.append(mark)
    return tuple(marks)


def decisions(story: Story) -> tuple[Mark, ...]:
    """What was decided from the first step on; steps themselves are traffic, looks are evidence."""
    shown = story.told[_first_step(story) :]
    marks = (_mark(told) for told in shown if not isinstance(told.what, StepEntered | Looked))
    return tuple(mark for mark in marks if mark is not None)


def traffic(story: Story) -> tuple[tuple[datetime, int], ...]:
    """From when on how many percent of the units the candidate was to answer."""
    shares: list[tuple[datetime, int]] = []
    for told in story.told[_first_step(story) :]:
        share = _share(told.what)
        if share is not None and (not shares or shares[-1][1] != share):
            shares.append((told.event.at, share))
    return tuple(shares)


def holds(story: Story) -> tuple[tuple[datetime, datetime], ...]:
    """From when to when a person wanted no further step."""
    found: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    for told in story.told:
        if isinstance(told.what, Held) and since is None:
            since = told.event.at
        elif isinstance(told.what, Resumed | Ended) and since is not None:
            found.append((since, told.event.at))
            since = None
    return (*found, (since, story.latest)) if since is not None else tuple(found)


def timeline_said(story: Story) -> str:
    """What the picture holds, in one sentence."""
    span = story.latest - story.began
    said = f"{count(len(story.told), 'event')} since {moment(story.began)} UTC"
    if span.total_seconds() > 0:
        said += f", over {duration(span)}"
    if not story.steps:
        return f"{said}: nothing live was touched, so steps stand in order, each with its time."
    looks = count(len(story.looks), "look")
    return (
        f"{said}: first the preparation in order; then, to scale, the share of units that the "
        f"candidate answered, {looks} at the evidence with what each came to, and who decided what."
    )


def _first_step(story: Story) -> int:
    steps = (n for n, told in enumerate(story.told) if isinstance(told.what, StepEntered))
    return next(steps, len(story.told))


def _share(what: Happening) -> int | None:
    match what:
        case StepEntered():
            return what.weight
        case Promoted():
            return 100
        case TrafficStopped() | RollbackDecided() | ChampionRestored() | AbortRequested():
            return 0
        case Ended() if what.ending is not Ending.PROMOTED:
            return 0
        case _:
            return None


def _mark(told: Told) -> Mark | None:
    found = _prepared(told.what) or _decided(told.what, told.event.actor)
    if found is None:
        if isinstance(told.what, Confirmed):
            return None
        found = (spoken(told.event.kind), "", Tone.PLAIN)
    word, detail, tone = found
    return Mark(at=told.event.at, word=word, detail=detail, tone=tone)


_Said = tuple[str, str, Tone]


def _prepared(what: Happening) -> _Said | None:
    match what:
        case Requested():
            return "asked for", ", ".join(what.members), Tone.PLAIN
        case Waited():
            return "waits", f"behind {what.behind}", Tone.OPEN
        case Planned():
            return "plan fixed", count(len(what.plan.gates), "gate"), Tone.PLAIN
        case ContractsChecked():
            return "contracts", spoken(what.outcome), _BY_OUTCOME[what.outcome]
        case FeaturesAudited():
            return "features audited", spoken(what.outcome), _BY_OUTCOME[what.outcome]
        case ShadowMeasured():
            rows = f"{spoken(what.outcome)}, {count(what.rows, 'row')}"
            return "shadow replay", rows, _BY_OUTCOME[what.outcome]
        case CanaryPlanned():
            return "canary planned", spoken(what.power.fit), _FITS[what.power.fit]
        case DeadlineLengthened():
            before, after = (render_duration(d) for d in (what.before, what.after))
            return "deadline moved", f"{before} to {after}", Tone.OPEN
        case ApprovalRequested():
            return "approval asked", count(len(what.owners), "owner"), Tone.PLAIN
        case _:
            return None


def _decided(what: Happening, actor: str) -> _Said | None:
    match what:
        case Approved():
            return "approved", f"by {actor}", Tone.GOOD
        case ApprovalRefused():
            return "refused", f"by {actor}", Tone.BAD
        case Held():
            return "held", f"by {actor}", Tone.OPEN
        case Resumed():
            return "resumed", f"by {actor}", Tone.PLAIN
        case TrafficStopped():
            return "traffic stopped", "", Tone.BROKEN
        case AbortRequested():
            return "stop asked for", f"by {actor}", Tone.BAD
        case Promoted():
            return "promoted", "", Tone.GOOD
        case RollbackDecided():
            return "rollback decided", spoken(what.code), Tone.BAD
        case ChampionRestored():
            return "champion put back", "", Tone.BAD
        case Diagnosed():
            return "diagnosed", _origin(what), Tone.PLAIN
        case IncidentOpened():
            return "incident opened", count(len(what.owners), "owner"), Tone.PLAIN
        case Ended():
            tone = _BY_ENDING.get(what.ending, Tone.OPEN)
            return "ended", f"{spoken(what.ending)} in {spoken(what.phase)}", tone
        case _:
            return None


def _origin(what: Diagnosed) -> str:
    origin = what.attribution.origin if what.attribution else None
    return "no origin" if origin is None else f"{origin.kind} {origin.name}"


def runs(outcomes: Sequence[Outcome]) -> tuple[tuple[int, int], ...]:
    """First and last place of each run of equal outcomes."""
    starts = [n for n, one in enumerate(outcomes) if n == 0 or one is not outcomes[n - 1]]
    return tuple(zip(starts, [*(n - 1 for n in starts[1:]), len(outcomes) - 1], strict=True))
