"""A release: the immutable set of versions that serves, as one thing with one number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from sluiceway.canonical import as_json, canonical_text, sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model version inside a release.

    Attributes:
        contract_hash: Content hash of the contract it was verified against.
        artifact_sha256: Digest of the model's files: what was tested is what is served.
        features: Version of each feature it reads.
        definitions: First digits of the hash of each of these features' definitions, where known.
        contract_version: Semver of that contract, for people; None where it was not written down.
            The contract's hash covers it, so it takes no part in equality or in any hash.
    """

    model: str
    version: str
    contract_hash: str
    artifact_sha256: str
    features: Mapping[str, str]
    definitions: Mapping[str, str] = field(default_factory=dict)
    contract_version: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """How people call it: ``dep_delay@2``."""
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of every model of a system. Equal content means an equal hash."""

    members: Mapping[str, Member]

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical content; the release's identity."""
        content = as_json(_ADAPTER, self)
        for member in content["members"].values():
            del member["contract_version"]
            # Releases from before definitions were kept stay who they are.
            if not member["definitions"]:
                del member["definitions"]
        return sha256_of(content)

    @property
    def versions(self) -> dict[str, str]:
        """Version by model, in order of the models' names."""
        return {name: self.members[name].version for name in sorted(self.members)}

    def with_members(self, members: Iterable[Member]) -> "Release":
        """The release that has these members in the place of its own of the same models."""
        return Release(members={**self.members, **{m.model: m for m in members}})

    def changed_from(self, baseline: "Release") -> tuple[str, ...]:
        """Names of the models that differ from the baseline's, sorted."""
        return tuple(
            sorted(
                name
                for name in self.members.keys() | baseline.members.keys()
                if self.members.get(name) != baseline.members.get(name)
            )
        )

    def to_json(self) -> str:
        """As canonical text; :meth:`from_json` reads it back."""
        return canonical_text(as_json(_ADAPTER, self))

    @staticmethod
    def from_json(text: str) -> "Release":
        """Read what :meth:`to_json` wrote.

        Raises:
            pydantic.ValidationError: The text is no release.
        """
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[Release] = TypeAdapter(Release)


def parse_member_name(text: str) -> tuple[str, str]:
    """Split ``dep_delay@2`` into model and version.

    Raises:
        ValueError: It is not written so.
    """
    model, at, version = text.partition("@")
    if not (model and at and version):
        raise ValueError(f"{text!r} names no version; write MODEL@VERSION, like dep_delay@2")
    return model, version
