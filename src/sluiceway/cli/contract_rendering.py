"""How contracts, their differences and their tests look."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import semver
from rich.markup import escape

from sluiceway.cli.rendering import say, table
from sluiceway.contracts.cases import TITLES, CaseResult, CounterExample, case_sentence
from sluiceway.contracts.change_kinds import Change, Side
from sluiceway.contracts.change_rules import alternatives_in_words
from sluiceway.contracts.changes import BrokenEdge, required_bump
from sluiceway.contracts.values import Contract
from sluiceway.contracts.versions import VersionFinding, version_sentence
from sluiceway.outcomes import Outcome
from sluiceway.steps.contract_tests import ContractTest
from sluiceway.system.values import Owner, System

MARKS: Final[Mapping[Outcome, str]] = {
    Outcome.PASSED: "[green]✓[/green]",
    Outcome.INCONCLUSIVE: "[yellow]?[/yellow]",
    Outcome.ERROR: "[magenta]![/magenta]",
    Outcome.FAILED: "[red]✗[/red]",
}
VERDICTS: Final[Mapping[Outcome, str]] = {
    Outcome.PASSED: "keeps its contract",
    Outcome.INCONCLUSIVE: "cannot be shown to keep its contract",
    Outcome.ERROR: "could not be tested to the end",
    Outcome.FAILED: "breaks its contract",
}


# Tests


def say_results(results: Sequence[CaseResult]) -> None:
    """Print what each case came to, the tested version's own first, then edge by edge."""
    groups: dict[tuple[str | None, str], list[CaseResult]] = {}
    for result in results:
        groups.setdefault((result.edge, result.asked), []).append(result)
    for (edge, asked), found in groups.items():
        say("")
        say(asked if edge is None else f"{edge}, answered by {asked}")
        table(("", "case", "rows", "what came of it"), [_cells(result) for result in found])


def _cells(result: CaseResult) -> tuple[str, ...]:
    said = [escape(case_sentence(example)) for example in result.examples]
    more = result.broken - len(said)
    if more > 0:
        said.append(f"and {more:,} more")
    return (
        MARKS[result.outcome],
        TITLES[result.code],
        f"{result.tried:,}" if result.tried else "–",
        "\n".join(said) or "as promised",
    )


def say_test(test: ContractTest) -> None:
    """Print a contract test."""
    if test.window is not None:
        start, end = test.window.start, test.window.end
        rows = f"{test.rows:,} recorded rows of {start:%Y-%m-%d} to {end:%Y-%m-%d}"
    else:
        rows = "no recorded rows"
    say(f"{test.tested} against contract {test.contract.version}, on {rows}")
    say_results(test.results)
    say("")
    for note in test.notes:
        say(note)
    say(f"{test.tested} {verdict(test.results)}")


def verdict(results: Sequence[CaseResult]) -> str:
    """What all cases come to, in words, with their number."""
    worst = max((r.outcome for r in results), key=lambda o: o.severity, default=Outcome.PASSED)
    if worst is Outcome.PASSED:
        return f"{VERDICTS[worst]}: {len(results)} cases"
    of_them = sum(result.outcome is worst for result in results)
    return f"{VERDICTS[worst]}: {of_them} of {len(results)} cases"


def tested_json(test: ContractTest) -> dict[str, Any]:
    """A contract test in plain types."""
    return {
        "tested": test.tested,
        "contract": contract_json(test.contract),
        "outcome": test.outcome.value,
        "rows": test.rows,
        "window": None
        if test.window is None
        else {"start": test.window.start.isoformat(), "end": test.window.end.isoformat()},
        "cases": [case_json(result) for result in test.results],
        "notes": list(test.notes),
    }


def case_json(result: CaseResult) -> dict[str, Any]:
    """One case in plain types."""
    return {
        "case": result.code.value,
        "asked": result.asked,
        "edge": result.edge,
        "rows": result.tried,
        "outcome": result.outcome.value,
        "broken": result.broken,
        "examples": [_example_json(example) for example in result.examples],
    }


def _example_json(example: CounterExample) -> dict[str, Any]:
    return {
        "why": example.why.value,
        "given": dict(example.given),
        "promise": example.finding.code.value if example.finding else None,
        "field": example.finding.field if example.finding else None,
        "sentence": case_sentence(example),
    }


def contract_json(contract: Contract) -> dict[str, Any]:
    """Which contract this is."""
    return {
        "model": contract.model,
        "version": contract.version,
        "hash": contract.content_hash,
    }


# Differences


def say_changes(
    old: Contract,
    new: Contract,
    changes: Sequence[Change],
    broken: Sequence[BrokenEdge],
    versions: Sequence[VersionFinding],
    system: System | None,
) -> None:
    """Print what changed, whom it breaks, and whether the number says so."""
    say(f"{new.model}: {old.version} → {new.version}")
    if not changes:
        say("nothing changed but the number" if old.version != new.version else "nothing changed")
    else:
        say("")
        rows = [_change_cells(change, broken, system) for change in changes]
        table(("change", "bump", "direction", "what"), rows)
        say("")
    required = required_bump(changes)
    declared = declared_bump(old.version, new.version)
    say(f"the changes require {_bump(required)}, declared is {_bump(declared)}")
    for finding in versions:
        say(f"✗ {version_sentence(finding)}")
    if changes and system is None:
        say("there is no system file here, so nobody knows whose edges these changes break")


def _change_cells(
    change: Change, broken: Sequence[BrokenEdge], system: System | None
) -> tuple[str, ...]:
    subject = change.field or "the whole answer"
    said = subject
    if change.before and change.after:
        said += f": {change.before} → {change.after}"
    elif change.before or change.after:
        said += f": {change.before or 'nothing'} → {change.after or 'nothing'}"
    lines = [escape(said)]
    for edge in broken:
        if edge.change == change and system is not None:
            owner = affected(edge, system)
            relied = ", ".join(edge.relied_on)
            lines.append(f"[red]breaks {edge.edge.name}[/red] ({relied}): {owner.contact}")
    if change.breaks and len(lines) == 1:
        relied = ", ".join(sorted(change.breaks))
        known = "no declared edge relies on it" if system else "for those who rely on it"
        lines.append(f"{relied}: {known}")
    elif change.breaks:
        lines.append(f"cleared by: {alternatives_in_words(change.cleared_by)}")
    return (change.kind.value, change.bump.value, change.direction.value, "\n".join(lines))


def affected(broken: BrokenEdge, system: System) -> Owner:
    """Owner of the other end of a broken edge: whoever reads the model, or feeds it."""
    edge = broken.edge
    other = edge.producer if broken.change.side is Side.INPUT else edge.consumer
    return system.owner_of(other)


def changes_json(
    old: Contract,
    new: Contract,
    changes: Sequence[Change],
    broken: Sequence[BrokenEdge],
    versions: Sequence[VersionFinding],
    system: System | None,
) -> dict[str, Any]:
    """The difference of two contracts in plain types."""
    return {
        "before": contract_json(old),
        "after": contract_json(new),
        "changes": [change_json(change) for change in changes],
        "broken_edges": None
        if system is None
        else [
            {
                "edge": one.edge.name,
                "change": one.change.kind.value,
                "relied_on": [reliance.value for reliance in one.relied_on],
                "owner": affected(one, system).name,
                "contact": affected(one, system).contact,
                "cleared_by": [
                    sorted(evidence.value for evidence in way) for way in one.change.cleared_by
                ],
            }
            for one in broken
        ],
        "required_bump": required_bump(changes),
        "declared_bump": declared_bump(old.version, new.version),
        "version_faults": [version_sentence(finding) for finding in versions],
    }


def change_json(change: Change) -> dict[str, Any]:
    """One change in plain types."""
    return {
        "kind": change.kind.value,
        "side": change.side.value,
        "aspect": change.aspect.value,
        "field": change.field,
        "before": change.before,
        "after": change.after,
        "direction": change.direction.value,
        "bump": change.bump.value,
        "breaks": sorted(reliance.value for reliance in change.breaks),
    }


def declared_bump(old: str, new: str) -> str | None:
    """By which part a version rose; None where it did not."""
    before, after = semver.Version.parse(old), semver.Version.parse(new)
    if after <= before:
        return None
    for part in ("major", "minor", "patch"):
        if getattr(after, part) != getattr(before, part):
            return part
    return None


def _bump(bump: str | None) -> str:
    return "no bump" if bump is None else f"a {bump} bump"


def breaks_somebody(
    changes: Iterable[Change], broken: Sequence[BrokenEdge], system: System | None
) -> bool:
    """Whether an edge breaks; where no system says who reads whom, whether any could."""
    return bool(broken) if system is not None else any(change.breaks for change in changes)
