"""How gates that no replay shows would scatter in a canary, by what the log says of the champion.

How a version is served, and labels that depend on the answer that was given, are seen live only.
But a harmless candidate does there as the champion does: so the champion's own answers of the
recorded window are shared out to two arms and compared as live ones are, block by block.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pandas as pd

from sluiceway.gates import Gate
from sluiceway.planning import RecordedHarms
from sluiceway.ports import Window
from sluiceway.replay.partitions import needs_of_models
from sluiceway.replay.scattering import SALT
from sluiceway.rollouts.plan import Plan
from sluiceway.routing import in_canary
from sluiceway.statistics.sequential import BlockHarm
from sluiceway.steps.missing_answers import MissingAnswers
from sluiceway.steps.own_units import harms_of_own_units
from sluiceway.steps.served_evidence import halves_of
from sluiceway.steps.site import Site
from sluiceway.system.values import System


def with_live_only(
    site: Site,
    system: System,
    plan: Plan,
    window: Window,
    recorded: RecordedHarms,
    *,
    now: datetime,
) -> RecordedHarms:
    """The same record with the gates that only live answers show, as far as the log knows enough.

    A log that cannot be read is no reason to refuse a rollout that a replay has passed: the plan
    then says that these gates are not in it.
    """
    gates = [gate for gate in plan.gates if not gate.in_shadow]
    if not gates:
        return recorded
    try:
        rows = _champions_rows(site, plan, window)
        live = {} if rows.empty else _halves(site, system, plan, gates, window, rows, now)
    except Exception:  # noqa: BLE001 - whatever a log's adapter raises; see above
        return recorded
    return recorded.with_live(gates, live, plan.min_blocks)


def _champions_rows(site: Site, plan: Plan, window: Window) -> pd.DataFrame:
    """What the champion's consumers received, with ``block`` and the half that is ``arm``."""
    log = site.predictions.read(window)
    missing = MissingAnswers.of(plan.calendar, site.predictions.gaps(window), window)
    if log.empty:
        return log
    # While a promotion is watched, what serves all units is the arm that was the candidate.
    serves = log["arm"].eq("baseline") | log["weight"].eq(100)
    rows = log[log["path"].eq("primary") & serves]
    rows = rows.assign(block=plan.calendar.names(pd.DatetimeIndex(rows["event_time"])))
    rows = rows[~rows["block"].isin(missing.blocks)]
    # The rows of one question were answered in one pass: in two arms they would scatter together.
    asked = rows["unit"].astype(str)
    if "request_id" in rows:
        asked = rows["request_id"].fillna(asked)
    chosen = pd.Series(in_canary(SALT, asked, 50), index=rows.index)
    return rows.assign(arm=chosen.map({True: "candidate", False: "baseline"}))


def _halves(
    site: Site,
    system: System,
    plan: Plan,
    gates: Sequence[Gate],
    window: Window,
    rows: pd.DataFrame,
    now: datetime,
) -> Mapping[str, Iterable[BlockHarm]]:
    found: dict[str, Iterable[BlockHarm]] = dict(halves_of(system, plan.serving, rows))
    answered = [gate for gate in gates if gate not in plan.serving]
    if answered:
        labels = sorted({gate.label for gate in answered})
        labelled = rows.join(_labels(site, system, labels, window, now), on="unit")
        found |= {gate.name: harms_of_own_units(gate, labelled).values() for gate in answered}
    return found


def _labels(
    site: Site, system: System, labels: Sequence[str], window: Window, now: datetime
) -> pd.DataFrame:
    """What is known of these labels, by unit."""
    needs = needs_of_models(system, site.champion().release.members.values(), labels)
    parts = [
        pd.DataFrame({name: part.labels[name] for name in labels}, index=list(map(str, part.units)))
        for part in site.systems.recorded(system).partitions(
            window, world="recorded", needs=needs, as_of=now
        )
    ]
    return pd.concat(parts)
