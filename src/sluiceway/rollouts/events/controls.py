"""What people change about the paths of answers, beside all rollouts."""

from dataclasses import dataclass

from sluiceway.system.flags import Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgesIsolated:
    """Consumers of these edges receive safe defaults from here on; the event's actor cut them.

    Attributes:
        edges: Their names, sorted.
    """

    edges: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgesRestored:
    """Consumers of these edges receive what their producers answer again."""

    edges: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsDeclared:
    """The system file declares these flags, and no others.

    Attributes:
        flags: In the order of the file.
        system_digest: Of the file that they were read from.
    """

    flags: tuple[Flag, ...]
    system_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSet:
    """Everybody takes this variant of a flag, whatever its rules say; the event's actor said so."""

    flag: str
    variant: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagUnset:
    """The flag's own rules and its default hold again."""

    flag: str
    reason: str
