"""The commands about contracts, and the check that a model's own repository runs."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from sluiceway.cli.contract_sources import contracts_named, declared_system
from sluiceway.cli.opening import opened
from sluiceway.cli.rendering import say, say_json
from sluiceway.durations import parse_span
from sluiceway.errors import BadInput, Fault
from sluiceway.journal import JournalUnavailable
from sluiceway.outcomes import Outcome
from sluiceway.settings import Settings

contract_app = typer.Typer(
    no_args_is_help=True, help="What models promise and demand: drafted, compared, tested."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", help="Recorded rows end here (UTC); now, unless said."),
]
Span = Annotated[
    str | None,
    typer.Option("--window", help="How much of the record, such as 30d; the shadow window."),
]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Rows as .parquet or .csv; their columns are inputs.")
]

CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.INCONCLUSIVE: 3, Outcome.ERROR: 3}


@contract_app.command()
def infer(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="MODEL@VERSION; with --data also a folder or module:function."
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Write it here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    data: Data = None,
    as_of: AsOf = None,
    window: Span = None,
    as_json: AsJson = False,
) -> None:
    """Draft a contract from the signature and recorded rows, each number with its reason."""
    from sluiceway.contracts.drafting import drafted_text

    if out is not None and out.exists() and not force:
        raise BadInput([Fault(where=str(out), what="is there already; --force replaces it")])
    if data is not None:
        from sluiceway.cli.local_contracts import draft_locally

        draft = draft_locally(name, data)
    else:
        from sluiceway.steps.contract_drafts import draft_contract

        span = _span(window)
        with opened(Settings()) as site:
            draft = draft_contract(site, name, now=_now(as_of), window=span)
    text = drafted_text(draft.draft, heading=draft.heading)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    if as_json:
        reasons = {".".join(path): said for path, said in draft.draft.reasons.items()}
        contract = draft.draft.contract
        say_json(
            {
                "model": contract.model,
                "version": contract.version,
                "drafted_from": draft.drafted_from,
                "rows": draft.said,
                "file": out,
                "text": text,
                "reasons": reasons,
            }
        )
    elif out is None:
        print(text, end="")
    else:
        say(f"{out}: drafted from {draft.drafted_from} and {draft.said}; read it before you use it")


@contract_app.command("diff")
def compare(
    before: Annotated[
        str, typer.Argument(help="A file, COMMIT:FILE, MODEL@VERSION, or MODEL as declared now.")
    ],
    after: Annotated[str, typer.Argument(help="The same, for what it becomes.")],
    as_json: AsJson = False,
) -> None:
    """Show what changes, whom it breaks, and whether the version number says so."""
    from sluiceway.cli.contract_rendering import breaks_somebody, changes_json, say_changes
    from sluiceway.contracts.changes import broken_edges, diff
    from sluiceway.contracts.versions import check_version

    old, new = contracts_named(before, after)
    if old.model != new.model:
        what = f"is a contract of {new.model}, {before} is one of {old.model}"
        raise BadInput([Fault(where=after, what=what)])
    system = declared_system()
    changes, versions = diff(old, new), check_version(old, new)
    broken = broken_edges(changes, system.edges) if system is not None else ()
    if as_json:
        say_json(changes_json(old, new, changes, broken, versions, system))
    else:
        say_changes(old, new, changes, broken, versions, system)
    if versions or breaks_somebody(changes, broken, system):
        raise typer.Exit(1)


@contract_app.command("test")
def hold_to_contract(
    name: Annotated[str, typer.Argument(metavar="MODEL@VERSION", help="What is tested.")],
    together_with: Annotated[
        list[str] | None,
        typer.Option("--with", help="MODEL@VERSION in the place of what serves; again for more."),
    ] = None,
    as_of: AsOf = None,
    window: Span = None,
    junit: Junit = None,
    as_json: AsJson = False,
) -> None:
    """Run a version, and its consumers, on recorded rows and on edge cases."""
    from sluiceway.cli.commands import who
    from sluiceway.cli.contract_rendering import say_test, tested_json
    from sluiceway.cli.junit import model_cases, told_in, write_junit
    from sluiceway.steps.contract_evidence import keep_contract_test
    from sluiceway.steps.contract_tests import run_contract_test

    _keep_no_examples()
    with told_in(junit, name), opened(Settings()) as site:
        span = _span(window)
        now = _now(as_of)
        result = run_contract_test(
            site, name, together_with=together_with or (), now=now, window=span
        )
        try:
            keep_contract_test(site, result, now=now, actor=who())
        except JournalUnavailable as error:  # what it came to is worth telling nevertheless
            result = replace(result, notes=(*result.notes, f"it is not kept: {error}"))
    if junit is not None:
        write_junit(junit, [(result.tested, model_cases(result.results))])
    if as_json:
        say_json(tested_json(result))
    else:
        say_test(result)
    raise typer.Exit(CODES[result.outcome])


def check(
    contracts: Annotated[list[Path], typer.Argument(metavar="CONTRACT", help="Contract files.")],
    against: Annotated[
        str | None,
        typer.Option(help="What was released last: a file, a commit, or COMMIT:FILE."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A folder with an MLmodel, or module:function over a frame.")
    ] = None,
    data: Data = None,
    junit: Junit = None,
    as_json: AsJson = False,
) -> None:
    """Check contracts, and a model against its contract, in its own repository: no server."""
    from sluiceway.cli.junit import told_in, write_junit
    from sluiceway.cli.local_contracts import check_json, check_locally, check_suites, say_checks

    _keep_no_examples()
    with told_in(junit, "sluiceway check"):
        checks = check_locally(contracts, against=against, model=model, data=data)
    if junit is not None:
        write_junit(junit, check_suites(checks))
    if as_json:
        say_json({"checks": [check_json(one) for one in checks]})
    else:
        say_checks(checks)
    worst = max((one.outcome for one in checks), key=lambda outcome: outcome.severity)
    raise typer.Exit(CODES[worst])


def _keep_no_examples() -> None:
    """Hypothesis likes to keep examples in the folder one is in; it is somebody else's."""
    from hypothesis.configuration import set_hypothesis_home_dir

    set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "sluiceway-hypothesis")


def _now(as_of: datetime | None) -> datetime:
    return as_of.replace(tzinfo=as_of.tzinfo or UTC) if as_of else datetime.now(UTC)


def _span(text: str | None) -> timedelta | None:
    try:
        return None if text is None else parse_span(text)
    except ValueError as error:
        raise BadInput([Fault(where="--window", what=str(error))]) from error
