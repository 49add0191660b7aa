"""Refusing to go on with a journal that is not what was written."""

from collections.abc import Iterator

from sluiceway.errors import SluicewayError
from sluiceway.journal import GENESIS, ChainCheck, Champion, Event, check_chain
from sluiceway.steps.site import Site

_MOVES: frozenset[str] = frozenset({"adopted", "promoted", "champion_restored", "part_served"})


class JournalAltered(SluicewayError):
    """Rows of the journal were changed or are missing; nothing is decided by it any more.

    Attributes:
        faults: What is wrong, in words, the first break first.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__(
            f"the journal is not what was written: {'; '.join(faults)}. Nothing goes on by it, and "
            "what serves goes on serving; put a copy from before back, then: sluiceway journal "
            "verify"
        )


def refuse_altered(site: Site) -> None:
    """Refuse to go on where the journal's chain, or what it points at, is broken.

    Raises:
        JournalAltered: It is; which row, is said.
    """
    if faults := altered(site):
        raise JournalAltered(faults)


def altered(site: Site) -> tuple[str, ...]:
    """What is wrong with the journal, in words; empty where it is what was written."""
    return checked(site).faults


def checked(site: Site, known_heads: dict[str, str] | None = None) -> ChainCheck:
    """Walk over the whole chain, the releases, and the champion's pointer.

    Args:
        known_heads: Where else each head was kept, by hash.
    """
    # Read first: what others write meanwhile comes after it in the chain, and moves the pointer on.
    before = site.journal.champion(site.environment)
    head = site.journal.head(site.environment)
    heads = dict(known_heads or {})
    if head != GENESIS:
        heads.setdefault(head, "the journal's own end")
    moves: list[str] = []
    check = check_chain(_watched(site, moves), known_heads=heads)
    if check.faults:
        return check
    faults = [*_releases(site), *_pointer(site, before, moves)]
    return ChainCheck(events=check.events, head=check.head, faults=tuple(faults))


def _watched(site: Site, moves: list[str]) -> Iterator[Event]:
    """The chain; what each event that moved the champion made serve is remembered on the way."""
    for event in site.journal.chain(site.environment):
        if event.kind in _MOVES:
            moves.append(str(event.payload.get("release")))  # an altered one may have none
        yield event


def _releases(site: Site) -> Iterator[str]:
    for generation, content_hash in site.journal.generations(site.environment).items():
        try:
            found = site.journal.release(site.environment, generation).content_hash
        except (ValueError, LookupError):
            found = "nothing that can be read"
        if found != content_hash:
            yield f"generation {generation}: its release was altered"


def _pointer(site: Site, before: Champion | None, moves: list[str]) -> Iterator[str]:
    if before is None and not moves:
        return
    now = site.journal.champion(site.environment)
    seen = {one.release.content_hash for one in (before, now) if one is not None}
    if not moves or moves[-1] not in seen:
        at = "nothing" if now is None else f"generation {now.generation}"
        yield f"the champion is {at}, which no event made it"
