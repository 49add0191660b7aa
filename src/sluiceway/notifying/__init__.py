"""What to tell whom, how loudly and when; sending it is an adapter's matter."""

from sluiceway.notifying.sending import ATTEMPTS, NEWS_FOR, due_messages, failed_channels
from sluiceway.notifying.telling import TOLD_OF, notices_of

__all__ = [
    "ATTEMPTS",
    "NEWS_FOR",
    "TOLD_OF",
    "due_messages",
    "failed_channels",
    "notices_of",
]
