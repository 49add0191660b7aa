"""In whose name somebody answers, and why they may not."""

from collections.abc import Iterable, Mapping
from datetime import date

from sluiceway.rights.approvals import (
    GivenApproval,
    NeededApproval,
    still_open,
    why_sentence,
)
from sluiceway.system.values import Owner


class NotTheirs(Exception):
    """Somebody may not give this answer; the text says why and who is waited for."""


def is_theirs(person: str, asked_by: str) -> bool:
    """Whether a rollout is somebody's own; a name is the same in capitals.

    Args:
        asked_by: Who asked for it, as the journal has it: where versions began by themselves, all
            who registered one are named.
    """
    return person.casefold() in {name.strip().casefold() for name in asked_by.split(",")}


def answers_for(
    needed: Iterable[NeededApproval],
    given: Iterable[GivenApproval],
    owners: Mapping[str, Owner],
    *,
    actor: str,
    owner: str | None,
    today: date,
) -> tuple[str, ...]:
    """The owners in whose name somebody's answer counts.

    Args:
        needed: All approvals of a rollout.
        given: Those that were given.
        actor: Who answers.
        owner: In whose name they say they do; None leaves it to who they are.

    Raises:
        NotTheirs: They speak for nobody who is waited for.
    """
    wanted, said = tuple(needed), tuple(given)
    waiting = still_open(wanted, said)
    if owner is None:
        return _theirs(waiting, said, owners, actor=actor, today=today)
    if owner not in owners:
        if holders := [one.name for one in owners.values() if owner in one.roles]:
            raise NotTheirs(f"{owner} is a role; say --as, with who holds it: {', '.join(holders)}")
        raise NotTheirs(f"{owner} is not among the owners (there are: {', '.join(owners)})")
    if all(owner not in need.by for need in wanted):
        raise NotTheirs(f"{owner} is not asked; it waits for {waits_for(waiting)}")
    if why := _barred(owners[owner], actor=actor, today=today):
        raise NotTheirs(why)
    if all(owner not in need.by for need in waiting):
        raise NotTheirs(f"{owner} has answered; it waits for {waits_for(waiting)}")
    if _has_said(said, actor, owner):
        raise NotTheirs(f"{actor} has answered for {owner}; it waits for {waits_for(waiting)}")
    return (owner,)


def waits_for(waiting: Iterable[NeededApproval]) -> str:
    """Who is waited for, each with why: ``risk (fraud is high risk), desk (…)``."""
    return ", ".join(
        f"{need.name} ({'; '.join(why_sentence(why) for why in need.why)})" for need in waiting
    )


def _theirs(
    waiting: tuple[NeededApproval, ...],
    given: tuple[GivenApproval, ...],
    owners: Mapping[str, Owner],
    *,
    actor: str,
    today: date,
) -> tuple[str, ...]:
    asked = [
        owners[name]
        for name in dict.fromkeys(name for need in waiting for name in need.by)
        if not _has_said(given, actor, name)
    ]
    may = [owner for owner in asked if _barred(owner, actor=actor, today=today) is None]
    named = [owner.name for owner in may if owner.people]
    if named:
        return tuple(named)
    if len(may) == 1:
        return (may[0].name,)
    if may:
        names = ", ".join(owner.name for owner in may)
        raise NotTheirs(f"in whose name? say --as, with one of {names}")
    if any(_has_said(given, actor, name) for need in waiting for name in need.by):
        raise NotTheirs(f"{actor} has answered; it waits for another person: {waits_for(waiting)}")
    raise NotTheirs(f"{actor} speaks for nobody it waits for: {waits_for(waiting)}")


def _barred(owner: Owner, *, actor: str, today: date) -> str | None:
    """Why this person may not speak for an owner; None where they may."""
    if owner.left is not None and owner.left <= today:
        return f"{owner.name} left on {owner.left}; say in the system file who owns it now"
    if owner.people and actor not in owner.people:
        return f"{actor} does not speak for {owner.name} (its people: {', '.join(owner.people)})"
    return None


def _has_said(given: Iterable[GivenApproval], actor: str, owner: str) -> bool:
    return any(one.actor == actor and owner in one.owners for one in given)
