"""Who reads a model, as a table for people and as plain types."""

from typing import Any

from sluiceway.cli.rendering import say, table
from sluiceway.durations import render_duration
from sluiceway.lineage import Trace
from sluiceway.steps.consuming import (
    ConsumersFound,
    DeclaredConsumer,
    LookedAt,
    UndeclaredConsumer,
)

_SHOWN_BY = {
    Trace.TRAINED_ON: "its tag sluiceway.trained_on",
    Trace.READS: "its tag sluiceway.reads",
    Trace.SIGNATURE: "its signature",
    Trace.RUN_INPUT: "the inputs of its MLflow run",
    Trace.REQUESTS: "requests in the prediction log",
}


def say_consumers(found: ConsumersFound) -> None:
    """Print who reads a model, and what was looked at to know it."""
    if found.declared:
        columns = ("consumer", "kind", "environment", "version", "reads", "relies on")
        rows = [_row(one, found.model) for one in found.declared]
        table((*columns, "owner", "contact", "trained on"), rows)
    else:
        say(f"{found.looked_at.system} declares no consumer of {found.model}")
    for one in found.undeclared:
        say(f"not declared: {undeclared_sentence(one, found.model)}")
    if not found.undeclared and found.looked_at.environment is not None:
        say("none that is not declared was found")
    for line in looked_at_sentences(found.looked_at):
        say(line)


def undeclared_sentence(one: UndeclaredConsumer, model: str) -> str:
    """Who reads what, and what shows it."""
    name = f"{one.consumer}@{', '.join(one.versions)}" if one.versions else one.consumer
    read = model if one.field is None else f"{model}.{one.field}"
    said = f"{name} reads {read}, as {_SHOWN_BY[one.shown_by]} "
    said += "say" if one.shown_by in (Trace.RUN_INPUT, Trace.REQUESTS) else "says"
    if one.rows is not None and one.last is not None:
        said += f": {one.rows:,} answers, the last of {one.last:%Y-%m-%d %H:%M} UTC"
    return said


def looked_at_sentences(looked: LookedAt) -> list[str]:
    """What was searched, and what could not be."""
    said = [f"looked at: the edges of {looked.system}"]
    if looked.environment is None:
        said.append("not looked at: log of answers and registry, for there is no journal here")
    if looked.registry is not None:
        one = looked.registry
        said.append(
            f"looked at: tags of {one.versions:,} versions of {one.models:,} registered models; "
            f"signature and run of the {one.opened:,} that are newest or have an alias"
        )
        said += [f"not readable: {what}" for what in one.unreadable]
    if looked.log is not None and looked.window is not None:
        window = f"{looked.window.start:%Y-%m-%d %H:%M} to {looked.window.end:%Y-%m-%d %H:%M} UTC"
        named = looked.log.rows - looked.log.unnamed
        said.append(
            f"looked at: {looked.log.rows:,} answers received in {looked.environment} from "
            f"{window}, of which {named:,} name who asked"
        )
    return said + [f"not looked at: {what}" for what in looked.faults]


def _row(one: DeclaredConsumer, model: str) -> tuple[str, ...]:
    later = f", {render_duration(one.delayed)} earlier" if one.delayed else ""
    return (
        one.consumer,
        one.kind.value,
        one.environment or "–",
        one.version or "–",
        f"{one.field}{later}",
        ", ".join(one.relies_on),
        one.owner,
        one.contact,
        _trained_on(one, model),
    )


def _trained_on(one: DeclaredConsumer, model: str) -> str:
    if one.fault is not None:
        return f"cannot be read: {one.fault}".replace("[", "\\[")
    if one.version is None:
        return "–"
    if one.trained_on is None:
        return "not recorded"
    another = f", {one.producer_version} serves" if one.trained_on_another else ""
    return f"{model}@{one.trained_on}{another}"


def consumers_json(found: ConsumersFound) -> dict[str, Any]:
    """The same in plain types."""
    looked = found.looked_at
    return {
        "model": found.model,
        "declared": [
            {
                "consumer": one.consumer,
                "kind": one.kind.value,
                "owner": one.owner,
                "contact": one.contact,
                "environment": one.environment,
                "version": one.version,
                "field": one.field,
                "relies_on": [reliance.value for reliance in one.relies_on],
                "delayed": render_duration(one.delayed) if one.delayed else None,
                "trained_on": one.trained_on,
                "serves": one.producer_version,
                "fault": one.fault,
            }
            for one in found.declared
        ],
        "undeclared": [
            {
                "consumer": one.consumer,
                "versions": list(one.versions),
                "field": one.field,
                "shown_by": one.shown_by.value,
                "rows": one.rows,
                "last": one.last,
            }
            for one in found.undeclared
        ],
        "looked_at": {
            "system": looked.system,
            "environment": looked.environment,
            "window": [looked.window.start, looked.window.end] if looked.window else None,
            "rows": looked.log.rows if looked.log else None,
            "rows_without_caller": looked.log.unnamed if looked.log else None,
            "models": looked.registry.models if looked.registry else None,
            "versions": looked.registry.versions if looked.registry else None,
            "opened": looked.registry.opened if looked.registry else None,
            "unreadable": list(looked.registry.unreadable) if looked.registry else [],
            "faults": list(looked.faults),
        },
    }
