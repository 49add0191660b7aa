"""What becomes of a version that somebody says was registered: looked up, told once, remembered."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final

from sluiceway.journal import JournalConflict
from sluiceway.ports import UnknownVersion, UnloadableVersion
from sluiceway.registrations import Registration
from sluiceway.rollouts.events import RegistrationHeard, draft, happening
from sluiceway.steps.site import Site

STREAM: Final = "registrations"
"""Under which the journal keeps which deliveries were heard."""

Emit = Callable[[Registration], None]
"""Tells whoever starts rollouts; raises where that failed, and is then asked again."""


class Heard(StrEnum):
    """What became of a delivery."""

    PASSED_ON = "passed_on"
    KNOWN = "known"
    """This delivery, or another of the same version, was passed on before."""
    NOT_OURS = "not_ours"
    """The system has no such model."""
    NOT_THERE = "not_there"
    """The registry has no such version: a test, or a hint that was wrong."""


def hear(site: Site, registration: Registration, emit: Emit, *, now: datetime) -> Heard:
    """Pass a registration on, once, if the registry agrees.

    It is passed on first and remembered then, so that one which dies in between is passed on
    again: whoever starts rollouts asks for the same one twice and gets one.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is remembered.
        JournalUnavailable: What was heard before cannot be known.
    """
    if registration.model not in site.systems.current().models:
        return Heard.NOT_OURS
    known, _ = _heard(site)
    if _is_known(registration, known):
        return Heard.KNOWN
    try:
        site.registry.version(registration.model, registration.version)
    except UnknownVersion:
        return Heard.NOT_THERE
    except UnloadableVersion:
        pass  # it is there; what is wrong with it, its rollout says
    emit(registration)
    return Heard.PASSED_ON if _remember(site, registration, now=now) else Heard.KNOWN


def heard_of(site: Site) -> tuple[Registration, ...]:
    """Every registration that was passed on, in order."""
    return _heard(site)[0]


def _heard(site: Site) -> tuple[tuple[Registration, ...], int]:
    events = site.journal.events(site.environment, STREAM)
    told = (happening(event) for event in events)
    known = (one.registration for one in told if isinstance(one, RegistrationHeard))
    return tuple(known), len(events)


def _is_known(registration: Registration, known: tuple[Registration, ...]) -> bool:
    return any(
        one.delivery_id == registration.delivery_id
        or (one.model, one.version) == (registration.model, registration.version)
        for one in known
    )


def _remember(site: Site, registration: Registration, *, now: datetime) -> bool:
    """Write it down; False where another receiver was faster."""
    while True:
        known, seq = _heard(site)
        if _is_known(registration, known):
            return False
        told = draft(RegistrationHeard(registration=registration), at=now)
        try:
            site.journal.append(site.environment, STREAM, [told], after=seq)
        except JournalConflict:
            continue
        return True
