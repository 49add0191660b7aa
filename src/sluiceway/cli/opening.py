"""Opening the environment that the settings name, and finding rollouts by what people type."""

from collections.abc import Iterator
from contextlib import contextmanager

from sluiceway.errors import BadInput, Fault
from sluiceway.settings import Settings
from sluiceway.steps.site import Site


@contextmanager
def opened(settings: Settings) -> Iterator[Site]:
    """Open everything; imported here because MLflow takes a second that most commands need not."""
    from sluiceway.wiring import opened as wired

    with wired(settings) as site:
        yield site


def rollout_named(site: Site, text: str) -> str:
    """The rollout of this id, or the only one whose id begins so.

    Raises:
        BadInput: None does, or several do.
    """
    known = site.journal.rollouts(site.environment)
    found = [text] if text in known else [r for r in known if text and r.startswith(text)]
    if len(found) == 1:
        return found[0]
    have = ", ".join(found or known) or "none yet"
    what = "is the beginning of several rollouts" if found else "is no rollout"
    raise BadInput([Fault(where=text, what=f"{what} (there are: {have})")])
