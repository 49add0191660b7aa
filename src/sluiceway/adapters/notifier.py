"""Sending messages by Apprise; what goes wrong is said and never raised."""

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, Final

from sluiceway.notices import Message
from sluiceway.system.notifications import Channel, Tier

LOUDNESS: Final = {Tier.PAGE: "failure", Tier.NOTIFY: "warning", Tier.DIGEST: "info"}
"""Apprise's type of a message by tier; services colour it, and some page by it."""

BlockSecret = Callable[[str], str | None]
"""Gives what a Secret block holds, by its name; None where there is none."""


def no_blocks(_name: str) -> None:
    """Outside a Prefect server there are no blocks."""


@dataclass(frozen=True, slots=True)
class AppriseNotifier:
    """Sends each message by the Apprise URL that its channel names.

    Attributes:
        block: Reads Secret blocks.
    """

    block: BlockSecret = no_blocks

    def __call__(self, channel: Channel, message: Message) -> str | None:
        """Send it; gives why that failed, without the address, or None where it did not."""
        try:
            url = self._url(channel)
            if not url:
                return f"{channel.address} is not set"
            return _sent(url, channel, message)
        except Exception as error:  # noqa: BLE001 - nothing that a channel does may stop a rollout
            return f"{channel.address}: {type(error).__name__}"  # its text may hold the address

    def _url(self, channel: Channel) -> str | None:
        kind, _, name = channel.address.partition(":")
        return os.environ.get(name) if kind == "env" else self.block(name)


def _sent(url: str, channel: Channel, message: Message) -> str | None:
    apprise = _loaded()
    service = apprise.Apprise()
    if not service.add(url.strip()):
        return f"{channel.address} holds no address that Apprise knows"
    taken = service.notify(
        body=message.body,
        title=_one_line(message.title),
        notify_type=LOUDNESS[message.tier],
        body_format=apprise.NotifyFormat.TEXT,
    )
    return None if taken else f"{channel.address} did not take it"


@cache
def _loaded() -> Any:
    """Apprise with all its services: half a second that most commands need not wait for."""
    import apprise

    with _LOADING, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'imghdr' is deprecated")  # of a service's reader
        apprise.Apprise.instantiate("json://localhost")
    return apprise


_LOADING: Final = Lock()


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
