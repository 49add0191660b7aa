"""The commands of owners: what they are told, what they agree to, and what they look after."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.markup import escape

from sluiceway.cli.commands import AsJson, AsOf, app, now_of, who
from sluiceway.cli.opening import opened, refuse_elsewhere
from sluiceway.cli.rendering import say, say_json, table
from sluiceway.outcomes import Outcome, worst
from sluiceway.rights import Acknowledgement, DeprecationStatus, ReplacementTest
from sluiceway.settings import Settings
from sluiceway.steps import ownership
from sluiceway.steps.reviewing import Review, review_site
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system

EdgeName = Annotated[str, typer.Argument(help='An edge: "dep_delay.minutes -> arr_delay".')]
Until = Annotated[
    datetime | None,
    typer.Option("--until", formats=["%Y-%m-%d"], help="Last day on which it counts."),
]


@app.command()
def acknowledge(
    edge: EdgeName,
    owner: Annotated[str, typer.Option("--as", help="The owner of what reads the edge.")],
    version: Annotated[
        str | None,
        typer.Option(help="MODEL@VERSION whose breaking changes are agreed to, as it is now."),
    ] = None,
    tested: Annotated[
        str | None,
        typer.Option(help="What an outside application has run against the replacement."),
    ] = None,
    until: Until = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Agree, as an edge's owner, that its field goes, or that a contract breaks for it."""
    with opened(Settings()) as site:
        given = ownership.acknowledge(
            site,
            edge,
            owner=owner,
            version=version,
            tested=tested,
            until=until.date() if until else None,
            now=now_of(as_of),
            actor=who(),
        )
    gone = given.deprecation
    if as_json:
        say_json(
            {
                "edge": given.edge,
                "owner": given.owner,
                "on": given.on,
                "field": gone.field if gone else None,
                "remove_after": gone.remove_after if gone else None,
                "version": given.version,
                "contract_hash": given.contract_hash,
                "artifact_sha256": given.artifact_sha256,
                "until": given.until,
            }
        )
        return
    what = f"{gone.field} goes from {gone.remove_after} on" if gone else _agreed_version(given)
    say(f"{given.owner} acknowledged for {given.edge}: {what}")


def _agreed_version(given: Acknowledgement) -> str:
    contract, files = (given.contract_hash or "")[:12], (given.artifact_sha256 or "")[:12]
    return f"{given.version} with contract {contract} and files {files}"


@app.command()
def deprecations(
    announce: Annotated[
        bool,
        typer.Option("--announce", help="Tell every owner of a live edge who was not told yet."),
    ] = False,
    test: Annotated[
        str | None,
        typer.Option("--test", help="MODEL@VERSION of a reader, to be run on the replacements."),
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Show which fields will go, who was told, who agreed, and how many days are left."""
    now = now_of(as_of)
    with opened(Settings()) as site:
        system = site.systems.current()
        told = ownership.announce(site, system, now=now, actor=who()) if announce else ()
        tests = _tested(site, test, now) if test else ()
        found = ownership.statuses(site, system, now=now)
    if as_json:
        say_json(
            {
                "announced": [
                    {"owner": one.owner, "contact": one.contact, "text": one.text} for one in told
                ],
                "tested": [
                    {"edge": one.edge, "replacement": one.replacement, "outcome": one.outcome}
                    for one in tests
                ],
                "deprecations": [_status_json(one) for one in found],
            }
        )
        raise typer.Exit(_code(test, tests))
    for one in told:
        say(f"to {one.owner} ({one.contact}): {one.text}")
    for ran in tests:
        say(f"{ran.consumer} on {ran.replacement}, for {ran.edge}: {ran.outcome}")
    if test and not tests:
        say(f"{test} declares to read no replacement of what it reads; nothing was tested")
    if not found:
        say("nothing that serves deprecates a field")
    else:
        table(
            ("field", "removable from", "days left", "use instead", "read by", "owner", "is"),
            [_status_cells(one) for one in found],
        )
    raise typer.Exit(_code(test, tests))


def _tested(site: Site, name: str, now: datetime) -> tuple[ReplacementTest, ...]:
    from sluiceway.steps.replacement_tests import run_replacement_tests  # takes Hypothesis along

    return run_replacement_tests(site, name, now=now, actor=who())


def _code(test: str | None, tests: tuple[ReplacementTest, ...]) -> int:
    """A list is a yes; a test says what it came to."""
    if test is None:
        return 0
    outcome = worst(one.outcome for one in tests)
    return {Outcome.PASSED: 0, Outcome.FAILED: 1}.get(outcome, 3)


def _status_json(one: DeprecationStatus) -> dict[str, object]:
    return {
        "field": f"{one.model}.{one.deprecation.field}",
        "since": one.deprecation.since,
        "remove_after": one.deprecation.remove_after,
        "days_left": one.days_left,
        "use_instead": one.deprecation.use_instead,
        "because": one.deprecation.because,
        "edge": one.edge,
        "owner": one.owner,
        "announced_on": one.announced_on,
        "acknowledged_on": one.acknowledged_on,
        "waits_for": one.waits_for,
        "status": one.word,
    }


def _status_cells(one: DeprecationStatus) -> tuple[str, ...]:
    when = one.acknowledged_on or one.announced_on
    waits = f", waits for {one.waits_for}" if one.waits_for else ""
    return (
        f"{one.model}.{one.deprecation.field}",
        str(one.deprecation.remove_after),
        str(one.days_left),
        one.deprecation.use_instead or "–",
        one.edge.rpartition(" → ")[2] if one.edge else "–",
        one.owner or "–",
        f"{one.word}{f' {when}' if when else ''}{waits}",
    )


@app.command()
def review(as_of: AsOf = None, as_json: AsJson = False) -> None:
    """List what each owner should look after; 0 where there is nothing."""
    settings, now = Settings(), now_of(as_of)
    refuse_elsewhere(settings)
    system = read_system(settings.system)
    if settings.may_have_journal:  # a look makes none
        with opened(settings) as site:
            found = review_site(site, system, now=now)
    else:
        found = review_site(None, system, now=now)
    if as_json:
        say_json(_review_json(found))
    else:
        _say_review(found, now.astimezone(UTC).date())
    if found.findings:
        raise typer.Exit(1)
    if found.not_looked_at:
        raise typer.Exit(3)


def _review_json(found: Review) -> dict[str, object]:
    return {
        "findings": [
            {"owner": one.owner, "code": one.code, "subject": one.subject, "detail": one.detail}
            for one in found.findings
        ],
        "not_looked_at": list(found.not_looked_at),
    }


def _say_review(found: Review, today: date) -> None:
    if found.findings:
        rows = [
            (one.owner, one.code.replace("_", " "), one.subject, escape(one.detail))
            for one in found.findings
        ]
        table(("owner", "what", "of", "found"), rows)
    elif not found.not_looked_at:
        say(f"nobody has anything to look after on {today}")
    for what in found.not_looked_at:
        say(f"not looked at: {what}")
