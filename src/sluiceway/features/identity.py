"""The identity of a feature's definition: its version, and a hash of what makes its values.

A version written as ``1.0.0+3f1c09a2b7de`` is a *stamp*: semver's build metadata holds the first
twelve digits of the hash. Who changes the code and keeps the version is told so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sluiceway.canonical import sha256_of
from sluiceway.system.inputs import Feature

DIGITS: Final = 12
"""Hexadecimal digits of the hash in a stamp; enough against accidents, short enough for people."""

Definitions = Mapping[tuple[str, str], str]
"""Hash of each definition, by feature and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One definition as a model version carries it.

    Attributes:
        version: Semver of the feature.
        definition: First digits of the definition's hash; None where nobody wrote them down.
    """

    version: str
    definition: str | None

    @classmethod
    def read(cls, text: str) -> "Stamp":
        """Read ``1.0.0`` or ``1.0.0+3f1c09a2b7de``."""
        version, _, definition = text.partition("+")
        return cls(version=version, definition=definition or None)

    def __str__(self) -> str:
        return self.version if self.definition is None else f"{self.version}+{self.definition}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDefinition:
    """A definition that is not what it was under the same version.

    Attributes:
        before: First digits of its hash when it was written down.
        after: The same now; None where the version is declared no longer.
    """

    feature: str
    version: str
    before: str
    after: str | None

    def __str__(self) -> str:
        was = f"{self.feature} {self.version} was {self.before}"
        if self.after is None:
            return f"{was} and is declared no longer; keep it under other_versions"
        return (
            f"{was} and is {self.after} now: its code, inputs, type or unit changed under the same "
            "version; give the changed definition a new version and keep this one as it was"
        )


def definition_sha256(feature: Feature, version: str, code: str | None) -> str:
    """Hash what makes a feature's values: the columns it reads, its code, its type and its unit.

    Args:
        version: One of the feature's versions.
        code: The transformation's code in one canonical form, whatever it calls included; None
            where the one column is taken as it is. The function's own name plays no part.

    Returns:
        64 hexadecimal digits.
    """
    return sha256_of(
        {
            "reads": list(feature.versions[version].reads),
            "code": code,
            "dtype": feature.dtype,
            "unit": feature.unit,
        }
    )


def stamps_of(features: Mapping[str, str], definitions: Mapping[str, str]) -> dict[str, Stamp]:
    """Stamps by feature, from versions and the definitions that are known."""
    return {
        name: Stamp(version=version, definition=definitions.get(name))
        for name, version in features.items()
    }


def write_stamps(versions: Mapping[str, str], definitions: Definitions) -> dict[str, str]:
    """What a model version's tag says of the features it was trained with.

    Args:
        versions: Version by feature.

    Raises:
        KeyError: One of them is not defined.
    """
    return {
        name: str(Stamp(version=version, definition=definitions[name, version][:DIGITS]))
        for name, version in sorted(versions.items())
    }


def read_stamps(texts: Mapping[str, str]) -> dict[str, Stamp]:
    """Read what :func:`write_stamps` wrote, or versions alone."""
    return {name: Stamp.read(text) for name, text in texts.items()}


def changed_definitions(
    stamps: Mapping[str, Stamp], definitions: Definitions
) -> tuple[ChangedDefinition, ...]:
    """Features whose definition is no longer what their stamp says; unstamped ones tell nothing."""
    found = []
    for name, stamp in sorted(stamps.items()):
        if stamp.definition is None:
            continue
        now = definitions.get((name, stamp.version))
        after = None if now is None else now[: len(stamp.definition)]
        if after != stamp.definition:
            found.append(
                ChangedDefinition(
                    feature=name, version=stamp.version, before=stamp.definition, after=after
                )
            )
    return tuple(found)
