"""Opening the environment that the settings name, and finding rollouts by what people type."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluiceway.errors import BadInput, Fault
from sluiceway.settings import Settings
from sluiceway.steps.site import Site


@contextmanager
def opened(settings: Settings) -> Iterator[Site]:
    """Open everything; imported here because MLflow takes a second that most commands need not.

    Raises:
        BadInput: Nothing of ours is here, so nothing is made either.
    """
    refuse_elsewhere(settings)
    from sluiceway.wiring import opened as wired

    with wired(settings) as site:
        yield site


def refuse_elsewhere(settings: Settings) -> None:
    """Refuse to work in a folder that has nothing to do with us.

    Raises:
        BadInput: There is neither a system file nor a journal.
    """
    if settings.may_have_journal or settings.system.exists():
        return
    what = (
        f"nothing of Sluiceway is here: no system file ({settings.system}) and nothing kept in "
        f"{settings.home}; go where they are, or name them with --system and --home; to begin, "
        "declare a system file, then: sluiceway adopt MODEL@VERSION …"
    )
    raise BadInput([Fault(where=str(Path.cwd()), what=what)])


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
