"""The declared system: what there is, who owns it, who reads whom, and what is tolerated.

These values are made by :mod:`sluiceway.system.file` only, after every check of the whole file,
so whoever holds a `System` may rely on it: names exist, edges lead somewhere, nothing is circular.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from sluiceway.contracts.values import Contract
from sluiceway.drift import DriftPolicy
from sluiceway.gates import Comparison, Role
from sluiceway.slices import SliceVariable
from sluiceway.system.arriving import AT_ONCE, ArrivalPolicy
from sluiceway.system.flags import Flag
from sluiceway.system.inputs import Feature, Source
from sluiceway.system.notifications import NOBODY_TOLD, Notifications
from sluiceway.system.rights import UNSAID, RightsPolicy, Risk


class Reliance(StrEnum):
    """What a consumer relies on when it reads a producer's field."""

    COLUMNAR = "columnar"
    NUMERIC = "numeric"
    BEHAVIOURAL = "behavioural"
    OPERATIONAL = "operational"


class NodeKind(StrEnum):
    """What a node of the graph is."""

    SOURCE = "source"
    FEATURE = "feature"
    MODEL = "model"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who answers for something, and how to reach them.

    Attributes:
        contact: Where messages reach them.
        people: Who may speak for them; empty means that nobody was named, so anybody may.
        roles: What else they may be asked as, such as ``model-risk``.
        left: The day since which they answer for nothing any more; None while they do.
    """

    name: str
    contact: str
    people: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    left: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeNeeds:
    """What a consumer needs of the time that an answer takes, and of the age it rests on.

    Attributes:
        latency_p99: Within this, 99 of 100 answers must be there; None where it does not matter.
        freshness: Oldest age of the inputs at the far end of the chain; None where it does not
            matter.
    """

    latency_p99: timedelta | None = None
    freshness: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A consumer reads one named field of a producer.

    Attributes:
        producer: Name of a feature or a model.
        field: The model's output field; None where the producer is a feature.
        consumer: Name of a model or an outside consumer.
        relies_on: What of it the consumer relies on.
        operating_threshold: Where the consumer acts on the value, in the field's unit.
        delayed: How much earlier the answer was given that the consumer reads; None where it reads
            the answer to the same request.
        needs: By when the consumer needs the value, and how old what it rests on may be.
    """

    producer: str
    field: str | None
    consumer: str
    relies_on: tuple[Reliance, ...]
    operating_threshold: float | None = None
    delayed: timedelta | None = None
    needs: TimeNeeds = TimeNeeds()

    @property
    def column(self) -> str:
        """The name under which the consumer receives the value."""
        return self.producer if self.field is None else f"{self.producer}.{self.field}"

    @property
    def name(self) -> str:
        """How people call it: ``dep_delay.minutes → arr_delay``."""
        return f"{self.column} → {self.consumer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTarget:
    """A metric that a model is judged by.

    Attributes:
        metric: Name as :func:`sluiceway.statistics.metrics.metric_named` takes it.
        field: Output field that is compared with the label; empty where requests are measured.
        label: ``source.column`` of the truth; empty where the metric needs none.
        margin: Tolerated harm, in `unit`.
        unit: Unit of metric and margin.
        role: Whether it must pass, or may only stop.
        because: The business reason for the margin.
        comparison: Which units of the two arms are compared in a canary.
    """

    metric: str
    field: str
    label: str
    margin: float
    unit: str
    role: Role
    because: str
    comparison: Comparison = Comparison.PAIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model of the system with what it reads and promises."""

    name: str
    owner: str
    description: str
    risk: Risk
    inputs: tuple[Edge, ...]
    contract: Contract
    metrics: tuple[MetricTarget, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """An outside application that reads models."""

    name: str
    owner: str
    description: str
    reads: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPolicy:
    """How much recorded history a shadow replay covers; extended once when inconclusive."""

    window: timedelta
    extension: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStep:
    """One share of live traffic.

    Attributes:
        weight: Percent of units that the candidate answers, 1 to 100.
        bake_time: The least time at this weight.
    """

    weight: int
    bake_time: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPolicy:
    """How a candidate meets live traffic.

    Attributes:
        steps: Growing weights.
        mirror: Percent of the champion's units that the candidate answers too, off the path.
        deadline: Time from the first step by which every required gate must have passed.
        block: Length of a block of independent evidence, in the system's timezone.
        max_deadline: Up to where a canary that needs more time may be lengthened; None for twice
            the deadline.
        unpaired_without_pairs: Whether a block in which no pair was logged is judged by what each
            arm's own consumers received; else it is an error.
    """

    steps: tuple[CanaryStep, ...]
    mirror: int
    deadline: timedelta
    block: timedelta
    max_deadline: timedelta | None = None
    unpaired_without_pairs: bool = False

    @property
    def longest(self) -> timedelta:
        """The latest deadline that the policy allows."""
        return 2 * self.deadline if self.max_deadline is None else self.max_deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftWatch:
    """When a canary's live inputs are so unlike shadow's that shadow has to be replayed.

    Attributes:
        policy: What drift is; its level is that of all comparisons with one reference.
        replays: How often shadow is replayed because of drift; after that the canary holds.
        history: Recorded time before shadow's window that thresholds may be learned from; None
            for as much as shadow's window.
    """

    policy: DriftPolicy = field(default_factory=DriftPolicy)
    replays: int = 2
    history: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """How long the previous generation keeps answering a sample after promotion."""

    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """What is known against two versions on one edge is left out of the answer, for a while.

    Attributes:
        producer: Name of a model.
        producer_version: The version it is about; None for every version.
        consumer: Name of a model or an outside consumer that reads it.
        consumer_version: The version it is about; None for every version.
        owner: Who answers for it.
        expires: The last day on which it counts, in the system's timezone.
    """

    producer: str
    producer_version: str | None
    consumer: str
    consumer_version: str | None
    owner: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What it takes to go live.

    Attributes:
        alpha: Largest tolerated probability of a wrong verdict, for promotion and for rollback.
        min_blocks: Fewest blocks of evidence a passed gate needs.
        automatic_slices: How many slices that nobody declared a shadow replay may find and guard.
        independent_units: Whether somebody declares that units are independent of each other, so
            that live evidence may count them instead of blocks.
        recurring_units: ``source.column`` that says whom a row is about, where one comes back on
            other rows and days; None where each row is of another.
        approvals: Owners and roles who must approve whatever it is before live traffic is touched.
        rights: Who else must approve what, and what else people decide.
        budget_window: How long ago a generation may have served for a candidate's harm to be held
            against it too.
        feature_parity: Largest tolerated share of units, 0 to 1, to which a feature was served
            otherwise than the record says.
        evidence_max_age: How long versions that were seen to go together may be taken to.
        drift: What drift of the live inputs is; None where nobody looks for it.
        arrivals: What becomes of versions that are registered.
    """

    alpha: float
    min_blocks: int
    automatic_slices: int
    shadow: ShadowPolicy
    canary: CanaryPolicy
    watch: WatchPolicy
    approvals: tuple[str, ...]
    independent_units: bool = False
    recurring_units: str | None = None
    budget_window: timedelta = timedelta(days=90)
    feature_parity: float = 0.01
    evidence_max_age: timedelta = timedelta(days=90)
    drift: DriftWatch | None = None
    rights: RightsPolicy = UNSAID
    arrivals: ArrivalPolicy = AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingPolicy:
    """What the prediction log keeps of live requests, and for how long.

    Attributes:
        retention: How long rows, gaps and labels are kept after they were written.
        inputs: Percent of units whose inputs are kept, 0 to 100.
        excluded: Features, and columns of sources, that are never kept.
        hashed: The same, of which only a keyed hash is kept; the unit's column may be among them.
    """

    retention: timedelta = timedelta(days=400)
    inputs: int = 100
    excluded: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The declared graph: sources, features, models, consumers, edges.

    Attributes:
        timezone: IANA name; days and blocks are cut in it.
        unit: Column naming the unit of routing and of pairing.
        models: By name, in an order where producers come before their consumers.
        contract_files: The contracts' files, relative to the system file.
        digest: SHA-256 of the file and of every contract it names: what a rollout was planned with.
        ignores: What is left out of the answer whether versions go together.
        flags: Switches between inference paths; no two of them pin the same model.
        logging: What is kept of live requests.
        notifications: Who is told of what, and how.
    """

    name: str
    description: str
    timezone: str
    unit: str
    owners: Mapping[str, Owner]
    sources: Mapping[str, Source]
    features: Mapping[str, Feature]
    models: Mapping[str, Model]
    consumers: Mapping[str, Consumer]
    slices: Mapping[str, SliceVariable]
    policies: Policies
    contract_files: tuple[str, ...]
    digest: str
    ignores: tuple[Ignore, ...] = ()
    flags: Mapping[str, Flag] = field(default_factory=dict)
    logging: LoggingPolicy = LoggingPolicy()
    notifications: Notifications = NOBODY_TOLD

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every declared edge, models' inputs first."""
        inputs = tuple(edge for model in self.models.values() for edge in model.inputs)
        return inputs + tuple(edge for c in self.consumers.values() for edge in c.reads)

    def kind(self, name: str) -> NodeKind:
        """What the node of this name is.

        Raises:
            KeyError: No such node.
        """
        for kind, nodes in (
            (NodeKind.MODEL, self.models),
            (NodeKind.FEATURE, self.features),
            (NodeKind.SOURCE, self.sources),
            (NodeKind.CONSUMER, self.consumers),
        ):
            if name in nodes:
                return kind
        raise KeyError(name)

    def owner_of(self, name: str) -> Owner:
        """Who owns the node of this name.

        Raises:
            KeyError: No such node.
        """
        nodes: Mapping[str, Source | Feature | Model | Consumer]
        for nodes in (self.sources, self.features, self.models, self.consumers):
            if name in nodes:
                return self.owners[nodes[name].owner]
        raise KeyError(name)
