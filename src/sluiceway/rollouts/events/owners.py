"""What owners are told and say about the fields they promise and read."""

from dataclasses import dataclass

from sluiceway.rights import (
    Acknowledgement,
    Announcement,
    ReplacementTest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeprecationAnnounced:
    """An owner is told that a field will go; the message is what this holds."""

    announcement: Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The owner of an edge has agreed to what is coming; the event's actor said so."""

    acknowledgement: Acknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementTested:
    """What is to replace a deprecated field was tested against a reader's contract."""

    test: ReplacementTest
