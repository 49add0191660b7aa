"""Whether a contract may follow an earlier one under the version and the names it bears."""

from dataclasses import dataclass
from enum import StrEnum

import semver

from sluiceway.contracts.change_kinds import Bump, Change, ChangeKind, sentence
from sluiceway.contracts.changes import diff, required_bump
from sluiceway.contracts.values import Contract


class VersionCode(StrEnum):
    """What is wrong with a contract that follows another one."""

    BUMP_TOO_SMALL = "bump_too_small"
    VERSION_WENT_BACK = "version_went_back"
    SAME_VERSION = "same_version"
    """One version, two contents."""
    NAME_TAKEN_AGAIN = "name_taken_again"
    NAME_NOT_RESERVED = "name_not_reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFinding:
    """A declared version that hides what changed, or a name that would come to mean two things.

    Attributes:
        required: The smallest honest rise; None where nothing changed.
        changes: Those that require more than was declared.
        names: The names that are wrong.
    """

    code: VersionCode
    model: str
    old: str
    new: str
    required: Bump | None
    changes: tuple[Change, ...] = ()
    names: tuple[str, ...] = ()


def check_version(old: Contract, new: Contract) -> tuple[VersionFinding, ...]:
    """Compare the declared rise of the version with the one that the changes require.

    Before 1.0.0 the same rule holds: consumers do not break less for a leading zero. A removed
    field's name has to stay reserved, so that nobody who still reads it gets something else.

    Raises:
        ValueError: They are contracts of different models, or a version is no semantic version.
    """
    changes = diff(old, new)
    required = required_bump(changes)
    before, after = semver.Version.parse(old.version), semver.Version.parse(new.version)
    declared = _declared_size(before, after)
    hidden = tuple(change for change in changes if change.bump.size > declared)
    code: VersionCode | None = None
    if after < before:
        code, hidden = VersionCode.VERSION_WENT_BACK, ()
    elif hidden:
        code = VersionCode.SAME_VERSION if declared < 0 else VersionCode.BUMP_TOO_SMALL
    taken = tuple(
        change.field
        for change in changes
        if change.kind is ChangeKind.FIELD_ADDED and change.field in old.reserved
    )
    renamed = {c.after for c in changes if c.kind is ChangeKind.FIELD_RENAMED}
    taken += tuple(sorted(renamed & set(old.reserved)))
    gone = {field.name for field in old.output} - {field.name for field in new.output}
    lost = (gone | set(old.reserved)) - set(new.reserved)
    lost -= {field.name for field in new.output}
    return tuple(
        VersionFinding(
            code=found,
            model=new.model,
            old=old.version,
            new=new.version,
            required=required,
            changes=hidden if found is code else (),
            names=tuple(map(str, names)),
        )
        for found, names in (
            (code, ()),
            (VersionCode.NAME_TAKEN_AGAIN if taken else None, taken),
            (VersionCode.NAME_NOT_RESERVED if lost else None, sorted(lost)),
        )
        if found is not None
    )


def version_sentence(finding: VersionFinding) -> str:
    """A version finding in words."""
    step = f"{finding.model}: version {finding.old} → {finding.new}"
    because = "; ".join(sentence(change) for change in finding.changes)
    names = ", ".join(finding.names)
    match finding.code:
        case VersionCode.VERSION_WENT_BACK:
            return f"{step} goes back"
        case VersionCode.SAME_VERSION:
            return (
                f"{finding.model}: two contracts bear the version {finding.new}; "
                f"a {finding.required} bump is needed for what changed: {because}"
            )
        case VersionCode.BUMP_TOO_SMALL:
            said = f"{step} is less than the {finding.required} bump that the changes require"
            return f"{said}: {because}" if because else said
        case VersionCode.NAME_TAKEN_AGAIN:
            return (
                f"{finding.model}: {names} was the name of a removed field; whoever reads the old "
                "one would get something else: take another name"
            )
        case VersionCode.NAME_NOT_RESERVED:
            return (
                f"{finding.model}: {names} is promised no longer and its name is not kept; "
                "put it under reserved"
            )


def _declared_size(before: semver.Version, after: semver.Version) -> int:
    """Size of the declared rise in the order of :class:`Bump`; −1 for none."""
    if after.major != before.major:
        return Bump.MAJOR.size
    if after.minor != before.minor:
        return Bump.MINOR.size
    return Bump.PATCH.size if after.patch != before.patch else -1
