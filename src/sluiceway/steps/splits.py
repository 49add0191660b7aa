"""How units were really shared out, as the log of answers has it."""

from dataclasses import dataclass
from datetime import datetime

from sluiceway.ports import Window
from sluiceway.steps.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What consumers received while one routing table was in force.

    Attributes:
        revision: The table's.
        weight: Percent of units that the candidate was to answer.
        candidate: Rows that the candidate answered.
        rows: All rows.
    """

    revision: int
    weight: int
    candidate: int
    rows: int

    @property
    def share(self) -> float:
        """Percent of the rows that the candidate answered."""
        return 100 * self.candidate / self.rows


def observed_splits(site: Site, rollout_id: str, *, now: datetime) -> tuple[Split, ...]:
    """The splits of a canary's present step, oldest first; none where nothing was logged.

    Raises:
        DamagedLog: The log cannot be read.
    """
    state = site.state(rollout_id)
    if state.step_at is None or state.ended is not None or state.step_at >= now:
        return ()
    log = site.predictions.read(Window(start=state.step_at, end=now))
    if log.empty:
        return ()
    mine = (log["rollout_id"] == rollout_id) & (log["path"] == "primary")
    on_candidate = (log.loc[mine, "arm"] == "candidate").groupby(
        [log.loc[mine, "routing_revision"], log.loc[mine, "weight"]]
    )
    return tuple(
        Split(revision=int(revision), weight=int(weight), candidate=int(x), rows=int(n))
        for revision, weight, x, n in on_candidate.agg(["sum", "size"])
        .reset_index()
        .itertuples(index=False)
        if revision >= state.since_revision
    )
