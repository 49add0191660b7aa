"""What clients may ask at one moment, worked out once from what is served then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sluiceway.contracts.values import Contract
from sluiceway.releases import Release
from sluiceway.serving.protocols.asking import is_sticky
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.served import Served
from sluiceway.system.inputs import Feature
from sluiceway.system.values import System

SHOWN: Final = 10
"""How many names an error lists."""

_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OfferedModel:
    """One model that may be asked.

    Attributes:
        features: What a question to it needs, by name: every feature that it or a model on the way
            to it reads.
        contract: What the champion's version promises.
        dtypes: Promised type by output field.
        versions: Versions that may be asked for by number.
        description: Of the system file.
    """

    name: str
    features: Mapping[str, Feature]
    contract: Contract
    dtypes: Mapping[str, str]
    versions: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offer:
    """What may be asked, and how answers are told apart.

    Attributes:
        served: What it was worked out from.
        models: By name, producers before their consumers.
        features: Names of all features.
        texts: Names of columns that hold texts whatever they look like, the unit's among them.
        releases: Version by model, by the content hash of a release.
    """

    served: Served
    models: Mapping[str, OfferedModel]
    features: frozenset[str]
    texts: frozenset[str]
    releases: Mapping[str, Mapping[str, str]]

    @property
    def unit(self) -> str:
        """The system's unit."""
        return self.served.system.unit

    @property
    def sticky(self) -> bool:
        """Whether a unit comes back to its arm."""
        return is_sticky(self.served.system.unit)

    def model(self, name: str, version: str | None = None) -> OfferedModel:
        """The model of this name, where it has this version.

        Raises:
            Refused: There is no such model, or the version does not serve.
        """
        offered = self.models.get(name)
        if offered is None:
            what = f"there is no model {name[:80]!r}; there are {_listed(tuple(self.models))}"
            raise Refused(RefusalCode.UNKNOWN_MODEL, what)
        if version is not None and version not in offered.versions:
            serving = _listed(offered.versions) or "none"
            what = f"{name}@{version[:80]} does not serve; of {name} these do: {serving}"
            raise Refused(RefusalCode.UNKNOWN_VERSION, what)
        return offered

    def contract(self, name: str, version: str | None) -> Contract:
        """What a version promises; the champion's where none is named.

        Raises:
            Refused: There is no such model, or the version does not serve.
        """
        offered = self.model(name, version)
        if version is None:
            return offered.contract
        return self.served.contracts.get((name, version), offered.contract)

    def dtypes(self, name: str, version: str | None) -> Mapping[str, str]:
        """Promised type by output field of a version; the champion's where none is named."""
        if version is None:
            return self.models[name].dtypes
        return {field.name: field.dtype for field in self.contract(name, version).output}

    def version_of(self, model: str, release: str) -> str:
        """The model's version in a release; empty where the release is not known any more."""
        return self.releases.get(release, _NOBODY).get(model, "")


def offer_of(served: Served) -> Offer:
    """Work out what may be asked."""
    system = served.system
    needed = dict(_needed(system))
    models = {
        name: _offered(served, name, needed[name])
        for name in system.models
        if name in served.champion.members
    }
    return Offer(
        served=served,
        models=models,
        features=frozenset(system.features),
        texts=frozenset((system.unit, *_texts(system))),
        releases={release.content_hash: release.versions for release in _releases(served)},
    )


def _offered(served: Served, name: str, features: Mapping[str, Feature]) -> OfferedModel:
    model = served.system.models[name]
    version = served.champion.members[name].version
    contract = served.contracts.get((name, version), model.contract)
    return OfferedModel(
        name=name,
        features=features,
        contract=contract,
        dtypes={field.name: field.dtype for field in contract.output},
        versions=tuple(sorted(v for m, v in served.backends if m == name)),
        description=model.description,
    )


def _needed(system: System) -> Iterator[tuple[str, dict[str, Feature]]]:
    """Features by model, those of the models it reads first; an earlier answer needs none now."""
    known: dict[str, dict[str, Feature]] = {}
    for name, model in system.models.items():
        features: dict[str, Feature] = {}
        for edge in model.inputs:
            if edge.producer in system.features:
                features[edge.producer] = system.features[edge.producer]
            elif edge.delayed is None:
                features.update(known.get(edge.producer, {}))
        known[name] = features
        yield name, features


def _texts(system: System) -> Iterator[str]:
    """Every name under which a feature of texts may come."""
    for name, feature in system.features.items():
        if feature.dtype != "string":
            continue
        yield name
        for number, version in feature.versions.items():
            yield f"{name}@{number}"
            if version.transformation is None:
                yield version.reads[0]


def _releases(served: Served) -> Iterator[Release]:
    yield served.champion
    for pairing in served.pairings:
        yield pairing.baseline
        yield pairing.candidate


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
