"""What an answer says of itself: by which release each row was answered, and what stood in."""

from typing import Any, Final

from sluiceway.serving.values import ArmAnswers, Reply, Values

SHORT: Final = 12
"""Digits of a release's hash that an answer shows."""


def provenance_of(reply: Reply, *, sticky: bool) -> dict[str, Any]:
    """The section ``sluiceway`` of an answer.

    Its ``rows`` hold one entry for each row, or a single one where all rows are alike. An entry
    says the arm, the rollout (null where none has a say), the release, and by model why its answer
    was not its own.
    """
    first = reply.arms[0]
    return {
        "request_id": reply.question.request_id,
        "generation": first.generation,
        "revision": first.revision,
        "sticky": sticky,
        "rows": _rows(reply),
    }


def field_names(reply: Reply) -> tuple[str, ...]:
    """Output fields of the asked model that every arm has, in the first arm's order."""
    prefix = f"{reply.question.model}."
    names = [name for name in reply.arms[0].fields if name.startswith(prefix)]
    for arm in reply.arms[1:]:
        names = [name for name in names if name in arm.fields]
    return tuple(name[len(prefix) :] for name in names)


def plain(values: Values, dtype: str) -> Any:
    """Values of one field as JSON has them.

    Args:
        values: Shape (rows,) or (rows, dimension).
        dtype: What the contract promises: ``double``, ``long``, ``boolean`` or ``string``.

    Returns:
        A list, null where a value is missing or infinite.
    """
    if values.dtype.kind == "M":
        return [None if one is None else one.isoformat() + "Z" for one in values.tolist()]
    listed = values.tolist()
    if values.dtype.kind == "f" and values.ndim == 1:
        if dtype == "long":
            return [int(one) if one - one == 0.0 else None for one in listed]
        if dtype == "boolean":
            return [one != 0.0 if one - one == 0.0 else None for one in listed]
    return listed


def _rows(reply: Reply) -> list[dict[str, Any]]:
    if len(reply.arms) == 1:
        arm = reply.arms[0]
        if not arm.stand_ins:
            return [_entry(arm, {})]
        entries = _entries(arm)
    else:
        placed: list[dict[str, Any]] = [{}] * reply.question.rows
        for arm in reply.arms:
            for row, entry in zip(arm.rows.tolist(), _entries(arm), strict=True):
                placed[row] = entry
        entries = placed
    first = entries[0]
    return [first] if all(entry == first for entry in entries) else entries


def _entries(arm: ArmAnswers) -> list[dict[str, Any]]:
    """An entry for each row of an arm; rows that are alike share one."""
    if not arm.stand_ins:
        return [_entry(arm, {})] * len(arm.rows)
    models = tuple(arm.stand_ins)
    known: dict[tuple[str, ...], dict[str, Any]] = {}
    entries = []
    for reasons in zip(*(arm.stand_ins[model].tolist() for model in models), strict=True):
        entry = known.get(reasons)
        if entry is None:
            why = {model: str(one) for model, one in zip(models, reasons, strict=True) if one}
            entry = known[reasons] = _entry(arm, why)
        entries.append(entry)
    return entries


def _entry(arm: ArmAnswers, stand_ins: dict[str, str]) -> dict[str, Any]:
    return {
        "arm": arm.arm.value,
        "rollout": arm.rollout_id or None,
        "release": arm.release[:SHORT],
        "stand_ins": stand_ins,
    }
