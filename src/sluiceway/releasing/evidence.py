"""What has been seen of versions together, keyed by content, so that a number cannot lie.

A record speaks about the very contents that took part: contract, files and feature versions. A
version of the same number with other files has no evidence; an equal one under another number has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sluiceway.canonical import sha256_of
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member, Release


class EvidenceKind(StrEnum):
    """How versions were seen together."""

    CONTRACT_TEST = "contract_test"
    """Recorded rows were answered and held against the contracts."""
    EDGE_CASES = "edge_cases"
    """Recorded rows and edge cases of everything that is promised were tried by a contract test."""
    SHADOW_REPLAY = "shadow_replay"
    """Recorded traffic was replayed and every gate judged."""
    COUNTERFACTUAL = "counterfactual"
    """Replayed with some changes taken back, when harm was traced to its origin."""
    CANARY = "canary"
    """Live traffic was answered beside the champion."""
    SERVED = "served"
    """They were the champion."""


JUDGED: Final = frozenset({EvidenceKind.SHADOW_REPLAY, EvidenceKind.CANARY, EvidenceKind.SERVED})
"""Kinds in which the gates were judged: these may bring a release live."""

TESTED: Final = frozenset({EvidenceKind.CONTRACT_TEST, EvidenceKind.EDGE_CASES})
"""Kinds in which answers were held against contracts, and no gate was judged."""

TRACED: Final = JUDGED | {EvidenceKind.COUNTERFACTUAL}
"""Kinds that may bring a release *back*: a counterfactual says by best estimate, not by a bound,
that every gate is within its margin, which is enough against a release that is known to harm."""


def content_of(member: Member) -> str:
    """SHA-256 over what makes a member answer as it does; its number takes no part.

    That is its contract, its files, and version and definition of the features it reads.
    """
    content = [member.model, member.contract_hash, member.artifact_sha256, dict(member.features)]
    return sha256_of([*content, dict(member.definitions)] if member.definitions else content)


def contents_of(release: Release) -> dict[str, str]:
    """Content by model."""
    return {model: content_of(member) for model, member in release.members.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRecord:
    """Some versions were seen together once.

    Attributes:
        outcome: PASSED counts for them, FAILED against them; anything else says nothing.
        contents: Content by model of all that took part.
        contracts: Contract hash by model of the same.
        asked: Models whose answers were looked at; None for all.
        failed: With FAILED, each set of models whose versions failed together.
        rollout_id: Whose journal tells it.
        position: Place in the environment's journal; of two that contradict, the later counts.
        at: When it was seen (UTC); of what serves or served, since when.
        until: Of what served, when it left (UTC); None where it serves still, and for all else.
        fed_by: With EDGE_CASES, the producer with all of whose promises the asked model was fed;
            None where it was asked for its own sake.
        said: What went wrong, in words; empty where nothing did or nobody said.
    """

    kind: EvidenceKind
    outcome: Outcome
    contents: Mapping[str, str]
    contracts: Mapping[str, str]
    asked: frozenset[str] | None = None
    failed: tuple[frozenset[str], ...] = ()
    rollout_id: str
    position: int
    at: datetime
    until: datetime | None = None
    fed_by: str | None = None
    said: str = ""

    def age(self, now: datetime) -> timedelta:
        """How long ago it was so for the last time; what serves is so now."""
        if self.until is not None:
            return now - self.until
        return timedelta(0) if self.kind is EvidenceKind.SERVED else now - self.at

    def speaks_of(self, contents: Mapping[str, str], models: Iterable[str]) -> bool:
        """Whether these very contents of these models took part."""
        return all(
            model in contents and self.contents.get(model) == contents[model] for model in models
        )


class SupportCode(StrEnum):
    """What evidence there is for some versions together."""

    FRESH = "fresh"
    EXPIRED = "expired"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """The evidence that counts for, or against, some versions together.

    Attributes:
        record: What it rests on; None where there is none.
    """

    code: SupportCode
    record: EvidenceRecord | None = None


def support(
    records: Iterable[EvidenceRecord],
    contents: Mapping[str, str],
    models: frozenset[str],
    *,
    asked: str,
    kinds: frozenset[EvidenceKind],
    now: datetime,
    max_age: timedelta,
) -> Support:
    """Find the evidence for these contents of these models together.

    The latest record that passed or failed counts. What failed does not get better by waiting;
    what passed is worth something for `max_age`.

    Args:
        records: Newest first.
        contents: Content by model; a part of it that failed fails the whole.
        models: The set that has to have passed together.
        asked: The model whose answers matter.
        kinds: The kinds of passed evidence that count.
        now: The time (UTC).
        max_age: How long passed evidence counts.
    """
    for record in records:
        if record.kind is EvidenceKind.EDGE_CASES and record.kind not in kinds:
            continue  # what edge cases break, recorded and live traffic may never show
        if record.outcome is Outcome.FAILED:
            if any(record.speaks_of(contents, some) for some in record.failed):
                return Support(code=SupportCode.FAILED, record=record)
            continue
        if record.outcome is not Outcome.PASSED or not record.speaks_of(contents, models):
            continue
        if record.asked is not None and asked not in record.asked:
            continue
        if record.kind not in kinds:
            continue
        fresh = record.age(now) <= max_age
        return Support(code=SupportCode.FRESH if fresh else SupportCode.EXPIRED, record=record)
    return Support(code=SupportCode.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSet:
    """Contents that failed together, and no later record says otherwise.

    Attributes:
        contents: Content by model.
    """

    contents: Mapping[str, str]
    record: EvidenceRecord


def failed_sets(records: Iterable[EvidenceRecord]) -> tuple[FailedSet, ...]:
    """Every set that failed and has not passed since.

    Args:
        records: Newest first.
    """
    found: list[FailedSet] = []
    passed: list[EvidenceRecord] = []
    for record in records:
        if record.outcome is Outcome.PASSED and record.kind in JUDGED:
            passed.append(record)
        if record.outcome is not Outcome.FAILED or record.kind is EvidenceKind.EDGE_CASES:
            continue
        for models in record.failed:
            contents = {model: record.contents[model] for model in sorted(models)}
            if not any(later.speaks_of(contents, models) for later in passed):
                found.append(FailedSet(contents=contents, record=record))
    return tuple(found)
