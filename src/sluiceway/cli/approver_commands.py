"""Who may prove who they are when they approve: enrolling approvers, and asking for their codes."""

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import segno
import typer

from sluiceway.adapters.approver_secrets import keys_of, local_keys
from sluiceway.cli.opening import opened
from sluiceway.cli.rendering import say, say_json, table
from sluiceway.errors import BadInput, Fault
from sluiceway.rights import KeyStore, Offered, enrolment_uri, new_key
from sluiceway.settings import Settings
from sluiceway.steps import proving as proofs
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from sluiceway.system.rights import Proof

approvers_app = typer.Typer(
    no_args_is_help=True, help="Who can prove, with one-time codes, that it is they who approve."
)

Name = Annotated[str, typer.Argument(help="As in an owner's people: the name one approves under.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


@approvers_app.command("add")
def add(
    name: Name,
    replace_key: Annotated[
        bool, typer.Option("--replace", help="Give a new key; the old app's codes end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Enrol somebody: show their QR code, once, and keep the key; the journal keeps who did it."""
    from sluiceway.cli.commands import who

    settings = Settings()
    name = _known(name, settings)
    store, where = key_store(settings)
    if name in store.approvers() and not replace_key:
        what = "is enrolled already; --replace gives a new key and ends the old one"
        raise BadInput([Fault(where=name, what=what)])
    key = new_key()
    uri = enrolment_uri(name, key, system=read_system(settings.system).name)
    with opened(settings) as site:
        proofs.enrol(site, store, name, key, kept_in=where, now=datetime.now(UTC), actor=who())
    if as_json:
        say_json({"approver": name, "kept_in": where, "uri": uri})
        return
    segno.make(uri, micro=False).terminal(out=sys.stdout, compact=True)
    say(f"{name} is enrolled, kept in {where}")
    say("scan this now with an authenticator app; it is not shown again")


@approvers_app.command("list")
def listed(as_json: AsJson = False) -> None:
    """List who is enrolled, and who is named as somebody's person and is not."""
    settings = Settings()
    store, where = key_store(settings)
    enrolled = keys_of(store).approvers()
    people = _people(settings)
    missing = sorted(set(people) - set(enrolled))
    if as_json:
        say_json({"kept_in": where, "enrolled": list(enrolled), "not_enrolled": missing})
        return
    rows = [
        (name, ", ".join(people.get(name, ())) or "–", "yes" if name in enrolled else "no")
        for name in sorted({*enrolled, *missing})
    ]
    if not rows:
        say(f"nobody is enrolled in {where}, and no owner names its people")
        return
    table(("approver", "speaks for", "enrolled"), rows)


@approvers_app.command("remove")
def remove(name: Name, as_json: AsJson = False) -> None:
    """Take somebody's key away: their codes prove nothing from now on; the journal keeps it."""
    from sluiceway.cli.commands import who

    settings = Settings()
    store, where = key_store(settings)
    if name in store.approvers():
        with opened(settings) as site:
            proofs.remove(site, store, name, kept_in=where, now=datetime.now(UTC), actor=who())
    else:
        have = ", ".join(store.approvers()) or "none"
        raise BadInput([Fault(where=name, what=f"is not enrolled in {where} (there are: {have})")])
    if as_json:
        say_json({"approver": name, "removed_from": where})
    else:
        say(f"{name} is no longer enrolled in {where}")


def key_store(settings: Settings) -> tuple[KeyStore, str]:
    """Where keys are kept: the server's blocks where there is one, else a file; and its name."""
    if "PREFECT_API_URL" in os.environ:
        from sluiceway.secret_blocks import SecretBlockKeys  # takes seconds; most need no Prefect

        return SecretBlockKeys(), "the Secret blocks of the Prefect server"
    return local_keys(settings.home), str(settings.home / "approvers.json")


def proving(site: Site, rollout_id: str, code: str | None) -> tuple[Site, Offered | None]:
    """The site with the keys that count here, and the code that was given or typed in now."""
    if site.systems.kept(rollout_id).policies.rights.proof is Proof.NONE:
        return site, None
    if code is None and sys.stdin.isatty():
        code = typer.prompt("one-time code", hide_input=True)
    store, _ = key_store(Settings())
    site = replace(site, approver_keys=keys_of(store))
    if code is None:
        return site, None
    return site, Offered(code=code, answer=uuid4().hex, at=datetime.now(UTC))


def _known(name: str, settings: Settings) -> str:
    """A name that can stand in an owner's people.

    Raises:
        BadInput: It is none.
    """
    if not name.strip() or not name.isprintable() or name != name.strip():
        raise BadInput([Fault(where=repr(name), what="is no name of a person")])
    people = _people(settings)
    if people and name not in people:
        have = ", ".join(sorted(people))
        what = f"is nobody's person in {settings.system} (there are: {have})"
        raise BadInput([Fault(where=name, what=what)])
    return name


def _people(settings: Settings) -> dict[str, list[str]]:
    """The owners for whom each person speaks."""
    found: dict[str, list[str]] = {}
    for owner in read_system(settings.system).owners.values():
        for person in owner.people:
            found.setdefault(person, []).append(owner.name)
    return found
