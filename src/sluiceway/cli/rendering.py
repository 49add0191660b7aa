"""How answers look: tables for people, one JSON value for programs."""

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from sluiceway.durations import render_duration
from sluiceway.graph import BlastRadius
from sluiceway.journal import Champion
from sluiceway.rights import why_sentence
from sluiceway.rollouts.endings import Ending
from sluiceway.rollouts.reasons import drift_reason
from sluiceway.rollouts.state import RolloutState
from sluiceway.system.timing import TimeNeed
from sluiceway.system.values import Edge, System

CONSOLE = Console(highlight=False)

_WIDE = 10_000
"""Width where nobody looks: what is piped has one line a row, whatever its length."""

_NARROWEST = 24
"""Fewest characters a line of the last column gets, on however narrow a terminal."""

STYLES = {
    Ending.PROMOTED: "green",
    Ending.REJECTED: "red",
    Ending.ROLLED_BACK: "red",
    Ending.INCONCLUSIVE: "yellow",
    Ending.ERRORED: "magenta",
    Ending.ABORTED: "yellow",
    Ending.EXPIRED: "yellow",
}


def say(text: str) -> None:
    """Print text as it is."""
    CONSOLE.print(text, markup=False, soft_wrap=True)


def say_json(value: object) -> None:
    """Print one JSON value on one line."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headings; only the last column wraps, and no name is ever cut."""
    cells = [list(row) for row in rows]
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    names = 0
    for place, column in enumerate(columns[:-1]):
        drawn.add_column(column, no_wrap=True)
        names += max(cell_len(column), *(_shown(row[place]) for row in cells), 0) + 2
    drawn.add_column(columns[-1], overflow="fold")
    for row in cells:
        drawn.add_row(*row)
    room = CONSOLE.width if CONSOLE.is_terminal else _WIDE
    Console(highlight=False, width=max(room, names + _NARROWEST)).print(drawn)


def _shown(cell: str) -> int:
    """How wide a cell with markup is."""
    return Text.from_markup(cell).cell_len


def system_json(system: System) -> dict[str, Any]:
    """The graph in plain types."""
    return {
        "system": system.name,
        "digest": system.digest,
        "sources": sorted(system.sources),
        "features": sorted(system.features),
        "models": list(system.models),
        "consumers": sorted(system.consumers),
        "edges": [
            {
                "producer": edge.producer,
                "field": edge.field,
                "consumer": edge.consumer,
                "relies_on": [reliance.value for reliance in edge.relies_on],
                "delayed": render_duration(edge.delayed) if edge.delayed else None,
                "needs": {
                    need: render_duration(time)
                    for need, time in (
                        (TimeNeed.LATENCY_P99, edge.needs.latency_p99),
                        (TimeNeed.FRESHNESS, edge.needs.freshness),
                    )
                    if time is not None
                },
            }
            for edge in system.edges
        ],
    }


def say_graph(system: System) -> None:
    """Print the chain from the outside applications back to what feeds them."""
    root = Tree(f"[bold]{system.name}[/bold]")
    readers: dict[str, list[str]] = {}
    for edge in system.edges:
        relies = ", ".join([*edge.relies_on, *_in_time(edge)])
        readers.setdefault(edge.producer, []).append(f"{edge.consumer} ({relies})")
    for name, model in system.models.items():
        node = root.add(f"[cyan]{name}[/cyan] {model.contract.version} · {model.owner}")
        features = [edge.producer for edge in model.inputs if edge.field is None]
        models = [
            f"{edge.column} {render_duration(edge.delayed)} earlier"
            if edge.delayed
            else edge.column
            for edge in model.inputs
            if edge.field is not None
        ]
        if models:
            node.add(f"reads {', '.join(models)}")
        if features:
            node.add(f"reads {len(features)} features: {', '.join(features)}")
        for reader in readers.get(name, []):
            node.add(f"→ {reader}")
    CONSOLE.print(root)


def _in_time(edge: Edge) -> list[str]:
    """What an edge says of time: how much earlier it reads, and what it needs."""
    said = [f"{render_duration(edge.delayed)} earlier"] if edge.delayed else []
    if edge.needs.latency_p99:
        said.append(f"needs p99 {render_duration(edge.needs.latency_p99)}")
    if edge.needs.freshness:
        said.append(f"needs freshness {render_duration(edge.needs.freshness)}")
    return said


def radius_json(radius: BlastRadius) -> dict[str, Any]:
    """A blast radius in plain types."""
    return {
        "changed": list(radius.changed),
        "models": list(radius.models),
        "consumers": list(radius.consumers),
        "edges": [edge.name for edge in radius.edges],
        "owners": list(radius.owners),
    }


def say_radius(radius: BlastRadius, system: System) -> None:
    """Print who is affected."""
    rows = [
        (name, system.kind(name).value, system.owner_of(name).name, system.owner_of(name).contact)
        for name in (*radius.models, *radius.consumers)
    ]
    table(("affected", "kind", "owner", "contact"), rows)
    say("")
    for edge in radius.edges:
        later = [f"{render_duration(edge.delayed)} earlier"] if edge.delayed else []
        say(f"{edge.name} ({', '.join([*edge.relies_on, *later])})")


def rollout_json(rollout_id: str, state: RolloutState) -> dict[str, Any]:
    """Where a rollout is, in plain types."""
    ended = state.ended
    return {
        "rollout": rollout_id,
        "members": list(state.requested.members) if state.requested else [],
        "phase": state.phase.value,
        "ending": ended.ending.value if ended else None,
        "reason_code": ended.code.value if ended else None,
        "reason": ended.reason if ended else None,
        "origin": {"kind": ended.origin.kind, "name": ended.origin.name}
        if ended and ended.origin
        else None,
        "weight": state.weight,
        "looks": state.looks,
        "held": state.held is not None,
        "waits_for_approval_of": _approvals_json(state),
        "drift": None
        if state.drift is None
        else {
            "columns": list(state.drift.report.columns),
            "watermark": state.drift.watermark,
            "shadow_stale": not state.trusts_shadow,
            "reason": drift_reason(state.drift),
        },
        "waits_behind": state.waits_behind,
    }


def _approvals_json(state: RolloutState) -> list[dict[str, Any]]:
    if state.approval_requested is None or state.ended is not None:
        return []
    return [
        {
            "name": need.name,
            "owners": list(need.by),
            "people": need.people,
            "why": [why_sentence(why) for why in need.why],
        }
        for need in state.waiting_for
    ]


def say_status(champion: Champion | None, rollouts: Mapping[str, RolloutState]) -> None:
    """Print what serves, and every rollout."""
    if champion is None:
        say("nothing serves yet: sluiceway adopt MODEL@VERSION …")
    else:
        versions = ", ".join(f"{m}@{v}" for m, v in champion.release.versions.items())
        say(f"{champion.environment}: generation {champion.generation}: {versions}")
    if not rollouts:
        return
    say("")
    rows = []
    for rollout_id, state in rollouts.items():
        ended = state.ended
        style = STYLES.get(ended.ending, "") if ended else "cyan"
        now = ended.ending.value if ended else f"in {state.phase}"
        if not ended and state.weight:
            now += f" at {state.weight} %"
        if state.held:
            now += ", held"
        waits = f"waits for {state.waits_behind}" if state.waits_behind else ""
        if state.drift is not None and not state.trusts_shadow:
            waits = f"shadow evidence stale: {drift_reason(state.drift)}"
        elif state.drift is not None:
            waits = f"shadow was replayed and passed after {drift_reason(state.drift)}"
        detail = ended.reason if ended else waits
        rows.append((rollout_id, f"[{style}]{now}[/{style}]" if style else now, _short(detail)))
    table(("rollout", "is", "because"), rows)


def _short(text: str, most: int = 100) -> str:
    """As many whole words as fit: a name is shown whole or not at all."""
    return textwrap.shorten(text, most, placeholder=" …").replace("[", "\\[")
