"""Several arms answer the same rows through the whole chain, sharing every result they can.

What an answer depends on is known before a row is read: the model's version and where each of its
inputs comes from. So the work is laid out once, as a list of steps in which every distinct
combination stands once, however many arms want it.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluiceway.contracts.values import Contract
from sluiceway.durations import render_duration
from sluiceway.ports import Predictor
from sluiceway.releases import Release
from sluiceway.replay.faults import (
    AnswerFault,
    AnswerFaultCode,
    FaultyAnswers,
    HistoryFault,
    HistoryFaultCode,
    UnusableHistory,
)
from sluiceway.replay.features import FeatureQuality, Transformation, feature_values
from sluiceway.replay.partitions import Column, Floats, Needs, Partition, feature_version
from sluiceway.replay.scoring import BoundedCalls, Scorer
from sluiceway.system.values import Edge, Model, System

Version = tuple[str, str]
"""A model's name and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to answer.

    Attributes:
        name: Unique among the arms of an evaluation.
        release: The versions that answer.
        frozen: Names of edges (:attr:`Edge.name`), from features or from models, whose consumer
            receives the baseline arm's value instead of this arm's.
    """

    name: str
    release: Release
    frozen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the arms answered to one partition.

    Attributes:
        values: Arm to ``model.field`` to ``float64[rows]``. Arms may share one array.
        seconds: Wall seconds spent in predict, by model and version.
        calls: Predict calls made, by model and version.
    """

    values: Mapping[str, Mapping[str, Floats]]
    seconds: Mapping[Version, float]
    calls: Mapping[Version, int]


@dataclass(frozen=True, slots=True)
class _Given:
    """A value that no model of this evaluation makes: a feature's or a recorded answer."""

    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class _Made:
    """A field of a step's answer."""

    step: int
    field: str


_Slot = _Given | _Made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One predict call a partition, for all arms that want it."""

    scorer: Scorer
    inputs: tuple[tuple[str, _Slot], ...]


class Evaluator:
    """Evaluates partitions for a fixed set of arms.

    Attributes:
        arms: The arms by name, in the order given.
        baseline: Name of the arm that others are compared with.
        scored: Names of the models that are asked, producers before consumers.
    """

    def __init__(
        self,
        system: System,
        arms: Sequence[Arm],
        *,
        baseline: str,
        predictors: Mapping[Version, Predictor],
        transformations: Mapping[str, Transformation],
        only: Collection[str] | None = None,
        recorded_fields: Collection[str] = (),
        contracts: Mapping[str, Contract] | None = None,
    ) -> None:
        """Lay the work out.

        Args:
            system: The declared graph.
            arms: At least the baseline; names are unique.
            baseline: Name of one of the arms.
            predictors: Every model version that some arm needs.
            transformations: By the ``module:function`` that feature versions name.
            only: Models whose answers are wanted (the blast radius); what feeds them is scored
                too, nothing else is. None wants all.
            recorded_fields: ``model.field`` names that each call of `evaluate` is given from the
                prediction log. A model that is not wanted and whose needed fields are all
                recorded is not scored.
            contracts: What a member's answers are held against, by its contract's hash; where
                there is none, the system's own.

        Raises:
            ValueError: Arms, baseline, models or frozen edges do not fit the system or each other.
            FaultyAnswers: A model reads a column that the system file does not give it.
            UnusableHistory: A model that is asked reads earlier answers.
        """
        self.arms = {arm.name: arm for arm in arms}
        self.baseline = baseline
        self._system = system
        self._transformations = transformations
        wanted = set(system.models) if only is None else set(only)
        self._check(arms, wanted)
        self._recorded, self.scored = _sources_of_answers(system, wanted, set(recorded_fields))
        _refuse_earlier_answers(system, self.scored)
        self._calls = BoundedCalls()
        self._steps: list[_Step] = []
        self._fields: dict[str, dict[str, _Slot]] = {
            name: {field: _Given(field, None) for field in self._recorded} for name in self.arms
        }
        self._lay_out(predictors, contracts or {})
        given = {
            slot for step in self._steps for _, slot in step.inputs if isinstance(slot, _Given)
        }
        self._features = tuple(
            sorted((slot.name, slot.version) for slot in given if slot.version is not None)
        )
        # Features read as they are were watched when the history was read; made ones only here.
        self._watched = {
            (feature, version): FeatureQuality(system.features[feature], version)
            for feature, version in self._features
            if system.features[feature].versions[version].transformation is not None
        }

    def needs(self, labels: Collection[str] = (), columns: Collection[str] = ()) -> Needs:
        """What of the record `evaluate` reads, with these labels and further columns."""
        return Needs(
            features=frozenset(self._features), labels=frozenset(labels), columns=frozenset(columns)
        )

    def evaluate(
        self, partition: Partition, recorded: Mapping[str, Floats] | None = None
    ) -> Answers:
        """Answer one partition with every arm.

        Args:
            partition: Must hold the columns of `needs`.
            recorded: ``float64[rows]`` for each of the recorded fields; NaN says that the model
                answered with nothing, never that a unit is not in the log.

        Raises:
            FaultyAnswers: A version raised, hung, or answered what it may not.
            UnusableHistory: A transformed feature is not what it declares.
        """
        given = self._given(partition, recorded or {})
        made: list[Mapping[str, Floats]] = []
        seconds: dict[Version, float] = {}
        calls: dict[Version, int] = {}

        def value(slot: _Slot) -> Column:
            return given[slot] if isinstance(slot, _Given) else made[slot.step][slot.field]

        for step in self._steps:
            columns = {name: value(slot) for name, slot in step.inputs}
            start = time.perf_counter()
            made.append(step.scorer.answers(columns, partition.rows))
            spent = time.perf_counter() - start
            version = (step.scorer.model, step.scorer.version)
            seconds[version] = seconds.get(version, 0.0) + spent
            calls[version] = calls.get(version, 0) + 1
        values = {
            arm: {field: value(slot) for field, slot in slots.items()}
            for arm, slots in self._fields.items()
        }
        return Answers(values=values, seconds=seconds, calls=calls)

    def feature_faults(self) -> tuple[HistoryFault, ...]:
        """What is wrong with the transformed features over all partitions evaluated so far."""
        return tuple(fault for watch in self._watched.values() for fault in watch.faults())

    def _given(self, partition: Partition, recorded: Mapping[str, Floats]) -> dict[_Given, Column]:
        given: dict[_Given, Column] = {}
        for name, version in self._features:
            feature = self._system.features[name]
            values = feature_values(feature, version, partition, self._transformations)
            watch = self._watched.get((name, version))
            if watch is not None and not watch.add(values):
                raise UnusableHistory(watch.faults())
            given[_Given(name, version)] = values
        for field in self._recorded:
            given[_Given(field, None)] = self._checked_record(field, recorded, partition.rows)
        return given

    def _checked_record(self, field: str, recorded: Mapping[str, Floats], rows: int) -> Floats:
        model, _, name = field.partition(".")

        def fault(code: AnswerFaultCode, count: int, what: str) -> FaultyAnswers:
            return FaultyAnswers(
                [
                    AnswerFault(
                        model=model,
                        version="recorded",
                        code=code,
                        field=name,
                        count=count,
                        arms=tuple(self.arms),
                        what=what,
                    )
                ]
            )

        if field not in recorded:
            what = f"{name} was to come from the prediction log and is not there"
            raise fault(AnswerFaultCode.MISSING_VALUES, rows, what)
        values = np.asarray(recorded[field], dtype=np.float64)
        if values.shape != (rows,):
            what = f"recorded answers of shape {values.shape} for {rows} rows"
            raise fault(AnswerFaultCode.WRONG_SHAPE, rows, what)
        missing = int(np.count_nonzero(~np.isfinite(values)))
        if missing and not self._system.models[model].contract.field(name).nullable:
            what = f"{name} was not recorded for {missing} of {rows} rows"
            raise fault(AnswerFaultCode.MISSING_VALUES, missing, what)
        return values

    def _check(self, arms: Sequence[Arm], wanted: set[str]) -> None:
        if len(self.arms) != len(arms):
            raise ValueError(f"arms need different names, not {[arm.name for arm in arms]}")
        if self.baseline not in self.arms:
            raise ValueError(f"{self.baseline} is none of the arms {list(self.arms)}")
        if unknown := wanted - self._system.models.keys():
            raise ValueError(f"{sorted(unknown)} are no models of {self._system.name}")
        edges = {edge.name for edge in self._system.edges}
        for arm in arms:
            if strange := arm.frozen - edges:
                raise ValueError(f"arm {arm.name} freezes {sorted(strange)}, which are no edges")
        if self.arms[self.baseline].frozen:
            raise ValueError(f"the baseline {self.baseline} cannot be frozen to itself")

    def _lay_out(
        self, predictors: Mapping[Version, Predictor], contracts: Mapping[str, Contract]
    ) -> None:
        # The baseline goes first, so that what others are frozen to stands already.
        order = sorted(self.arms.values(), key=lambda arm: arm.name != self.baseline)
        for model in (self._system.models[name] for name in self.scored):
            # A step fails for those who ask it, not for all who have its version in their release.
            askers: dict[tuple[Version, str, tuple[tuple[str, _Slot], ...]], list[str]] = {}
            for arm in order:
                if model.name not in arm.release.members:
                    raise ValueError(f"the release of arm {arm.name} holds no {model.name}")
                member = arm.release.members[model.name]
                version = (model.name, member.version)
                if version not in predictors:
                    raise ValueError(f"no predictor was given for {version[0]}@{version[1]}")
                inputs = self._inputs(model, arm, predictors[version])
                held = member.contract_hash if member.contract_hash in contracts else ""
                askers.setdefault((version, held, inputs), []).append(arm.name)
            for (version, held, inputs), names in askers.items():
                contract = contracts.get(held, model.contract)
                for name in names:
                    self._fields[name] |= {
                        f"{model.name}.{field.name}": _Made(len(self._steps), field.name)
                        for field in contract.output
                    }
                users = tuple(name for name in self.arms if name in names)
                scorer = Scorer(*version, predictors[version], contract, users, self._calls)
                self._steps.append(_Step(scorer=scorer, inputs=inputs))

    def _inputs(
        self, model: Model, arm: Arm, predictor: Predictor
    ) -> tuple[tuple[str, _Slot], ...]:
        edges = {edge.column: edge for edge in model.inputs}
        version = arm.release.members[model.name].version
        if undeclared := [name for name in predictor.inputs if name not in edges]:
            names = ", ".join(undeclared)
            fault = AnswerFault(
                model=model.name,
                version=version,
                code=AnswerFaultCode.UNDECLARED_INPUT,
                field=None,
                count=0,
                arms=self._users((model.name, version)),
                what=f"reads {names}, which the system file does not give to {model.name}",
            )
            raise FaultyAnswers([fault])
        return tuple((name, self._slot(edges[name], arm)) for name in predictor.inputs)

    def _slot(self, edge: Edge, arm: Arm) -> _Slot:
        source = self.arms[self.baseline] if edge.name in arm.frozen else arm
        if edge.field is not None:
            return self._fields[source.name][edge.column]
        member = source.release.members[edge.consumer]
        return _Given(edge.producer, feature_version(self._system, member, edge.producer))

    def _users(self, version: Version) -> tuple[str, ...]:
        return tuple(
            name
            for name, arm in self.arms.items()
            if (member := arm.release.members.get(version[0])) and member.version == version[1]
        )


def _refuse_earlier_answers(system: System, scored: Collection[str]) -> None:
    """Refuse what no row holds: rows are answered one by one, each request by itself."""
    faults = [
        HistoryFault(
            code=HistoryFaultCode.EARLIER_ANSWERS,
            source=edge.producer,
            column=edge.field,
            count=0,
            example="",
            what=f"{edge.consumer} reads what {edge.producer} answered "
            f"{render_duration(edge.delayed)} earlier, which a replay cannot give it",
        )
        for name in scored
        for edge in system.models[name].inputs
        if edge.delayed is not None
    ]
    if faults:
        raise UnusableHistory(faults)


def _sources_of_answers(
    system: System, wanted: set[str], recorded: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which recorded fields are used, and which models are scored."""
    scored: set[str] = set()
    used: set[str] = set()
    # Consumers first, so that a model knows whether somebody scored needs it.
    for name in reversed(tuple(system.models)):
        reads = {
            edge.column
            for reader in scored
            for edge in system.models[reader].inputs
            if edge.field is not None and edge.producer == name
        }
        if name in wanted or not reads <= recorded:
            scored.add(name)
        else:
            used |= reads
    return tuple(sorted(used)), tuple(name for name in system.models if name in scored)
