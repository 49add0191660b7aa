"""What a look at an environment shows of its gateways and canaries."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway.cli.serving_rendering import gateway_json
from sluiceway.errors import SluicewayError
from sluiceway.rollouts.state import RolloutState
from sluiceway.settings import Settings
from sluiceway.steps.site import Site
from sluiceway.steps.splits import Split, observed_splits


def gateways_of(settings: Settings) -> list[dict[str, Any]]:
    """Every gateway that has ever said anything, as :func:`gateway_json` has them."""
    from sluiceway.adapters.flag_file import RoutingFile
    from sluiceway.adapters.observed_routing import Gateways

    known = Gateways(settings.heartbeat_folder)
    file = RoutingFile(settings.routing_file)
    file.look()
    wanted = file.table.revision if file.table is not None else 0
    return [
        gateway_json(one, alive=known.is_alive(one), late=one.revision < wanted)
        for one in known.all()
    ]


def splits_of(site: Site, states: Mapping[str, RolloutState]) -> dict[str, tuple[Split, ...]]:
    """What each open canary really received; a log that cannot be read shows none."""
    found: dict[str, tuple[Split, ...]] = {}
    for rollout_id, state in states.items():
        if state.step is None or state.ended is not None or state.promoted is not None:
            continue
        try:
            found[rollout_id] = observed_splits(site, rollout_id, now=datetime.now(UTC))
        except (SluicewayError, OSError):
            continue  # the canary itself says so, with its next look
    return found
