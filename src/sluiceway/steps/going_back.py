"""Going back by hand: which generation is meant, and what has to make way for it."""

from datetime import datetime

from sluiceway.errors import BadInput, Fault
from sluiceway.journal import Champion, JournalConflict
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    AbortRequested,
    Adopted,
    ChampionRestored,
    Ended,
    PartServed,
    Promoted,
    RollbackDecided,
    draft,
    happening,
)
from sluiceway.steps.chain import refuse_altered
from sluiceway.steps.site import Site


def request_rollback(site: Site, *, to: int | None, reason: str, now: datetime, actor: str) -> str:
    """Decide by hand that an earlier generation is to serve again.

    Every rollout that is not promoted is aborted first: its baseline is about to go. One that is
    being watched ends by itself once its versions serve no more.

    Args:
        to: The generation; None for the one that the present one replaced. What was rolled
            back before is never meant by that.

    Returns:
        Id under which the journal keeps it.

    Raises:
        BadInput: There is no such generation, or it serves already.
    """
    refuse_altered(site)
    champion = site.champion()
    target = generation_to_serve(site, to)
    for other in site.journal.rollouts(site.environment):
        why = f"{actor} rolls {site.environment} back to generation {target}"
        _make_way(site, other, why, now=now, actor=actor)
    release = site.journal.release(site.environment, target)
    code, rollback_id = ReasonCode.ROLLED_BACK_BY_HAND, f"rollback-{champion.revision:04d}"
    happened = (
        RollbackDecided(code=code, reason=reason),
        ChampionRestored(release=release.content_hash),
        Ended(ending=Ending.ROLLED_BACK, phase=Phase.PROMOTION, code=code, reason=reason),
    )
    site.journal.move_champion(
        site.environment,
        release,
        rollback_id,
        [draft(one, at=now, actor=actor) for one in happened],
        after=0,
        revision=champion.revision,
    )
    return rollback_id


def generation_to_serve(site: Site, to: int | None) -> int:
    """The generation that a rollback by hand would make serve.

    Args:
        to: The generation that is wanted; None for the one that the present one replaced.

    Raises:
        BadInput: There is no such generation, or it serves already.
        LookupError: Nothing serves yet.
    """
    champion = site.champion()
    generations = site.journal.generations(site.environment)
    target = _replaced_by(site, champion) if to is None else to
    if target is not None and target in generations and target != champion.generation:
        return target
    have = ", ".join(str(number) for number in generations if number != champion.generation)
    said = f"generation {champion.generation} replaced none"
    what = said if target is None else f"generation {target} cannot be gone back to"
    raise BadInput([Fault(where="rollback", what=f"{what} (there are: {have or 'none'})")])


def _replaced_by(site: Site, champion: Champion) -> int | None:
    """The generation that the present one replaced; None where it replaced none.

    A restored release takes away, as if it had never served, what it was restored from.
    """
    served: list[tuple[str, str]] = []
    for event in site.journal.chain(site.environment):
        if event.kind not in _MOVES_THE_CHAMPION:
            continue
        moved = happening(event)
        assert isinstance(moved, Adopted | Promoted | ChampionRestored | PartServed)
        if isinstance(moved, ChampionRestored):
            undone = (
                place
                for place, (rollout_id, release) in enumerate(served)
                if rollout_id == event.rollout_id or release == moved.release
            )
            del served[next(undone, len(served)) :]
        served.append((event.rollout_id, moved.release))
    before = served[-2][1] if len(served) > 1 else None
    generations = site.journal.generations(site.environment)
    found = (number for number, release in generations.items() if release == before)
    return next((number for number in found if number != champion.generation), None)


_MOVES_THE_CHAMPION = frozenset({"adopted", "promoted", "champion_restored", "part_served"})


def _make_way(site: Site, rollout_id: str, why: str, *, now: datetime, actor: str) -> None:
    """Abort a rollout that is neither over nor promoted."""
    while True:
        state = site.state(rollout_id)
        if state.requested is None or state.ended is not None or state.promoted is not None:
            return
        wanted = AbortRequested(reason=why)
        try:
            site.tell(rollout_id, wanted, after=state.seq, now=now, actor=actor)
        except JournalConflict:
            continue
        return
