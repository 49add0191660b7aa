"""Starting the deployed system on this machine, and ending it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sluiceway.cli.commands import AsJson, app
from sluiceway.cli.rendering import say, say_json, table
from sluiceway.errors import BadInput, Fault
from sluiceway.services.declared import (
    Places,
    Service,
    read_services,
    secrets_named,
    services_of,
)
from sluiceway.settings import Settings, kept_lines
from sluiceway.system.file import read_system

_FILE = Path("deployments/services.yaml")

File = Annotated[Path, typer.Option("--services", help="The file that says what is started.")]
Shift = Annotated[
    int, typer.Option("--shift", min=0, max=20_000, help="Added to every port of the file.")
]


@app.command()
def up(file: File = _FILE, shift: Shift = 0, as_json: AsJson = False) -> None:
    """Start every server, worker and deployment on this machine, and say where they are."""
    from sluiceway.adapters.named_places import refuse_nowhere
    from sluiceway.adapters.running_services import ServiceBook

    settings = Settings()
    refuse_nowhere(settings, writes=True)
    if faults := [*_missing_services(file), *_missing_system(settings.system)]:
        raise BadInput(faults)
    read_system(settings.system)  # what gateway and receiver would end of is told before all starts
    services = _declared(settings, file, shift)
    _refuse_strange(services)
    book = ServiceBook(settings.home / "services")
    book.start(services, told=(lambda _: None) if as_json else say)
    if as_json:
        say_json({one.name: {"url": one.url, "pid": one.pid} for one in book.running()})
        return
    say("")
    rows = [(one.name, one.url or "", str(book.log(one.name))) for one in services]
    table(("service", "url", "log"), rows)
    say("\nEnd them all with: sluiceway down")


@app.command()
def keep(file: File = _FILE, shift: Shift = 0, as_json: AsJson = False) -> None:
    """Start again what `sluiceway up` started and has died, until told to end."""
    from sluiceway.adapters.running_services import ServiceBook

    settings = Settings()
    book = ServiceBook(settings.home / "services")
    told = (lambda what: say_json({"told": what})) if as_json else say
    book.keep(_declared(settings, file, shift), told=told, goes_on=lambda: True)


def _refuse_strange(services: tuple[Service, ...]) -> None:
    """Refuse servers that exist already and that what is about to start could not speak with."""
    from sluiceway.adapters.server_versions import strange_servers

    own = tuple(one.url for one in services if one.url is not None)
    told = {name: value for one in services for name, value in one.environment.items()}
    named = {name: url for name, url in {**os.environ, **told}.items() if not url.startswith(own)}
    if strange := strange_servers(named):
        raise BadInput([Fault(where=name, what=what) for name, what in strange.items()])


def _missing_services(file: Path) -> list[Fault]:
    what = "there is no such file; go to the project's folder, or make one: sluiceway init DIR"
    return [] if file.exists() else [Fault(where=str(file), what=what)]


def _missing_system(file: Path) -> list[Fault]:
    what = (
        "there is no such system file; name yours in SLUICEWAY_SYSTEM, or make one: sluiceway init "
        "DIR. In Sluiceway's own repository, make demo sets up an example first"
    )
    return [] if file.exists() else [Fault(where=str(file), what=what)]


def _declared(settings: Settings, file: Path, shift: int) -> tuple[Service, ...]:
    from sluiceway.adapters.running_services import kept_secrets

    if faults := _missing_services(file):
        raise BadInput(faults)
    shape = read_services(file)
    lines = kept_lines(settings.home)
    places = Places(
        home=settings.home,
        shift=shift,
        secrets=kept_secrets(settings.home / "secrets", secrets_named(shape)),
        given=frozenset((*os.environ, *lines)),
        added={name: value for name, value in lines.items() if name not in os.environ},
    )
    return services_of(shape, places)


@app.command()
def down(as_json: AsJson = False) -> None:
    """End exactly what `sluiceway up` started."""
    from sluiceway.adapters.running_services import ServiceBook

    ended = ServiceBook(Settings().home / "services").end(told=(lambda _: None) if as_json else say)
    if as_json:
        say_json({"ended": ended})
    elif not ended:
        say("nothing runs")


@app.command()
def services(as_json: AsJson = False) -> None:
    """Show what `sluiceway up` started, and whether it lives."""
    from sluiceway.adapters.running_services import ServiceBook

    book = ServiceBook(Settings().home / "services")
    running = book.running()
    if as_json:
        say_json([{"name": r.name, "url": r.url, "pid": r.pid, "lives": r.lives} for r in running])
    else:
        rows = [
            (r.name, "lives" if r.lives else "is gone", r.url or "", str(book.log(r.name)))
            for r in running
        ]
        table(("service", "", "url", "log"), rows)
    raise typer.Exit(0 if running and all(one.lives for one in running) else 1)
