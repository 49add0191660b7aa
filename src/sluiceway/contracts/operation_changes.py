"""What became of the times, sizes and safe defaults of a contract."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from sluiceway.contracts.change_kinds import Change
from sluiceway.contracts.change_names import ChangeKind
from sluiceway.contracts.value_changes import Said
from sluiceway.contracts.values import Contract, FallbackKind, FallbackRule
from sluiceway.durations import render_duration

_K = ChangeKind


def operation_changes(old: Contract, new: Contract, kept: Mapping[str, str]) -> Iterator[Change]:
    """How long, how old, how many, how sure, and what instead.

    Args:
        kept: New name by old name of the fields that both contracts promise. The safe default of a
            field that comes or goes, comes or goes with it.
    """
    for kind, was, becomes in (*_times(old, new), *_determinism(old, new)):
        yield Change(kind=kind, model=new.model, field=None, before=str(was), after=str(becomes))
    for name, now in sorted(kept.items()):
        for kind, was, becomes in (*_constant(old, name, new, now), *_rule(old, name, new, now)):
            yield Change(
                kind=kind, model=new.model, field=name, before=str(was), after=str(becomes)
            )


def _times(old: Contract, new: Contract) -> Iterator[Said]:
    """What is not promised may take any time and be of any age; any number of rows may come."""
    for before, after, longer, shorter, unsaid in (
        (old.deadline, new.deadline, _K.DEADLINE_LONGER, _K.DEADLINE_SHORTER, ""),
        (old.latency_p99, new.latency_p99, _K.LATENCY_LONGER, _K.LATENCY_SHORTER, "any time"),
        (old.freshness, new.freshness, _K.FRESHNESS_OLDER, _K.FRESHNESS_YOUNGER, "any age"),
    ):
        if before != after:
            grows = before is not None and (after is None or after > before)
            yield (
                longer if grows else shorter,
                unsaid if before is None else render_duration(before),
                unsaid if after is None else render_duration(after),
            )
    few, many = old.max_batch, new.max_batch
    if few != many:
        shrinks = many is not None and (few is None or many < few)
        rows = ["any number of" if most is None else most for most in (few, many)]
        yield (_K.BATCH_SMALLER if shrinks else _K.BATCH_LARGER, rows[0], rows[1])


def _determinism(old: Contract, new: Contract) -> Iterator[Said]:
    if bool(old.deterministic) != bool(new.deterministic):
        yield _K.DETERMINISM_PROMISED if new.deterministic else _K.DETERMINISM_LOST, "", ""


def _constant(old: Contract, name: str, new: Contract, now: str) -> Iterator[Said]:
    before, after = old.fallback.get(name), new.fallback.get(now)
    was, becomes = _named(old, name, before), _named(new, now, after)
    if was is None or becomes is None:
        was, becomes = _number(before), _number(after)
    if was != becomes:
        yield _K.FALLBACK_CHANGED, was, becomes


def _named(contract: Contract, name: str, place: float | None) -> str | None:
    """The category that a safe default stands for; None where it is just a number."""
    field = next((field for field in contract.output if field.name == name), None)
    if field is None or not field.categories or field.dtype == "double" or place is None:
        return None
    known = place in range(len(field.categories))
    return field.categories[int(place)] if known else None


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"


def _rule(old: Contract, name: str, new: Contract, now: str) -> Iterator[Said]:
    before, after = old.fallback_rules.get(name), new.fallback_rules.get(now)
    was, becomes = _source(before), _source(after)
    if was != becomes:
        yield _K.FALLBACK_SOURCE_CHANGED, was, becomes
    ages = _age(before), _age(after)
    if was == becomes and ages[0] != ages[1]:
        older = ages[1] is None or (ages[0] is not None and ages[1] > ages[0])
        texts = ["of any age" if age is None else render_duration(age) for age in ages]
        yield _K.FALLBACK_OLDER if older else _K.FALLBACK_YOUNGER, texts[0], texts[1]
    triggers = _triggers(before), _triggers(after)
    if triggers[0] != triggers[1]:
        yield _K.FALLBACK_TRIGGER_CHANGED, triggers[0], triggers[1]


def _source(rule: FallbackRule | None) -> str:
    if rule is None or rule.kind is FallbackKind.CONSTANT:
        return "the safe default"
    if rule.kind is FallbackKind.COLUMN:
        return str(rule.column)
    return "the last known good answer"


def _age(rule: FallbackRule | None) -> timedelta | None:
    return None if rule is None else rule.max_age


def _triggers(rule: FallbackRule | None) -> str:
    if rule is None or not rule.triggers:
        return "anything"
    return ", ".join(sorted(trigger.value for trigger in rule.triggers))
