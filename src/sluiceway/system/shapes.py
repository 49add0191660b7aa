"""What may stand in a system file, part by part; the words are explained in docs/system-file.md."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from sluiceway.contracts.shapes import Dtype, checked_semver
from sluiceway.durations import Duration, PositiveDuration
from sluiceway.gates import Role
from sluiceway.system.arriving import ByHand, Start
from sluiceway.system.rights import Among, ChangeClass, Proof, Risk
from sluiceway.system.values import Reliance
from sluiceway.yaml_file import Shape

Range = tuple[FiniteFloat | None, FiniteFloat | None]

_MEMBER = r"^[^@\s]+(@[^@\s]+)?$"
"""A name, or a name and a version: ``dep_delay@2``."""


class OwnerShape(Shape):
    """Who answers for something."""

    contact: str
    people: list[str] = []
    roles: list[str] = []
    left: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, content: Any) -> Any:
        return {} if content is None else content

    @field_validator("contact")
    @classmethod
    def _reaches_somebody(cls, contact: str) -> str:
        if len(contact.strip()) < 3:
            raise ValueError("reaches nobody; write an address or a channel")
        return contact.strip()


class LabelsShape(Shape):
    """What makes a source a source of labels."""

    known_at: str
    maturity: Duration
    depends_on_answer: bool = Field(default=False, alias="label_depends_on_answer")


class SourceShape(Shape):
    """One table of recorded rows."""

    owner: str
    description: str = ""
    loader: str = Field(pattern=r"^(parquet|csv|sql|python):.+")
    live_loader: str | None = Field(
        default=None, pattern=r"^((parquet|csv|sql|python):.+|(requests|labels):)$"
    )
    event_time: str
    labels: LabelsShape | None = None
    max_lag: PositiveDuration | None = None


class FeatureVersionShape(Shape):
    """One definition of a feature."""

    reads: list[str] = Field(min_length=1)
    transformation: str | None = Field(default=None, pattern=r"^[\w.]+:\w+$")


class FeatureShape(FeatureVersionShape):
    """One feature; the definition in its body is the current one."""

    owner: str
    description: str = ""
    dtype: Dtype = "double"
    unit: str | None = None
    range: Range = (None, None)
    categories: list[str] | None = Field(default=None, min_length=1)
    null_rate: float = Field(default=0.0, ge=0, le=1)
    safe_default: StrictBool | StrictInt | StrictFloat | StrictStr | None = None
    version: str
    other_versions: dict[str, FeatureVersionShape] = {}

    _version = field_validator("version")(checked_semver)


class TimeNeedsShape(Shape):
    """By when a value is needed, and how old what it rests on may be."""

    latency_p99: PositiveDuration | None = None
    freshness: PositiveDuration | None = None


class EdgeShape(Shape):
    """What a model or consumer reads; a bare name stands for ``{reads: name}``."""

    reads: str
    relies_on: list[Reliance] = [Reliance.COLUMNAR]
    operating_threshold: FiniteFloat | None = None
    delayed: PositiveDuration | None = None
    needs: TimeNeedsShape = TimeNeedsShape()

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, content: Any) -> Any:
        return {"reads": content} if isinstance(content, str) else content


class MetricShape(Shape):
    """What a model is judged by."""

    metric: str
    field: str = ""
    label: str = ""
    margin: NonNegativeFloat
    unit: str
    role: Role = Role.REQUIRED
    compare: Literal["paired", "unpaired"] = "paired"
    worse: Literal["higher", "lower"] | None = None
    because: str = Field(min_length=10)


class ModelShape(Shape):
    """One model."""

    owner: str
    description: str = ""
    risk: Risk
    inputs: list[EdgeShape] = Field(min_length=1)
    contract: str = Field(pattern=r"^[^\x00]+$")
    metrics: list[MetricShape] = Field(min_length=1)


class ConsumerShape(Shape):
    """One outside application."""

    owner: str
    description: str = ""
    reads: list[EdgeShape] = Field(min_length=1)
    needs: TimeNeedsShape = TimeNeedsShape()


class SliceShape(Shape):
    """A way to cut the rows into parts that get guards of their own."""

    reads: str
    edges: list[FiniteFloat] = []


class IgnoreShape(Shape):
    """A misfit of two versions that somebody answers for until a day."""

    producer: str = Field(pattern=_MEMBER)
    consumer: str = Field(pattern=_MEMBER)
    owner: str
    reason: str = Field(min_length=10)
    expires: date


class FlagVariantShape(Shape):
    """One inference path; a variant that says nothing is the declared one."""

    versions: dict[str, Annotated[str, Field(min_length=1)]] = {}
    cut: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, content: Any) -> Any:
        return {} if content is None else content


class FlagShape(Shape):
    """A switch between inference paths."""

    owner: str
    description: str = ""
    variants: dict[str, FlagVariantShape] = Field(min_length=1)
    default: str
    targeting: dict[str, Any] | None = None


class ShadowShape(Shape):
    """How much history a shadow replay covers."""

    window: Duration
    extension: Duration


class StepShape(Shape):
    """One canary step."""

    weight: int = Field(ge=1, le=100)
    bake: Duration


class CanaryShape(Shape):
    """How a candidate meets live traffic."""

    steps: list[StepShape] = Field(min_length=1)
    mirror: int = Field(default=100, ge=1, le=100)
    deadline: Duration
    block: PositiveDuration = timedelta(days=1)
    without_pairs: Literal["error", "unpaired"] = "error"
    max_deadline: Duration | None = None


class DriftShape(Shape):
    """When live inputs are so unlike shadow's that shadow has to be replayed."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    floor: float = Field(default=0.05, ge=0, lt=1)
    null_floor: float = Field(default=0.02, ge=0, lt=1)
    psi_limit: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    history: Duration | None = None
    replays: int = Field(default=2, ge=0, le=10)


class WatchShape(Shape):
    """How long the previous generation keeps answering after promotion."""

    window: Duration


class ApprovalRuleShape(Shape):
    """Who must approve what."""

    risk: Risk | None = None
    among: Among = Among.RADIUS
    change: ChangeClass | None = None
    ask: list[str] = Field(min_length=1)
    people: int = Field(default=1, ge=1)


class ApprovalsShape(Shape):
    """Who must approve before live traffic is touched."""

    always: list[str] = []
    rules: list[ApprovalRuleShape] = []
    own: Literal["allow", "forbid"] = "forbid"
    proof: Proof = Proof.TOTP
    expires: PositiveDuration | None = timedelta(days=14)

    @field_validator("expires", mode="before")
    @classmethod
    def _never(cls, content: Any) -> Any:
        """`never` has to be written out: nothing may be a slip."""
        if content == "never":
            return None
        if content is None:
            raise ValueError("is neither never nor a time such as 14d")
        return content


class ListedApprovals(ApprovalsShape):
    """A bare list of those who are always asked, one's own rollout included, and taken at word."""

    own: Literal["allow", "forbid"] = "allow"
    proof: Proof = Proof.NONE
    expires: PositiveDuration | None = None


def _listed(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    if not all(isinstance(name, str) for name in content):
        raise ValueError("is no list of names of owners and roles")
    return ListedApprovals(always=content)


class InputsShareShape(Shape):
    """A sample of the units."""

    share: int = Field(ge=1, le=100)


class LoggingShape(Shape):
    """What is kept of live requests, and for how long."""

    retention: PositiveDuration = timedelta(days=400)
    inputs: Literal["all", "none"] | InputsShareShape = "all"
    exclude: list[str] = []
    hashed: list[str] = Field(default=[], alias="hash")

    @field_validator("inputs", mode="before")
    @classmethod
    def _all_none_or_a_share(cls, content: Any) -> Any:
        if content in ("all", "none") or isinstance(content, InputsShareShape):
            return content
        if isinstance(content, dict):
            return InputsShareShape.model_validate(content)
        raise ValueError("is neither all, none nor {share: PERCENT}")


class DeprecationPolicyShape(Shape):
    """How much time consumers get."""

    notice: Duration = timedelta(days=30)


class ReviewShape(Shape):
    """What a review calls old."""

    stale_after: PositiveDuration = timedelta(days=180)
    expiring_within: Duration = timedelta(days=14)


class RegistrationsShape(Shape):
    """What becomes of versions that are registered."""

    start: Start = Start.AUTOMATIC
    window: Duration = timedelta(0)
    release_window: Duration = timedelta(seconds=30)
    by_hand: ByHand = ByHand.RESTORE


class PoliciesShape(Shape):
    """What it takes to go live."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    min_blocks: int = Field(default=10, ge=10)
    automatic_slices: int = Field(default=3, ge=0, le=20)
    shadow: ShadowShape
    canary: CanaryShape
    watch: WatchShape
    independent_units: bool = False
    recurring_units: str | None = None
    approvals: Annotated[ApprovalsShape, BeforeValidator(_listed)] = ListedApprovals()
    deprecation: DeprecationPolicyShape = DeprecationPolicyShape()
    review: ReviewShape = ReviewShape()
    registrations: RegistrationsShape = RegistrationsShape()
    budget_window: Duration = timedelta(days=90)
    evidence_max_age: PositiveDuration = timedelta(days=90)
    feature_parity: float = Field(default=0.01, ge=0, lt=1)
    drift: DriftShape | None = DriftShape()

    @field_validator("drift", mode="before")
    @classmethod
    def _off(cls, content: Any) -> Any:
        """`off` has to be written out: nothing, `false` or `no` may be a slip."""
        if content == "off":
            return None
        if not isinstance(content, dict | DriftShape):
            what = "is neither off nor a mapping; leave drift out for its defaults"
            raise ValueError(what)  # noqa: TRY004 - pydantic makes a fault of this one only
        return content
