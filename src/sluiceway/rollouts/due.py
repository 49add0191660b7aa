"""Which blocks of live evidence have closed and matured, and when the next one will."""

from datetime import datetime, timedelta

from sluiceway.rollouts.actions import Look
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState

LOOK_AGAIN = timedelta(hours=1)
"""How long evidence that could not be read is left alone before it is read again."""


def due_look(state: RolloutState, plan: Plan, now: datetime) -> Look | None:
    """The blocks that have closed and matured and were not looked at, if any.

    The first block is the first that began after the candidate got traffic; after a promotion,
    the watch ends with the last block that closes inside its window. Blocks that could not be
    read are tried again after a while.
    """
    unreadable = state.look is not None and state.look.fault is not None
    if unreadable and state.looked_at is not None and now < state.looked_at + LOOK_AGAIN:
        return None
    first = _next_block(state, plan)
    limit = now - plan.maturity
    if state.promoted_at is not None:
        limit = min(limit, state.promoted_at + plan.watch.window)
    calendar = plan.calendar
    if calendar.end(first) > limit:
        return None
    last = first
    while calendar.end(following := calendar.name(calendar.end(last))) <= limit:
        last = following
    return Look(first=first, last=last)


def next_look_at(state: RolloutState, plan: Plan) -> datetime:
    """When the next block will have closed and matured, or may be read again (UTC)."""
    matured = plan.calendar.end(_next_block(state, plan)) + plan.maturity
    if state.look is None or state.look.fault is None or state.looked_at is None:
        return matured
    return max(matured, state.looked_at + LOOK_AGAIN)


def watch_over_at(state: RolloutState, plan: Plan) -> datetime:
    """When the watch after a promotion has seen all it is to see (UTC)."""
    assert state.promoted_at is not None
    return state.promoted_at + plan.watch.window + plan.maturity


def _next_block(state: RolloutState, plan: Plan) -> str:
    calendar = plan.calendar
    if state.look is not None and state.look.watermark is not None:
        return calendar.name(calendar.end(state.look.watermark))
    began = state.first_step_at or state.promoted_at
    assert began is not None
    return calendar.name(calendar.next_start(began))
