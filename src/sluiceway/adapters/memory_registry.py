"""A model registry in memory, with the behaviour of the real one."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from sluiceway.adapters.trial import Answers, Trial, TrialCode, TrialFault, shape_fault
from sluiceway.arrivals import REGISTERED_BY_TAG, RELEASE_NAME_TAG, Arrival
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.lineage import (
    TRAINED_ON_TAG,
    Reading,
    RegistryLineage,
    readings_of_columns,
    readings_of_tags,
    trained_on,
)
from sluiceway.ports import (
    Predictor,
    RegisteredVersion,
    RegistryUnavailable,
    UnknownVersion,
    UnloadableVersion,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    registered: RegisteredVersion
    predictor: Predictor | None
    files: bytes | None
    at: datetime


@dataclass(slots=True)
class MemoryRegistry:
    """Versions that were added by hand; behind :class:`sluiceway.ports.Registry`.

    Attributes:
        available: False makes every question raise RegistryUnavailable.
    """

    available: bool = True
    _kept: dict[str, dict[str, _Kept]] = field(default_factory=dict)
    _aliases: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(
        self,
        model: str,
        version: str,
        predictor: Predictor | None,
        inputs: Sequence[str] | None,
        *,
        contract: Contract | None = None,
        features: Mapping[str, str] | None = None,
        definitions: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
        files: bytes | None = None,
        at: datetime | None = None,
    ) -> None:
        """Register a version, or replace what stands under its number.

        Args:
            predictor: What loading gives; None cannot be loaded.
            inputs: Columns of its signature; None for no signature.
            types: MLflow's type by column.
            files: Stands for the model's files; by default they follow from name and version.
            at: When it was registered (UTC); None for now.
        """
        self._kept.setdefault(model, {})[version] = _Kept(
            registered=RegisteredVersion(
                model=model,
                version=version,
                inputs=None if inputs is None else tuple(inputs),
                contract=contract,
                features=dict(features or {}),
                tags=dict(tags or {}),
                types=dict(types or {}),
                definitions=dict(definitions or {}),
            ),
            predictor=predictor,
            files=f"{model}@{version}".encode() if files is None else files,
            at=at or datetime.now(UTC),
        )

    def remove(self, model: str, version: str) -> None:
        """Delete a version; its aliases go with it."""
        del self._kept[model][version]
        aliases = self._aliases.get(model, {})
        self._aliases[model] = {alias: v for alias, v in aliases.items() if v != version}

    def change_files(self, model: str, version: str, files: bytes | None) -> None:
        """Put other bytes in the place of a version's files; None takes them away."""
        self._kept[model][version] = replace(self._kept[model][version], files=files)

    def version(self, model: str, version: str) -> RegisteredVersion:
        """Look a version up."""
        kept = self._found(model, version)
        if kept.files is None:
            raise UnloadableVersion(f"{model}@{version}: its files are missing")
        try:
            versions = trained_on(kept.registered.tags)
        except ValueError as error:
            where = f"{model}@{version}: tag {TRAINED_ON_TAG}"
            raise BadInput([Fault(where=where, what=str(error))]) from error
        return replace(kept.registered, trained_on=versions)

    def artifact_sha256(self, model: str, version: str) -> str:
        """Digest of the bytes that stand for its files."""
        files = self._found(model, version).files
        if files is None:
            raise UnloadableVersion(f"{model}@{version}: its files are missing")
        return hashlib.sha256(files).hexdigest()

    def load(self, model: str, version: str, *, artifact_sha256: str) -> Predictor:
        """Give the predictor where the digest is the one that was verified."""
        digest = self.artifact_sha256(model, version)
        if digest != artifact_sha256:
            raise UnloadableVersion(
                f"{model}@{version}: files have digest {digest}, verified was {artifact_sha256}"
            )
        kept = self._found(model, version)
        if kept.registered.inputs is None:
            raise UnloadableVersion(f"{model}@{version}: has no signature")
        if kept.predictor is None:
            raise UnloadableVersion(f"{model}@{version}: cannot be loaded")
        return kept.predictor

    def aliases(self, model: str) -> Mapping[str, str]:
        """Version by alias of one model; empty where there is no such model."""
        self._answer()
        return dict(self._aliases.get(model, {}))

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self._found(model, version)
        self._aliases.setdefault(model, {})[alias] = version

    def remove_alias(self, model: str, alias: str) -> None:
        """Take an alias away; nothing happens where it is not set."""
        self._answer()
        self._aliases.get(model, {}).pop(alias, None)

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        kept = self._found(model, version)
        registered = replace(kept.registered, tags={**kept.registered.tags, key: value})
        self._kept[model][version] = replace(kept, registered=registered)

    def latest_version(self, model: str) -> str | None:
        """The newest version's number, or None where the model has none."""
        self._answer()
        return max(self._kept.get(model, {}), key=int, default=None)

    def arrivals(self, model: str) -> tuple[Arrival, ...]:
        """Every version of one model and when it came, by number."""
        self._answer()
        kept = self._kept.get(model, {})
        return tuple(
            Arrival(
                model=model,
                version=version,
                at=kept[version].at,
                by=kept[version].registered.tags.get(REGISTERED_BY_TAG, ""),
                release=kept[version].registered.tags.get(RELEASE_NAME_TAG),
            )
            for version in sorted(kept, key=int)
        )

    def lineage(self) -> RegistryLineage:
        """What tags and signatures show of who reads whom; there are no runs here."""
        self._answer()
        readings: list[Reading] = []
        unreadable: list[str] = []
        opened = 0
        for model, versions in sorted(self._kept.items()):
            wanted = {self.latest_version(model), *self._aliases.get(model, {}).values()}
            for version, kept in sorted(versions.items(), key=lambda one: int(one[0])):
                found, faults = readings_of_tags(model, version, kept.registered.tags)
                readings += found
                unreadable += faults
                if version not in wanted:
                    continue
                opened += 1
                if kept.files is None:
                    unreadable.append(f"{model}@{version}: its files are missing")
                else:
                    columns = kept.registered.inputs or ()
                    readings += readings_of_columns(model, version, columns, self._kept)
        return RegistryLineage(
            readings=tuple(readings),
            models=len(self._kept),
            versions=sum(map(len, self._kept.values())),
            opened=opened,
            unreadable=tuple(unreadable),
        )

    def _answer(self) -> None:
        if not self.available:
            raise RegistryUnavailable("the registry does not answer")

    def _found(self, model: str, version: str) -> _Kept:
        self._answer()
        try:
            return self._kept[model][version]
        except KeyError:
            raise UnknownVersion(f"{model}@{version}: there is no such version") from None


def try_in_process(
    registry: MemoryRegistry,
    model: str,
    version: str,
    artifact_sha256: str,
    columns: Mapping[str, Answers],
    *,
    deadline: timedelta,
    load_deadline: timedelta,  # noqa: ARG001 - the shape of try_version, for predictors at hand
) -> Trial:
    """What :func:`sluiceway.adapters.trial.try_version` says, for versions that live in memory.

    It cannot stop a predictor that hangs or kills its process; one that is late is told late.

    Raises:
        UnknownVersion: There is none.
        UnloadableVersion: Its files are missing.
        RegistryUnavailable: The registry did not answer.
    """
    name = f"{model}@{version}"

    def fault(code: TrialCode, said: str, seconds: float | None) -> Trial:
        told = TrialFault(code=code, sentence=f"{name} {said}")
        loaded = None if code in _NEVER_LOADED else 0.0
        return Trial(answers=None, seconds=seconds, load_seconds=loaded, fault=told)

    if registry.artifact_sha256(model, version) != artifact_sha256:
        return fault(TrialCode.FILES_CHANGED, "has other files than were verified", None)
    try:
        predictor = registry.load(model, version, artifact_sha256=artifact_sha256)
    except UnloadableVersion as error:
        return fault(TrialCode.CANNOT_LOAD, str(error).removeprefix(f"{name}: "), None)
    started = time.perf_counter()
    try:
        answers = np.asarray(predictor.predict(columns))
    except Exception as error:  # noqa: BLE001 - a candidate may raise anything; it is told
        said = f"raised {type(error).__name__}: {error}"
        return fault(TrialCode.RAISED, said, time.perf_counter() - started)
    seconds = time.perf_counter() - started
    rows = max((len(values) for values in columns.values()), default=0)
    limit = deadline.total_seconds()
    if seconds > limit:
        said = f"does not answer {rows:,} rows within {limit:g} seconds"
        return fault(TrialCode.DEADLINE_EXCEEDED, said, seconds)
    wrong = shape_fault(name, answers, rows=rows)
    return Trial(
        answers=answers if wrong is None else None, seconds=seconds, load_seconds=0.0, fault=wrong
    )


@contextmanager
def meet_in_process(
    registry: MemoryRegistry,
    model: str,
    version: str,
    artifact_sha256: str,
    *,
    load_deadline: timedelta,
) -> Iterator[Callable[..., Trial]]:
    """What :func:`sluiceway.adapters.trial.meet` gives, for versions that live in memory.

    Raises:
        UnknownVersion: There is none.
        UnloadableVersion: Its files are missing.
        RegistryUnavailable: The registry did not answer.
    """
    registry.artifact_sha256(model, version)

    def ask(columns: Mapping[str, Answers], *, deadline: timedelta) -> Trial:
        return try_in_process(
            registry,
            model,
            version,
            artifact_sha256,
            columns,
            deadline=deadline,
            load_deadline=load_deadline,
        )

    yield ask


_NEVER_LOADED = frozenset({TrialCode.FILES_CHANGED, TrialCode.CANNOT_LOAD})
