"""A look at an environment: what serves, where every rollout is, and who follows."""

import time
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from sluiceway.cli.opening import opened
from sluiceway.cli.rendering import CONSOLE, rollout_json, say, say_status
from sluiceway.cli.serving_rendering import (
    controls_json,
    say_gateways,
    say_isolations,
    say_set_flags,
    say_splits,
    splits_json,
)
from sluiceway.cli.serving_status import gateways_of, splits_of
from sluiceway.errors import SluicewayError
from sluiceway.journal import Champion
from sluiceway.rollouts.controls import UNTOUCHED, Controls
from sluiceway.rollouts.state import RolloutState
from sluiceway.settings import Settings
from sluiceway.steps.chain import altered
from sluiceway.steps.controlling import controls_of
from sluiceway.steps.splits import Split

_EVERY: Final = 2.0
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen at one time.

    Attributes:
        faults: What of the journal is not as it was written, in words.
    """

    champion: Champion | None
    states: Mapping[str, RolloutState]
    controls: Controls
    splits: Mapping[str, tuple[Split, ...]]
    gateways: tuple[dict[str, Any], ...]
    faults: tuple[str, ...]


def look(settings: Settings) -> Look:
    """Look once; where there is no journal, none is made."""
    champion, states, controls, splits = None, {}, UNTOUCHED, {}
    faults: tuple[str, ...] = ()
    if settings.may_have_journal:
        with opened(settings) as site:
            champion = site.journal.champion(site.environment)
            states = {r: site.state(r) for r in site.journal.rollouts(site.environment)}
            states = {r: state for r, state in states.items() if state.requested is not None}
            controls, splits = controls_of(site), splits_of(site, states)
            faults = altered(site)
    return Look(
        champion=champion,
        states=states,
        controls=controls,
        splits=splits,
        gateways=tuple(gateways_of(settings)),
        faults=faults,
    )


def say_look(seen: Look) -> None:
    """Print it for people."""
    for fault in seen.faults:
        say(f"✗ the journal is not what was written, so nothing goes on by it: {fault}")
    say_status(seen.champion, seen.states)
    say_splits(seen.splits)
    say_isolations(seen.controls)
    say_set_flags(seen.controls)
    if alive := [one for one in seen.gateways if one["alive"]]:
        say("")
        say_gateways(alive)


def look_json(settings: Settings, seen: Look) -> dict[str, Any]:
    """The same in plain types."""
    champion = seen.champion
    return {
        "environment": settings.environment,
        "generation": champion.generation if champion else None,
        "champion": champion.release.versions if champion else None,
        "rollouts": [
            {**rollout_json(r, state), "observed": splits_json(seen.splits.get(r, ()))}
            for r, state in seen.states.items()
        ],
        **controls_json(seen.controls),
        "gateways": list(seen.gateways),
        "journal_faults": list(seen.faults),
    }


def watched(settings: Settings) -> None:
    """Look again and again until Ctrl-C; a look that fails is told and is followed by another."""
    with suppress(KeyboardInterrupt), Live(console=CONSOLE, auto_refresh=False) as live:
        while True:
            live.update(_drawn(settings), refresh=True)
            time.sleep(_EVERY)


def _drawn(settings: Settings) -> Group:
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC; ends with Ctrl-C"
    try:
        seen = look(settings)
    except (SluicewayError, OSError) as error:
        return Group(Text(f"cannot look: {error}", style="red"), Text(at, style="dim"))
    with redirect_stdout(StringIO()) as said:
        say_look(seen)
    lines = (line.rstrip() for line in said.getvalue().splitlines())  # padded, they would be cut
    shown = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
    return Group(shown, Text(at, style="dim"))
