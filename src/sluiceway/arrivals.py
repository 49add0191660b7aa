"""Versions that arrive in the registry: which of them want a rollout, and which go as one release.

What goes together follows from the registry alone, so whoever asks again is answered the same.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sluiceway.system.arriving import ArrivalPolicy

RELEASE_NAME_TAG: Final = "sluiceway.release_name"
"""Version tag: what else is to go live as one release with it bears the same."""
REGISTERED_BY_TAG: Final = "sluiceway.registered_by"
"""Version tag: who registered it, where the registry's own word is not to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A version as the registry has it.

    Attributes:
        at: When it was registered (UTC).
        by: Who registered it; empty where the registry does not say.
        release: Name of the release that it is to be part of; None where it bears none.
    """

    model: str
    version: str
    at: datetime
    by: str = ""
    release: str | None = None

    @property
    def name(self) -> str:
        """``model@version``."""
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Versions that want to go live as one release.

    Attributes:
        members: ``model@version`` of each, sorted; no model twice.
        by: Who registered them; empty where nobody knows.
        due: From when on it is taken to be whole (UTC).
    """

    members: tuple[str, ...]
    by: str
    due: datetime


def batches(
    arrivals: Iterable[Arrival],
    *,
    known: Collection[str],
    since: datetime,
    policy: ArrivalPolicy,
) -> tuple[Batch, ...]:
    """Put together what belongs together, first come first.

    Versions that bear one release's name are one; of the others those that arrived no further
    apart than the policy's window. Of several versions of one model in one batch the newest goes,
    and the others never do. What came after its batch had begun goes by itself.

    Args:
        arrivals: All versions of all models.
        known: ``model@version`` of those that have, or had, a rollout, or ever served.
        since: When the environment was adopted (UTC); what was registered before is history.
    """
    came = sorted((one for one in arrivals if one.at >= since), key=lambda one: (one.at, one.model))
    found = []
    for group, wait in _groups(came, policy):
        newest = {one.model: one for one in group}  # the last of each model
        wanted = [one for one in newest.values() if one.name not in known]
        if wanted:
            people = sorted({one.by for one in wanted if one.by})
            found.append(
                Batch(
                    members=tuple(sorted(one.name for one in wanted)),
                    by=", ".join(people),
                    due=max(one.at for one in wanted) + wait,
                )
            )
    return tuple(sorted(found, key=lambda batch: (batch.due, batch.members)))


def _groups(
    came: Sequence[Arrival], policy: ArrivalPolicy
) -> list[tuple[list[Arrival], timedelta]]:
    """What goes together, each with how long it is waited for."""
    named: dict[str, list[Arrival]] = {}
    near: list[list[Arrival]] = []
    for one in came:
        if one.release is not None:
            named.setdefault(one.release, []).append(one)
        elif policy.window and near and one.at - near[-1][-1].at <= policy.window:
            near[-1].append(one)
        else:
            near.append([one])
    return [
        *((group, policy.release_window) for group in named.values()),
        *((group, policy.window) for group in near),
    ]
