"""What each kind of change means: the whole policy, as one table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sluiceway.contracts.change_names import Aspect, Bump, ChangeKind, Direction, Evidence, Side
from sluiceway.system.values import Reliance

Alternatives = tuple[frozenset[Evidence], ...]
"""Ways out, any of which will do, each with all the evidence that it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a kind of change means.

    Attributes:
        breaks: What somebody relied on and can rely on no longer; empty breaks nobody.
        cleared_by: What it takes for an edge that it breaks to hold again; empty where it breaks
            nobody, so that nothing is needed.
        said: The sentence, with ``{field}``, ``{before}`` and ``{after}``.
    """

    side: Side
    aspect: Aspect
    direction: Direction
    bump: Bump
    breaks: frozenset[Reliance]
    cleared_by: Alternatives
    said: str

    def is_cleared(self, shown: Collection[Evidence]) -> bool:
        """Whether this evidence is enough; where nothing is needed, none is."""
        return not self.cleared_by or any(way <= set(shown) for way in self.cleared_by)


def _rule(
    side: Side,
    aspect: Aspect,
    direction: Direction,
    bump: Bump,
    breaks: str,
    cleared_by: str,
    said: str,
) -> Rule:
    return Rule(
        side=side,
        aspect=aspect,
        direction=direction,
        bump=bump,
        breaks=frozenset(Reliance(name) for name in breaks.split()),
        cleared_by=tuple(
            frozenset(Evidence(name.strip()) for name in way.split("+"))
            for way in cleared_by.split("|")
            if way.strip()
        ),
        said=said,
    )


def alternatives_in_words(cleared_by: Alternatives) -> str:
    """``retrained consumer, or shadow replay and consumer acknowledgement``."""
    ways = [
        " and ".join(evidence.words for evidence in Evidence if evidence in way)
        for way in cleared_by
    ]
    return ", or ".join(ways) or "nothing needed"


_K, _A = ChangeKind, Aspect
_IN, _OUT = Side.INPUT, Side.OUTPUT
_NONE, _LOOSE, _TIGHT, _BOTH = (
    Direction.NONE,
    Direction.LOOSENS,
    Direction.TIGHTENS,
    Direction.BOTH,
)
_PATCH, _MINOR, _MAJOR = Bump.PATCH, Bump.MINOR, Bump.MAJOR

# What is relied on.
_ALL = "columnar numeric behavioural operational"
_VALUE = "numeric behavioural"
_SHAPE = "columnar numeric behavioural"
# What clears it. Who reads by name or by unit has to change; whether the chain is well with another
# distribution, a replay shows, and whether a slower answer will do, only its reader knows.
_NEW = "retrained_consumer"
_RUN = "retrained_consumer | consumer_contract_test"
_SEEN = "retrained_consumer | shadow_replay + consumer_acknowledgement"
_SAID = "retrained_consumer | consumer_acknowledgement"
_GONE = "retrained_consumer | deprecation_window + consumer_acknowledgement + no_observed_use"
_FED = "feeder_promise"
_SHOWN = "shadow_replay | retrained_consumer"

# fmt: off
RULES: Final[Mapping[ChangeKind, Rule]] = {
    # The answer's fields.
    _K.WORDING_CHANGED: _rule(_OUT, _A.WORDING, _NONE, _PATCH, "", "",
        "says the same in other words"),
    _K.FIELD_ADDED: _rule(_OUT, _A.PRESENCE, _TIGHT, _MINOR, "", "", "is promised anew"),
    _K.FIELD_REMOVED: _rule(_OUT, _A.PRESENCE, _LOOSE, _MAJOR, _ALL, _GONE,
        "is promised no longer"),
    _K.FIELD_RENAMED: _rule(_OUT, _A.PRESENCE, _BOTH, _MAJOR, "columnar", _GONE,
        "is called {after} from now on"),
    _K.POSITION_MOVED: _rule(_OUT, _A.POSITION, _BOTH, _MAJOR, "columnar", _NEW,
        "moves from answer column {before} to {after}"),
    _K.DTYPE_WIDENED: _rule(_OUT, _A.TYPE, _LOOSE, _MAJOR, "columnar", _RUN,
        "changes its type from {before} to {after}"),
    # Fewer values are possible, and yet a reader of finer ones loses its precision.
    _K.DTYPE_NARROWED: _rule(_OUT, _A.TYPE, _TIGHT, _MAJOR, "columnar numeric", _RUN,
        "changes its type from {before} to {after}"),
    _K.DTYPE_REPLACED: _rule(_OUT, _A.TYPE, _BOTH, _MAJOR, _SHAPE, _NEW,
        "changes its type from {before} to {after}"),
    _K.UNIT_CHANGED: _rule(_OUT, _A.UNIT, _BOTH, _MAJOR, _VALUE, _NEW,
        "changes its unit from {before} to {after}"),
    _K.RANGE_WIDENED: _rule(_OUT, _A.RANGE, _LOOSE, _MAJOR, "numeric", _RUN,
        "widens its range from {before} to {after}"),
    _K.RANGE_NARROWED: _rule(_OUT, _A.RANGE, _TIGHT, _MINOR, "", "",
        "narrows its range from {before} to {after}"),
    _K.RANGE_MOVED: _rule(_OUT, _A.RANGE, _BOTH, _MAJOR, "numeric", _RUN,
        "moves its range from {before} to {after}"),
    _K.NULL_ALLOWED: _rule(_OUT, _A.NULLS, _LOOSE, _MAJOR, "numeric", _RUN,
        "may be missing from now on"),
    _K.NULL_FORBIDDEN: _rule(_OUT, _A.NULLS, _TIGHT, _MINOR, "", "",
        "is never missing from now on"),
    _K.CATEGORIES_LISTED: _rule(_OUT, _A.CATEGORIES, _TIGHT, _MINOR, "", "",
        "lists its categories: {after}"),
    _K.CATEGORIES_UNLISTED: _rule(_OUT, _A.CATEGORIES, _LOOSE, _MAJOR, _VALUE, _RUN,
        "no longer lists its categories: {before}"),
    _K.CATEGORIES_ADDED: _rule(_OUT, _A.CATEGORIES, _LOOSE, _MAJOR, _VALUE, _RUN,
        "may be one of {after}, was one of {before}"),
    _K.CATEGORIES_REMOVED: _rule(_OUT, _A.CATEGORIES, _TIGHT, _MINOR, "", "",
        "is one of {after} only, was one of {before}"),
    _K.CATEGORIES_REPLACED: _rule(_OUT, _A.CATEGORIES, _BOTH, _MAJOR, _VALUE, _RUN,
        "is one of {after}, was one of {before}"),
    # A code that stands for another category, or a rank that counts from another end.
    _K.CATEGORIES_REORDERED: _rule(_OUT, _A.ORDER, _BOTH, _MAJOR, _VALUE, _NEW,
        "puts its categories in another order: {after}, was {before}"),
    _K.POSITIVE_STATED: _rule(_OUT, _A.POSITIVE, _TIGHT, _MINOR, "", "",
        "is said to be the probability of {after}"),
    _K.POSITIVE_DROPPED: _rule(_OUT, _A.POSITIVE, _LOOSE, _MAJOR, _VALUE, _SEEN,
        "is no longer said to be the probability of {before}"),
    _K.POSITIVE_FLIPPED: _rule(_OUT, _A.POSITIVE, _BOTH, _MAJOR, _VALUE, _NEW,
        "is the probability of {after}, was that of {before}"),
    _K.CALIBRATION_STATED: _rule(_OUT, _A.CALIBRATION, _TIGHT, _MINOR, "", "",
        "is calibrated as {after}"),
    _K.CALIBRATION_DROPPED: _rule(_OUT, _A.CALIBRATION, _LOOSE, _MAJOR, "behavioural", _SEEN,
        "is no longer calibrated as {before}"),
    _K.RECALIBRATED: _rule(_OUT, _A.CALIBRATION, _BOTH, _MAJOR, "behavioural", _SEEN,
        "is calibrated as {after}, was as {before}"),
    _K.SEMANTICS_STATED: _rule(_OUT, _A.MEANING, _TIGHT, _MINOR, "", "", "is said to mean {after}"),
    _K.SEMANTICS_DROPPED: _rule(_OUT, _A.MEANING, _LOOSE, _MAJOR, _VALUE, _SEEN,
        "is no longer said to mean {before}"),
    _K.SEMANTICS_CHANGED: _rule(_OUT, _A.MEANING, _BOTH, _MAJOR, _VALUE, _NEW,
        "means {after}, meant {before}"),
    _K.DIMENSION_CHANGED: _rule(_OUT, _A.VECTOR, _BOTH, _MAJOR, _SHAPE, _NEW,
        "is {after}, was {before}"),
    _K.SPACE_CHANGED: _rule(_OUT, _A.SPACE, _BOTH, _MAJOR, _VALUE, _NEW,
        "lies in the space {after}, lay in {before}"),
    # How its answers behave.
    _K.SCALE_ADDED: _rule(_OUT, _A.SPREAD, _TIGHT, _MINOR, "", "",
        "promises an interquartile range of {after}"),
    _K.SCALE_REMOVED: _rule(_OUT, _A.SPREAD, _LOOSE, _MAJOR, "behavioural", _SEEN,
        "no longer promises an interquartile range of {before}"),
    _K.SCALE_TIGHTENED: _rule(_OUT, _A.SPREAD, _TIGHT, _MINOR, "", "",
        "tightens its interquartile range from {before} to {after}"),
    _K.SCALE_LOOSENED: _rule(_OUT, _A.SPREAD, _LOOSE, _MAJOR, "behavioural", _SEEN,
        "loosens its interquartile range from {before} to {after}"),
    _K.SCALE_MOVED: _rule(_OUT, _A.SPREAD, _BOTH, _MAJOR, "behavioural", _SEEN,
        "moves its interquartile range from {before} to {after}"),
    _K.QUANTILES_ADDED: _rule(_OUT, _A.QUANTILES, _TIGHT, _MINOR, "", "",
        "promises quantiles: {after}"),
    _K.QUANTILES_REMOVED: _rule(_OUT, _A.QUANTILES, _LOOSE, _MAJOR, "behavioural", _SEEN,
        "no longer promises quantiles: {before}"),
    _K.QUANTILES_TIGHTENED: _rule(_OUT, _A.QUANTILES, _TIGHT, _MINOR, "", "",
        "tightens its quantiles from {before} to {after}"),
    _K.QUANTILES_LOOSENED: _rule(_OUT, _A.QUANTILES, _LOOSE, _MAJOR, "behavioural", _SEEN,
        "loosens its quantiles from {before} to {after}"),
    _K.QUANTILES_MOVED: _rule(_OUT, _A.QUANTILES, _BOTH, _MAJOR, "behavioural", _SEEN,
        "moves its quantiles from {before} to {after}"),
    _K.DETERMINISM_PROMISED: _rule(_OUT, _A.DETERMINISM, _TIGHT, _MINOR, "", "",
        "gives equal answers to equal inputs from now on"),
    _K.DETERMINISM_LOST: _rule(_OUT, _A.DETERMINISM, _LOOSE, _MAJOR, "behavioural", _SAID,
        "no longer promises equal answers to equal inputs"),
    # When and how it answers.
    _K.DEADLINE_LONGER: _rule(_OUT, _A.DEADLINE, _LOOSE, _MAJOR, "operational", _SAID,
        "may take {after} instead of {before}"),
    _K.DEADLINE_SHORTER: _rule(_OUT, _A.DEADLINE, _TIGHT, _MINOR, "", "",
        "takes at most {after}, was {before}"),
    _K.LATENCY_LONGER: _rule(_OUT, _A.LATENCY, _LOOSE, _MAJOR, "operational", _SAID,
        "answers 99 of 100 requests within {after}, was {before}"),
    _K.LATENCY_SHORTER: _rule(_OUT, _A.LATENCY, _TIGHT, _MINOR, "", "",
        "answers 99 of 100 requests within {after}, was {before}"),
    _K.FRESHNESS_OLDER: _rule(_OUT, _A.FRESHNESS, _LOOSE, _MAJOR, "operational", _SAID,
        "may rest on inputs {after} old, was {before}"),
    _K.FRESHNESS_YOUNGER: _rule(_OUT, _A.FRESHNESS, _TIGHT, _MINOR, "", "",
        "rests on inputs {after} old at the most, was {before}"),
    _K.BATCH_SMALLER: _rule(_OUT, _A.BATCH, _LOOSE, _MAJOR, "operational", _SAID,
        "takes {after} rows in a request, was {before}"),
    _K.BATCH_LARGER: _rule(_OUT, _A.BATCH, _TIGHT, _MINOR, "", "",
        "takes {after} rows in a request, was {before}"),
    _K.FALLBACK_CHANGED: _rule(_OUT, _A.FALLBACK, _BOTH, _MAJOR, "operational", _SAID,
        "falls back to {after} instead of {before}"),
    _K.FALLBACK_SOURCE_CHANGED: _rule(_OUT, _A.FALLBACK_SOURCE, _BOTH, _MAJOR, "operational",
        _SAID, "falls back first to {after}, was {before}"),
    _K.FALLBACK_OLDER: _rule(_OUT, _A.FALLBACK_AGE, _LOOSE, _MAJOR, "operational", _SAID,
        "may fall back to an answer {after} old, was {before}"),
    _K.FALLBACK_YOUNGER: _rule(_OUT, _A.FALLBACK_AGE, _TIGHT, _MINOR, "", "",
        "falls back to an answer {after} old at the most, was {before}"),
    # Fewer triggers mean fewer stand-ins and more safe defaults; neither way is the safer one.
    _K.FALLBACK_TRIGGER_CHANGED: _rule(_OUT, _A.FALLBACK_TRIGGER, _BOTH, _MAJOR, "operational",
        _SAID, "falls back upon {after}, was {before}"),
    # What is going to change.
    # An announcement breaks nobody yet: that is what it is for.
    _K.DEPRECATION_SET: _rule(_OUT, _A.DEPRECATION, _NONE, _MINOR, "", "",
        "may be removed from {after} on"),
    _K.DEPRECATION_WITHDRAWN: _rule(_OUT, _A.DEPRECATION, _NONE, _MINOR, "", "",
        "is not going to be removed from {before} on"),
    _K.DEPRECATION_LATER: _rule(_OUT, _A.DEPRECATION, _TIGHT, _MINOR, "", "",
        "may be removed from {after} on, was {before}"),
    _K.DEPRECATION_EARLIER: _rule(_OUT, _A.DEPRECATION, _LOOSE, _MAJOR, _ALL, _SAID,
        "may be removed from {after} on already, was {before}"),
    _K.NAME_RESERVED: _rule(_OUT, _A.RESERVATION, _NONE, _PATCH, "", "",
        "is a name that nothing may take again"),
    _K.NAME_RELEASED: _rule(_OUT, _A.RESERVATION, _NONE, _PATCH, "", "",
        "is a name that may be taken again"),
    # What it demands.
    _K.INPUT_ADDED: _rule(_IN, _A.PRESENCE, _TIGHT, _MAJOR, "columnar", _FED, "is demanded anew"),
    _K.INPUT_REMOVED: _rule(_IN, _A.PRESENCE, _LOOSE, _MINOR, "", "", "is demanded no longer"),
    # What may be missing demands nothing of those who feed it.
    _K.OPTIONAL_INPUT_ADDED: _rule(_IN, _A.PRESENCE, _NONE, _MINOR, "", "",
        "is read where it is there"),
    _K.OPTIONAL_INPUT_REMOVED: _rule(_IN, _A.PRESENCE, _NONE, _MINOR, "", "", "is read no longer"),
    _K.INPUT_RANGE_TIGHTENED: _rule(_IN, _A.RANGE, _TIGHT, _MAJOR, "numeric", _FED,
        "must lie in {after}, was {before}"),
    _K.INPUT_RANGE_LOOSENED: _rule(_IN, _A.RANGE, _LOOSE, _MINOR, "", "",
        "may lie in {after}, was {before}"),
    _K.INPUT_RANGE_MOVED: _rule(_IN, _A.RANGE, _BOTH, _MAJOR, "numeric", _FED,
        "must lie in {after}, was {before}"),
    _K.INPUT_NULL_REFUSED: _rule(_IN, _A.NULLS, _TIGHT, _MAJOR, "numeric", _FED,
        "must not be missing"),
    _K.INPUT_NULL_ACCEPTED: _rule(_IN, _A.NULLS, _LOOSE, _MINOR, "", "", "may be missing"),
    _K.INPUT_UNIT_CHANGED: _rule(_IN, _A.UNIT, _BOTH, _MAJOR, _VALUE, _FED,
        "is demanded in {after}, was {before}"),
    # Nobody knows what was fed so far: undetermined counts as a break.
    _K.INPUT_UNIT_STATED: _rule(_IN, _A.UNIT, _TIGHT, _MAJOR, "numeric", _FED,
        "is demanded in {after}, its unit was not said before"),
    _K.INPUT_UNIT_DROPPED: _rule(_IN, _A.UNIT, _LOOSE, _MINOR, "", "",
        "is demanded in no unit any more, was {before}"),
    _K.INPUT_DTYPE_STATED: _rule(_IN, _A.TYPE, _TIGHT, _MAJOR, "columnar", _FED,
        "must be a {after}, its type was not said before"),
    _K.INPUT_DTYPE_DROPPED: _rule(_IN, _A.TYPE, _LOOSE, _MINOR, "", "",
        "may be of any type, was a {before}"),
    _K.INPUT_DTYPE_WIDENED: _rule(_IN, _A.TYPE, _LOOSE, _MINOR, "", "",
        "may be a {after}, was a {before}"),
    _K.INPUT_DTYPE_NARROWED: _rule(_IN, _A.TYPE, _TIGHT, _MAJOR, "columnar numeric", _FED,
        "must be a {after}, was a {before}"),
    _K.INPUT_DTYPE_REPLACED: _rule(_IN, _A.TYPE, _BOTH, _MAJOR, _SHAPE, _FED,
        "must be a {after}, was a {before}"),
    _K.INPUT_CATEGORIES_LISTED: _rule(_IN, _A.CATEGORIES, _TIGHT, _MAJOR, "numeric", _FED,
        "must be one of {after}"),
    _K.INPUT_CATEGORIES_UNLISTED: _rule(_IN, _A.CATEGORIES, _LOOSE, _MINOR, "", "",
        "may be anything, was one of {before}"),
    _K.INPUT_CATEGORIES_ADDED: _rule(_IN, _A.CATEGORIES, _LOOSE, _MINOR, "", "",
        "may be one of {after}, was one of {before}"),
    _K.INPUT_CATEGORIES_REMOVED: _rule(_IN, _A.CATEGORIES, _TIGHT, _MAJOR, "numeric", _FED,
        "must be one of {after}, was one of {before}"),
    _K.INPUT_CATEGORIES_REPLACED: _rule(_IN, _A.CATEGORIES, _BOTH, _MAJOR, "numeric", _FED,
        "must be one of {after}, was one of {before}"),
    _K.INPUT_CATEGORIES_REORDERED: _rule(_IN, _A.ORDER, _BOTH, _MAJOR, _VALUE, _FED,
        "takes its categories in another order: {after}, was {before}"),
    _K.INPUT_SEMANTICS_STATED: _rule(_IN, _A.MEANING, _TIGHT, _MAJOR, _VALUE, _FED,
        "must mean {after}, that was not said before"),
    _K.INPUT_SEMANTICS_DROPPED: _rule(_IN, _A.MEANING, _LOOSE, _MINOR, "", "",
        "may mean anything, meant {before}"),
    _K.INPUT_SEMANTICS_CHANGED: _rule(_IN, _A.MEANING, _BOTH, _MAJOR, _VALUE, _FED,
        "must mean {after}, meant {before}"),
    _K.INPUT_DIMENSION_CHANGED: _rule(_IN, _A.VECTOR, _BOTH, _MAJOR, _SHAPE, _FED,
        "must be {after}, was {before}"),
    _K.INPUT_SPACE_CHANGED: _rule(_IN, _A.SPACE, _BOTH, _MAJOR, _VALUE, _FED,
        "must lie in the space {after}, lay in {before}"),
    # What two contracts do not show.
    _K.RETRAINED: _rule(_OUT, _A.ARTIFACT, _NONE, _PATCH, "", "",
        "is another model that keeps its promises"),
    # Undetermined counts as a break, until a replay has determined it.
    _K.RETRAINED_UNPROMISED: _rule(_OUT, _A.BEHAVIOUR, _BOTH, _MAJOR, "behavioural", _SHOWN,
        "comes from another model, and {after}"),
    _K.DISTRIBUTION_SHIFTED: _rule(_OUT, _A.BEHAVIOUR, _BOTH, _MAJOR, "behavioural",
        "contract_test", "behaves as no contract says: {after}"),
    _K.FEATURE_ADOPTED: _rule(_IN, _A.FEATURE, _NONE, _MINOR, "", "",
        "is read as {after}, was {before}, by a model that was made for it"),
    _K.FEATURE_CHANGED: _rule(_IN, _A.FEATURE, _BOTH, _MAJOR, _VALUE, _SHOWN,
        "becomes {after}, and the model was made for {before}"),
    _K.UPSTREAM_CHANGED: _rule(_IN, _A.UPSTREAM, _BOTH, _MAJOR, "behavioural", _SHOWN,
        "comes from version {after}, and the model was trained on {before}"),
    _K.REMOVED_IN_USE: _rule(_OUT, _A.PRESENCE, _LOOSE, _MAJOR, _ALL, _GONE,
        "is promised no longer, and read by {before}"),
    _K.REMOVED_UNUSED: _rule(_OUT, _A.PRESENCE, _LOOSE, _MAJOR, _ALL, "no_observed_use",
        "is promised no longer; {before}"),
    _K.OWNER_CHANGED: _rule(_OUT, _A.OWNER, _NONE, _PATCH, "", "",
        "is answered for by {after}, was {before}"),
}
"""What each kind of change means: the whole policy of this package."""
# fmt: on
