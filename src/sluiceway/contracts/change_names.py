"""The words a change is described by: its kind, its aspect, its direction, its size, its evidence.

The algebra of directions: an output promise that loosens breaks those who read it; an input demand
that tightens breaks those who feed it; a change that does both breaks whatever relies on it.
"""

from enum import StrEnum
from typing import Final


class Direction(StrEnum):
    """Which way a promise or a demand moved."""

    NONE = "none"
    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    BOTH = "both"

    @property
    def reverse(self) -> "Direction":
        """The direction of the way back."""
        return _REVERSE.get(self, self)


_REVERSE: Final = {
    Direction.LOOSENS: Direction.TIGHTENS,
    Direction.TIGHTENS: Direction.LOOSENS,
}


class Bump(StrEnum):
    """How far a semantic version must rise."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"

    @property
    def size(self) -> int:
        """Place in the order patch < minor < major, from 0."""
        return list(Bump).index(self)


class Side(StrEnum):
    """Whose edges a change is about."""

    OUTPUT = "output"
    """Those that read the model."""
    INPUT = "input"
    """Those that feed it."""


class Aspect(StrEnum):
    """What of a field, an input or a model a change is about; there and back it is the same."""

    WORDING = "wording"
    PRESENCE = "presence"
    POSITION = "position"
    TYPE = "type"
    UNIT = "unit"
    RANGE = "range"
    NULLS = "nulls"
    CATEGORIES = "categories"
    ORDER = "order"
    POSITIVE = "positive"
    CALIBRATION = "calibration"
    MEANING = "meaning"
    VECTOR = "vector"
    SPACE = "space"
    SPREAD = "spread"
    QUANTILES = "quantiles"
    DETERMINISM = "determinism"
    DEADLINE = "deadline"
    LATENCY = "latency"
    FRESHNESS = "freshness"
    BATCH = "batch"
    FALLBACK = "fallback"
    FALLBACK_SOURCE = "fallback source"
    FALLBACK_AGE = "fallback age"
    FALLBACK_TRIGGER = "fallback trigger"
    DEPRECATION = "deprecation"
    RESERVATION = "reservation"
    ARTIFACT = "artifact"
    BEHAVIOUR = "behaviour"
    FEATURE = "feature"
    UPSTREAM = "upstream"
    OWNER = "owner"


class Evidence(StrEnum):
    """What somebody can show so that a change breaks them no more."""

    CONTRACT_TEST = "contract_test"
    """The version's own answers to recorded rows keep every promise."""
    CONSUMER_CONTRACT_TEST = "consumer_contract_test"
    """The consumer was run on the whole new promise and kept its own."""
    CONSUMER_ACKNOWLEDGEMENT = "consumer_acknowledgement"
    """The consumer's owner has said that they can live with it."""
    RETRAINED_CONSUMER = "retrained_consumer"
    """A version of the consumer that demands the new promise moves in the same release."""
    SHADOW_REPLAY = "shadow_replay"
    """The whole chain was replayed on recorded traffic, and every required gate passed."""
    FEEDER_PROMISE = "feeder_promise"
    """What feeds the input promises, as written, no more than the new demand takes."""
    DEPRECATION_WINDOW = "deprecation_window"
    """It was announced, and the announced day has come."""
    NO_OBSERVED_USE = "no_observed_use"
    """Nobody was seen reading it any more."""

    @property
    def words(self) -> str:
        """As people say it: ``shadow replay``."""
        return self.value.replace("_", " ")


class ChangeKind(StrEnum):
    """What changed."""

    WORDING_CHANGED = "wording_changed"
    FIELD_ADDED = "field_added"
    FIELD_REMOVED = "field_removed"
    FIELD_RENAMED = "field_renamed"
    POSITION_MOVED = "position_moved"
    DTYPE_WIDENED = "dtype_widened"
    DTYPE_NARROWED = "dtype_narrowed"
    DTYPE_REPLACED = "dtype_replaced"
    UNIT_CHANGED = "unit_changed"
    RANGE_WIDENED = "range_widened"
    RANGE_NARROWED = "range_narrowed"
    RANGE_MOVED = "range_moved"
    NULL_ALLOWED = "null_allowed"
    NULL_FORBIDDEN = "null_forbidden"
    CATEGORIES_LISTED = "categories_listed"
    CATEGORIES_UNLISTED = "categories_unlisted"
    CATEGORIES_ADDED = "categories_added"
    CATEGORIES_REMOVED = "categories_removed"
    CATEGORIES_REPLACED = "categories_replaced"
    CATEGORIES_REORDERED = "categories_reordered"
    POSITIVE_STATED = "positive_stated"
    POSITIVE_DROPPED = "positive_dropped"
    POSITIVE_FLIPPED = "positive_flipped"
    CALIBRATION_STATED = "calibration_stated"
    CALIBRATION_DROPPED = "calibration_dropped"
    RECALIBRATED = "recalibrated"
    SEMANTICS_STATED = "semantics_stated"
    SEMANTICS_DROPPED = "semantics_dropped"
    SEMANTICS_CHANGED = "semantics_changed"
    DIMENSION_CHANGED = "dimension_changed"
    SPACE_CHANGED = "space_changed"
    SCALE_ADDED = "scale_added"
    SCALE_REMOVED = "scale_removed"
    SCALE_TIGHTENED = "scale_tightened"
    SCALE_LOOSENED = "scale_loosened"
    SCALE_MOVED = "scale_moved"
    QUANTILES_ADDED = "quantiles_added"
    QUANTILES_REMOVED = "quantiles_removed"
    QUANTILES_TIGHTENED = "quantiles_tightened"
    QUANTILES_LOOSENED = "quantiles_loosened"
    QUANTILES_MOVED = "quantiles_moved"
    DETERMINISM_PROMISED = "determinism_promised"
    DETERMINISM_LOST = "determinism_lost"
    DEADLINE_LONGER = "deadline_longer"
    DEADLINE_SHORTER = "deadline_shorter"
    LATENCY_LONGER = "latency_longer"
    LATENCY_SHORTER = "latency_shorter"
    FRESHNESS_OLDER = "freshness_older"
    FRESHNESS_YOUNGER = "freshness_younger"
    BATCH_SMALLER = "batch_smaller"
    BATCH_LARGER = "batch_larger"
    FALLBACK_CHANGED = "fallback_changed"
    FALLBACK_SOURCE_CHANGED = "fallback_source_changed"
    FALLBACK_OLDER = "fallback_older"
    FALLBACK_YOUNGER = "fallback_younger"
    FALLBACK_TRIGGER_CHANGED = "fallback_trigger_changed"
    DEPRECATION_SET = "deprecation_set"
    DEPRECATION_WITHDRAWN = "deprecation_withdrawn"
    DEPRECATION_LATER = "deprecation_later"
    DEPRECATION_EARLIER = "deprecation_earlier"
    NAME_RESERVED = "name_reserved"
    NAME_RELEASED = "name_released"
    INPUT_ADDED = "input_added"
    INPUT_REMOVED = "input_removed"
    OPTIONAL_INPUT_ADDED = "optional_input_added"
    OPTIONAL_INPUT_REMOVED = "optional_input_removed"
    INPUT_RANGE_TIGHTENED = "input_range_tightened"
    INPUT_RANGE_LOOSENED = "input_range_loosened"
    INPUT_RANGE_MOVED = "input_range_moved"
    INPUT_NULL_REFUSED = "input_null_refused"
    INPUT_NULL_ACCEPTED = "input_null_accepted"
    INPUT_UNIT_CHANGED = "input_unit_changed"
    INPUT_UNIT_STATED = "input_unit_stated"
    INPUT_UNIT_DROPPED = "input_unit_dropped"
    INPUT_DTYPE_STATED = "input_dtype_stated"
    INPUT_DTYPE_DROPPED = "input_dtype_dropped"
    INPUT_DTYPE_WIDENED = "input_dtype_widened"
    INPUT_DTYPE_NARROWED = "input_dtype_narrowed"
    INPUT_DTYPE_REPLACED = "input_dtype_replaced"
    INPUT_CATEGORIES_LISTED = "input_categories_listed"
    INPUT_CATEGORIES_UNLISTED = "input_categories_unlisted"
    INPUT_CATEGORIES_ADDED = "input_categories_added"
    INPUT_CATEGORIES_REMOVED = "input_categories_removed"
    INPUT_CATEGORIES_REPLACED = "input_categories_replaced"
    INPUT_CATEGORIES_REORDERED = "input_categories_reordered"
    INPUT_SEMANTICS_STATED = "input_semantics_stated"
    INPUT_SEMANTICS_DROPPED = "input_semantics_dropped"
    INPUT_SEMANTICS_CHANGED = "input_semantics_changed"
    INPUT_DIMENSION_CHANGED = "input_dimension_changed"
    INPUT_SPACE_CHANGED = "input_space_changed"
    RETRAINED = "retrained"
    RETRAINED_UNPROMISED = "retrained_unpromised"
    DISTRIBUTION_SHIFTED = "distribution_shifted"
    FEATURE_ADOPTED = "feature_adopted"
    FEATURE_CHANGED = "feature_changed"
    UPSTREAM_CHANGED = "upstream_changed"
    REMOVED_IN_USE = "removed_in_use"
    REMOVED_UNUSED = "removed_unused"
    OWNER_CHANGED = "owner_changed"


MEMBER_KINDS: Final = frozenset(
    {
        ChangeKind.RETRAINED,
        ChangeKind.RETRAINED_UNPROMISED,
        ChangeKind.DISTRIBUTION_SHIFTED,
        ChangeKind.FEATURE_ADOPTED,
        ChangeKind.FEATURE_CHANGED,
        ChangeKind.UPSTREAM_CHANGED,
        ChangeKind.REMOVED_IN_USE,
        ChangeKind.REMOVED_UNUSED,
        ChangeKind.OWNER_CHANGED,
    }
)
"""Kinds that two contracts alone do not show."""
