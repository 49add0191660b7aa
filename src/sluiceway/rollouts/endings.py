"""How far a rollout came, and the words for how it ended."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from sluiceway.outcomes import Outcome


class Phase(StrEnum):
    """Where a rollout is, or was when it ended."""

    PLAN = "plan"
    CONTRACTS = "contracts"
    SHADOW = "shadow"
    APPROVAL = "approval"
    CANARY = "canary"
    PROMOTION = "promotion"
    WATCH = "watch"


class Ending(StrEnum):
    """Each is its own word everywhere."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"
    ERRORED = "errored"
    ABORTED = "aborted"
    EXPIRED = "expired"
    ROLLED_BACK = "rolled_back"


ENDS_AS: Final[Mapping[Outcome, Ending]] = {
    Outcome.FAILED: Ending.REJECTED,
    Outcome.ERROR: Ending.ERRORED,
    Outcome.INCONCLUSIVE: Ending.INCONCLUSIVE,
}
"""What a contract check that did not pass ends a rollout as."""


class ReasonCode(StrEnum):
    """Why a rollout ended: what programs read; people read the sentence beside it."""

    ALL_GATES_PASSED = "all_gates_passed"
    BAD_INPUT = "bad_input"
    ALREADY_CHAMPION = "already_champion"
    NO_CHAMPION = "no_champion"
    MUST_GO_WITH = "must_go_with"
    CONTRACT_CHANGE_BREAKS_CONSUMERS = "contract_change_breaks_consumers"
    REMOVAL_REFUSED = "removal_refused"
    TIMES_NOT_KEPT = "times_not_kept"
    PROMISE_BROKEN = "promise_broken"
    EARLIER_ANSWERS_NOT_REPLAYED = "earlier_answers_not_replayed"
    ANSWERS_NOT_REPLAYED = "answers_not_replayed"
    CONTRACT_UNDECIDED = "contract_undecided"
    CONTRACT_UNCHECKABLE = "contract_uncheckable"
    HARM_IN_SHADOW = "harm_in_shadow"
    BUDGET_SPENT = "budget_spent"
    SHADOW_INCONCLUSIVE = "shadow_inconclusive"
    SHADOW_ERRORED = "shadow_errored"
    SHADOW_STALE = "shadow_stale"
    CANARY_UNDERPOWERED = "canary_underpowered"
    APPROVAL_REFUSED = "approval_refused"
    APPROVAL_EXPIRED = "approval_expired"
    HARM_IN_CANARY = "harm_in_canary"
    BREAKER_OPEN = "breaker_open"
    CONTRACT_BROKEN = "contract_broken"
    CANARY_UNMEASURABLE = "canary_unmeasurable"
    CANARY_DEADLINE = "canary_deadline"
    WATCH_UNMEASURABLE = "watch_unmeasurable"
    HARM_AFTER_PROMOTION = "harm_after_promotion"
    ARTIFACT_CHANGED = "artifact_changed"
    FEATURE_CHANGED = "feature_changed"
    FEATURES_MISMATCH = "features_mismatch"
    ABORTED_BY_HAND = "aborted_by_hand"
    ROLLED_BACK_BY_HAND = "rolled_back_by_hand"
