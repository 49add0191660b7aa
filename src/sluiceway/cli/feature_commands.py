"""The commands about features."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from sluiceway.cli.opening import opened
from sluiceway.cli.rendering import say, say_json, table
from sluiceway.durations import parse_span
from sluiceway.errors import BadInput, Fault
from sluiceway.features import AuditedFeature, FeatureAudit, Stamp, sentence
from sluiceway.features.identity import DIGITS
from sluiceway.outcomes import Outcome
from sluiceway.settings import Settings
from sluiceway.system.file import read_system
from sluiceway.system.inputs import Feature, FeatureVersion

features_app = typer.Typer(no_args_is_help=True, help="Central definitions, and what is served.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


@features_app.command("list")
def list_features(as_json: AsJson = False) -> None:
    """Show every definition: its version, what identifies it, and who reads it."""
    from sluiceway.adapters.feature_code import definitions_of

    system = read_system(Settings().system)
    definitions = definitions_of(system)
    readers: dict[str, list[str]] = {}
    for edge in system.edges:
        if edge.field is None:
            readers.setdefault(edge.producer, []).append(edge.consumer)
    rows = [
        _Row(
            feature=feature,
            definition=definition,
            sha256=definitions[feature.name, version],
            read_by=tuple(readers.get(feature.name, ())),
        )
        for feature in system.features.values()
        for version, definition in feature.versions.items()
    ]
    if as_json:
        say_json({"system": system.name, "features": [row.plain() for row in rows]})
        return
    table(
        ("feature", "version", "definition", "owner", "made of", "read by"),
        [row.cells() for row in rows],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    feature: Feature
    definition: FeatureVersion
    sha256: str
    read_by: tuple[str, ...]

    @property
    def current(self) -> bool:
        return self.definition.version == self.feature.current

    def plain(self) -> dict[str, object]:
        return {
            "feature": self.feature.name,
            "version": self.definition.version,
            "definition": self.sha256[:DIGITS],
            "current": self.current,
            "unit": self.feature.unit,
            "owner": self.feature.owner,
            "reads": list(self.definition.reads),
            "transformation": self.definition.transformation,
            "read_by": list(self.read_by),
        }

    def cells(self) -> tuple[str, ...]:
        return (
            self.feature.name,
            self.definition.version + ("" if self.current else " (other)"),
            self.sha256[:DIGITS],
            self.feature.owner,
            self.definition.transformation or ", ".join(self.definition.reads),
            ", ".join(self.read_by) or "no model",
        )


@features_app.command("audit")
def audit(
    window: Annotated[str, typer.Option(help="How far back values are compared.")] = "7d",
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", help="Time to take as now (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what each serving model was trained with, what is declared, and what was served.

    Returns 0 where they agree in what was looked at, 1 where they do not, 3 where something could
    not be looked at, or the window has no rows.
    """
    from sluiceway.steps.auditing import audit_champion

    try:
        span = parse_span(window)
    except ValueError as error:
        raise BadInput([Fault(where="--window", what=str(error))]) from error
    now = as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else datetime.now(UTC)
    with opened(Settings()) as site:
        found = audit_champion(site, now=now, window=span)
    if as_json:
        say_json(_audit_json(found))
    else:
        _say_audit(found)
    raise typer.Exit({Outcome.PASSED: 0, Outcome.FAILED: 1}.get(found.outcome, 3))


def _audit_json(found: FeatureAudit) -> dict[str, object]:
    return {
        "outcome": found.outcome.value,
        "start": found.start,
        "end": found.end,
        "looked_at": {
            "definitions": list(found.with_known_definition),
            "values": list(found.compared_by_value),
            "not_values": list(found.not_compared_by_value),
        },
        "features": [
            {
                "model": f"{one.model}@{one.version}",
                "feature": one.feature,
                "trained": _said(one.trained),
                "serves": str(one.serves),
                "declared": str(one.declared),
                "units": one.parity.units if one.parity else None,
                "rows": one.rows,
                "unequal": one.parity.unequal if one.parity and one.parity.units else None,
                "live_null_rate": one.parity.live_null_rate
                if one.parity and one.parity.served
                else None,
                "lag_hours": one.parity.lag.total_seconds() / 3600 if one.parity else None,
            }
            for one in found.features
        ],
        "findings": [
            {
                "code": one.code.value,
                "outcome": one.outcome.value,
                "feature": one.feature,
                "models": list(one.models),
                "observed": one.observed,
                "limit": one.limit,
                "unit": one.unit,
                "sentence": sentence(one),
            }
            for one in found.findings
        ],
    }


def _say_audit(found: FeatureAudit) -> None:
    table(
        ("model", "feature", "trained", "serves", "served as recorded"),
        [
            (
                f"{one.model}@{one.version}",
                one.feature,
                _said(one.trained) or "not stamped",
                str(one.serves),
                _compared(one),
            )
            for one in found.features
        ],
    )
    say("")
    for finding in found.findings:
        say(f"{'✗' if finding.outcome is Outcome.FAILED else '?'} {sentence(finding)}")
    definitions, values = found.with_known_definition, found.compared_by_value
    say(f"looked at: definitions of {_listed(definitions)}; values of {_listed(values)}")
    if unseen := found.not_compared_by_value:
        say(f"not looked at: values of {_listed(unseen)}")
    days = f"{found.start:%Y-%m-%d} to {found.end:%Y-%m-%d}"
    passed = "nothing disagrees" if values else "no definition disagrees, no value was compared"
    said = passed if found.outcome is Outcome.PASSED else found.outcome.value
    say(f"audited over {days}: {said}")


def _compared(one: AuditedFeature) -> str:
    if one.parity is None and one.rows is None:
        return "could not be read"
    if one.parity is None:
        return f"one loader for both: nothing to compare in {one.rows:,} rows"
    if not one.parity.units:
        return "nothing sampled"
    lag = one.parity.lag.total_seconds() / 3600
    equal = 1 - one.parity.unequal
    nulls = f", {one.parity.live_null_rate:.1%} missing" if one.parity.served else ""
    return f"{equal:.1%} of {one.parity.units:,} units{nulls}, lag {lag:.1f} h"


def _listed(features: tuple[str, ...]) -> str:
    return ", ".join(features) or "no feature"


def _said(stamp: Stamp | None) -> str | None:
    return None if stamp is None else str(stamp)
