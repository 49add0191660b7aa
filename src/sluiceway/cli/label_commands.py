"""The commands of what a gateway keeps: labels from files, and the log of answers."""

from pathlib import Path
from typing import Annotated

import typer

from sluiceway.cli.commands import AsJson, app
from sluiceway.cli.opening import refuse_elsewhere
from sluiceway.cli.rendering import say, say_json
from sluiceway.errors import BadInput, Fault
from sluiceway.serving.labels import LabelsTaken
from sluiceway.serving.refusals import Refused
from sluiceway.settings import Settings
from sluiceway.system.file import read_system

labels_app = typer.Typer(no_args_is_help=True, help="What became true of answered units.")
log_app = typer.Typer(no_args_is_help=True, help="The log of what a gateway answered.")
app.add_typer(labels_app, name="labels")
app.add_typer(log_app, name="log")

_SHOWN = 10


@labels_app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A .csv or .parquet file of labels.")],
    as_json: AsJson = False,
) -> None:
    """Load labels: 0 where all were taken, 1 where some contradict others or have no answer."""
    from sluiceway.adapters.labels.files import label_records  # pyarrow takes its time
    from sluiceway.wiring import label_intake

    settings = Settings()
    refuse_elsewhere(settings)
    intake = label_intake(settings)
    found = LabelsTaken(accepted=0, duplicate=0, conflicts=(), late=0, unknown=())
    batches, faults, place = [], [], 0
    for records in label_records(file):
        try:
            batches.append(intake.checked(records))
        except Refused as refused:
            faults += _faults(file, refused, place)
        place += len(records)
    if faults:
        raise BadInput(faults)  # all that is wrong is told before any is kept
    for labels in batches:
        found = found + intake.keep(labels)
    if as_json:
        say_json(found.as_json())
    else:
        _say_taken(found)
    if found.conflicts or found.unknown:
        raise typer.Exit(1)


def _faults(file: Path, refused: Refused, place: int) -> list[Fault]:
    return [
        Fault(
            where=f"{file}: {one.field}",
            what=f"{one.what} ({one.count:,} labels, the first: {place + one.rows[0] + 1:,})",
        )
        for one in refused.faults
    ] or [Fault(where=str(file), what=refused.what)]


def _say_taken(found: LabelsTaken) -> None:
    late = f" ({found.late:,} after their maturity)" if found.late else ""
    say(f"{found.accepted:,} labels taken{late}, {found.duplicate:,} known already")
    for one in found.conflicts[:_SHOWN]:
        say(f"✗ {one.unit}: {one.label} is {one.kept:g}, and {one.posted:g} was not taken")
    if len(found.conflicts) > _SHOWN:
        say(f"✗ {len(found.conflicts):,} labels contradict the ones that came first")
    if found.unknown:
        some = ", ".join(found.unknown[:_SHOWN])
        say(f"✗ nothing was ever answered to {len(found.unknown):,} units: {some}")


@log_app.command("status")
def log_status(as_json: AsJson = False) -> None:
    """Show how large the log is, and what it lacks: 0 where nothing, 1 where something."""
    from sluiceway.adapters.labels.store import LabelStore
    from sluiceway.adapters.live_log.compaction import log_status as status_of

    settings = Settings()
    refuse_elsewhere(settings)
    folder = settings.serving_folder
    found = status_of(settings.prediction_folder, folder / "log.db")
    labels, late, contradicted = LabelStore(folder / "labels.db").counts()
    if as_json:
        say_json(
            {
                "rows": found.newest_rows + found.file_rows,
                "newest_rows": found.newest_rows,
                "files": found.files,
                "bytes": found.bytes,
                "gateways": found.sessions,
                "waiting": found.waiting,
                "lost": found.lost,
                "gaps": [
                    {
                        "session": gap.session,
                        "first": gap.first,
                        "last": gap.last,
                        "rows": gap.rows,
                        "start": gap.window.start,
                        "end": gap.window.end,
                        "reason": gap.reason,
                    }
                    for gap in found.gaps
                ],
                "labels": labels,
                "late_labels": late,
                "conflicting_labels": contradicted,
            }
        )
    else:
        size = f"{found.bytes / 1e6:,.1f} MB"
        rows = f"{found.newest_rows + found.file_rows:,} rows in {found.files:,} files"
        say(f"{rows} and the database ({found.newest_rows:,} of them), {size}")
        say(f"{found.sessions} gateways answer, {found.waiting:,} rows wait to be written")
        say(f"{labels:,} labels, {late:,} came late, {contradicted:,} contradicted")
        for gap in found.gaps[-_SHOWN:]:
            say(f"✗ missing: {gap}")
        if len(found.gaps) > _SHOWN:
            say(f"✗ {len(found.gaps):,} gaps in all, {found.lost:,} answers")
    if found.gaps:
        raise typer.Exit(1)


@log_app.command("compact")
def log_compact(as_json: AsJson = False) -> None:
    """Move settled rows into files, and forget what is older than the system file's retention."""
    from sluiceway.adapters.live_log.compaction import compact

    settings = Settings()
    refuse_elsewhere(settings)
    retention = read_system(settings.system).logging.retention
    folder = settings.serving_folder
    done = compact(settings.prediction_folder, folder / "log.db", retention=retention)
    if as_json:
        say_json(
            {
                "rows": done.rows,
                "files": done.files,
                "gaps": done.gaps,
                "forgotten": done.forgotten,
                "forgotten_labels": done.forgotten_labels,
                "busy": done.busy,
            }
        )
    elif done.busy:
        say("another process compacts the log")
    else:
        said = f"{done.rows:,} rows moved into {done.files:,} files"
        forgotten = f"{done.forgotten:,} files and {done.forgotten_labels:,} labels forgotten"
        say(f"{said}; {forgotten}")
