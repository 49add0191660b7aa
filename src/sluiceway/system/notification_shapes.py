"""What may stand under ``notifications`` in a system file."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from sluiceway.durations import PositiveDuration
from sluiceway.errors import Fault
from sluiceway.system.notifications import NOBODY_TOLD, Channel, NoticeCode, Notifications, Tier
from sluiceway.yaml_file import Shape, parse_shape

_ADDRESS = r"^(env:[A-Za-z_][A-Za-z0-9_]*|block:[a-z0-9][a-z0-9-]*)$"


class ChannelShape(Shape):
    """One way to reach people."""

    url: str = Field(pattern=_ADDRESS)
    at_most: int = Field(default=20, ge=1)
    within: PositiveDuration = timedelta(hours=1)


class TiersShape(Shape):
    """Names of channels by tier."""

    page: list[str] = []
    notify: list[str] = []
    digest: list[str] = []


class NotificationsShape(Shape):
    """Who is told how."""

    channels: dict[str, ChannelShape] = {}
    owners: dict[str, TiersShape] = {}
    otherwise: TiersShape = TiersShape()
    tiers: dict[NoticeCode, Tier] = {}
    digest_every: PositiveDuration = timedelta(days=1)


def read_notifications(
    content: Any, owners: Iterable[str], *, where: str, faults: list[Fault]
) -> Notifications:
    """Read the section.

    Args:
        content: What stands there; None where nothing does.
        owners: Names of all owners.
        where: The file's name.
        faults: All that is wrong is added to it.
    """
    if content is None:
        return NOBODY_TOLD
    root = f"{where}: notifications"
    if isinstance(content, Mapping):
        faults += _literal_secrets(content.get("channels"), root)
    shape = parse_shape(NotificationsShape, content, where=root, faults=faults)
    if shape is None:
        return NOBODY_TOLD
    named = {f"{root}.owners.{name}": tiers for name, tiers in shape.owners.items()}
    have = ", ".join(shape.channels) or "none"
    for path, tiers in {**named, f"{root}.otherwise": shape.otherwise}.items():
        for tier, channels in _by_tier(tiers).items():
            faults += [
                Fault(where=f"{path}.{tier}", what=f"{one} is no channel (there are: {have})")
                for one in channels
                if one not in shape.channels
            ]
    known = tuple(owners)
    faults += [
        Fault(where=f"{root}.owners.{name}", what=f"is no owner (there are: {', '.join(known)})")
        for name in shape.owners
        if name not in known
    ]
    return Notifications(
        channels={
            name: Channel(name=name, address=one.url, at_most=one.at_most, within=one.within)
            for name, one in shape.channels.items()
        },
        owners={name: _by_tier(tiers) for name, tiers in shape.owners.items()},
        otherwise=_by_tier(shape.otherwise),
        tiers=shape.tiers,
        digest_every=shape.digest_every,
    )


def _by_tier(shape: TiersShape) -> dict[Tier, tuple[str, ...]]:
    listed = {Tier.PAGE: shape.page, Tier.NOTIFY: shape.notify, Tier.DIGEST: shape.digest}
    return {tier: tuple(names) for tier, names in listed.items() if names}


def _literal_secrets(channels: Any, root: str) -> list[Fault]:
    """Addresses that were written out; told without being quoted, and taken out of the content."""
    found = []
    for name, body in channels.items() if isinstance(channels, dict) else ():
        if isinstance(body, dict) and "://" in str(body.get("url", "")):
            body["url"] = "env:WRITTEN_OUT"
            what = "an address is a secret; write env:NAME or block:NAME of what holds it"
            found.append(Fault(where=f"{root}.channels.{name}.url", what=what))
    return found
