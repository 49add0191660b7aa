"""The demo: four rollouts on real flights, through the real flows and a real gateway.

Time is played: the rollouts live in September 2013, the airline asks about the flights of that
autumn in their order, and a flight's label is known only once it has landed.
"""

import argparse
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from examples.flights.gateway import running_gateway
from sluiceway.settings import HOME

REPOSITORY = Path(__file__).parents[2]
NEW_YORK = ZoneInfo("America/New_York")
RECORDED_FROM = datetime(2013, 7, 1, tzinfo=NEW_YORK)
"""The live chain's answers are recorded from here on."""
NOW = datetime(2013, 9, 3, tzinfo=NEW_YORK)
"""When the first rollouts are asked for: labels until the end of August have matured."""
MOST_DAYS = 40

CONSOLE = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One rollout of the demo.

    Attributes:
        release: Name of the release in :data:`examples.flights.training.RELEASES`.
        story: What is tried, in one line.
    """

    name: str
    release: str
    story: str


EPISODES = (
    Episode(
        name="unit_slip",
        release="unit_slip",
        story="dep_delay silently answers in hours; its contract still says minutes",
    ),
    Episode(
        name="correction_cascade",
        release="correction_cascade",
        story="a properly trained dep_delay, whose consumers learned to correct the old one",
    ),
    Episode(
        name="joint_release",
        release="joint_release",
        story="the same dep_delay together with consumers retrained on it",
    ),
    Episode(
        name="live_regression",
        release="live_regression",
        story="dep_delay on a new feed: complete in the backfill, frozen live since 28 August",
    ),
)


def main() -> None:
    """Prepare the flights system, play the four episodes, and say how they ended."""
    options = _options()
    home = options.home
    _environment(home, share=options.share)
    began = time.perf_counter()
    with _without_heartbeats():
        with _step("prepare"):
            versions = _prepare(home, options.share)
        played = []
        now = NOW
        with running_gateway(home / "demo" / "gateway.log") as url:
            CONSOLE.print(f"\nThe gateway answers at {url}, its metrics are at {url}/metrics")
            for number, episode in enumerate(EPISODES, start=1):
                CONSOLE.print(f"\n[bold]{number}. {episode.name}[/bold]: {episode.story}")
                result, now = _play(episode, versions, url, now)
                played.append(result)
    summary = {
        "episodes": played,
        "champion": _champion(),
        "seconds_total": round(time.perf_counter() - began, 1),
        "seconds_install": float(os.environ.get("SLUICEWAY_INSTALL_SECONDS") or 0),
    }
    path = home / "demo" / "summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _say_end(summary, path, home)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME, help="where to keep it")
    parser.add_argument("--share", type=float, default=1.0, help="share of flights from July on")
    return parser.parse_args()


def _environment(home: Path, *, share: float) -> None:
    """Point everything at one folder, from an empty journal and registry; data may stay."""
    data = home / "data" / f"share-{share:g}"
    home.mkdir(parents=True, exist_ok=True)
    marker = home / ".made-by-the-demo"
    if any(home.iterdir()) and not marker.exists():
        sys.exit(f"{home} holds things that the demo did not make; give another folder by --home")
    for entry in home.iterdir():
        if entry not in (marker, home / "data"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    marker.touch()
    settings = {
        "SLUICEWAY_SYSTEM": str(Path(__file__).parent / "system.yaml"),
        "SLUICEWAY_HOME": str(home),
        "SLUICEWAY_DATA": str(data),
    }
    (home / "settings.env").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    os.environ.update(settings)
    os.environ.update(
        {
            "SLUICEWAY_PROGRESS": "true",
            "PREFECT_HOME": str((home / "prefect").absolute()),
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
            # A thread that spins while it waits takes the core from the one it waits for.
            "OMP_WAIT_POLICY": "PASSIVE",
        }
    )
    os.environ.pop("PREFECT_API_URL", None)


@contextmanager
def _without_heartbeats() -> Iterator[None]:
    """Nobody watches this process from outside, and each flow run ends a second sooner."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _prepare(home: Path, share: float) -> dict[str, str]:
    """Data, models, registry, and generation 1 with its recorded answers.

    Returns:
        Registered version by the name of the fitted one.
    """
    from examples.flights.history import TABLES, prepare
    from examples.flights.registering import log_models
    from examples.flights.training import RELEASES, train
    from flows.evaluate_canaries import evaluate_canaries
    from sluiceway.ports import Window
    from sluiceway.settings import Settings
    from sluiceway.steps import requests
    from sluiceway.steps.serving import BatchServer
    from sluiceway.wiring import opened

    settings = Settings()
    folder = settings.data_folder
    if not all((folder / f"{table}.parquet").exists() for table in TABLES):
        CONSOLE.print("  preparing the flights of 2013")
        prepare(folder, share=share)
    CONSOLE.print("  training the live chain and the candidates")
    fitted = train(folder)
    CONSOLE.print("  registering the live chain as generation 1")
    order = dict.fromkeys(name for release in RELEASES.values() for name in release)
    versions = log_models(
        settings.registry_uri,
        [fitted[name] for name in order],
        artifacts=(home / "mlartifacts").absolute().as_uri(),
    )
    live = [f"{fitted[name].model}@{versions[name]}" for name in RELEASES["live"]]
    start = NOW.astimezone(UTC)
    with opened(settings) as site:
        requests.adopt(site, live, now=start, actor="demo")
    evaluate_canaries(as_of=start)
    CONSOLE.print("  recording generation 1's answers since July")
    with opened(settings) as site:
        window = Window(start=RECORDED_FROM.astimezone(UTC), end=start)
        BatchServer(site).answer(window, now=start)
    return {name: f"{fitted[name].model}@{version}" for name, version in versions.items()}


def _play(
    episode: Episode, versions: dict[str, str], gateway: str, now: datetime
) -> tuple[dict[str, Any], datetime]:
    """Roll one release out, with live traffic day by day until the rollout is over."""
    from examples.flights.training import RELEASES
    from flows.rollout import rollout
    from sluiceway.reports import in_one_line
    from sluiceway.settings import Settings
    from sluiceway.steps.publishing import REPORT
    from sluiceway.wiring import opened

    began = time.perf_counter()
    members = [versions[name] for name in RELEASES[episode.release]]
    rollout_id = rollout(members, as_of=now.astimezone(UTC), actor="demo")
    if not _is_over(rollout_id):
        now = _live_days(rollout_id, gateway, now)
    with opened(Settings()) as site:
        state = site.state(rollout_id)
        generation = site.champion().generation
        events = site.journal.events(site.environment, rollout_id)
        said = in_one_line(events, site.systems.kept(rollout_id))
    ended = state.ended
    if ended is None:
        raise RuntimeError(f"{rollout_id} did not end within {MOST_DAYS} days")
    CONSOLE.print(f"  [bold]{ended.ending}[/bold] in {ended.phase}: ", end="")
    CONSOLE.print(said, markup=False)
    return {
        "name": episode.name,
        "outcome": ended.ending.value,
        "ended_at": ended.phase.value,
        "origin": ended.origin and {"kind": ended.origin.kind, "name": ended.origin.name},
        "reason_code": ended.code.value,
        "reason": ended.reason,
        "generation_after": generation,
        "seconds": round(time.perf_counter() - began, 1),
        "report": str(Settings().rollout_folder(rollout_id) / REPORT),
    }, now


def _live_days(rollout_id: str, gateway: str, now: datetime) -> datetime:
    """Let the airline ask, a day at a time, for as long as the rollout is open."""
    from examples.flights.airline import Airline
    from flows.evaluate_canaries import evaluate_canaries
    from sluiceway.adapters.progress import watched
    from sluiceway.ports import Window
    from sluiceway.settings import Settings
    from sluiceway.wiring import opened

    os.environ["SLUICEWAY_PROGRESS"] = "false"  # one bar at a time: that of the days
    with opened(Settings()) as site, watched(True) as progress:
        system = site.systems.current()
        airline = Airline(gateway, system, site.systems.recorded(system))
        with closing(airline):
            for played in range(1, MOST_DAYS + 1):
                if site.state(rollout_id).ended is not None:
                    progress("live days", played - 1, played - 1)
                    break
                start, now = now, _midnight_after(now)
                window = Window(start=start.astimezone(UTC), end=now.astimezone(UTC))
                airline.ask(window)
                evaluate_canaries(as_of=window.end)
                progress("live days", played, MOST_DAYS)
    os.environ["SLUICEWAY_PROGRESS"] = "true"
    return now


def _is_over(rollout_id: str) -> bool:
    from sluiceway.settings import Settings
    from sluiceway.wiring import opened

    with opened(Settings()) as site:
        return site.state(rollout_id).ended is not None


def _midnight_after(moment: datetime) -> datetime:
    day = moment.date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)


def _champion() -> dict[str, str]:
    from sluiceway.settings import Settings
    from sluiceway.wiring import opened

    with opened(Settings()) as site:
        return site.champion().release.versions


@contextmanager
def _step(name: str) -> Iterator[None]:
    CONSOLE.print(f"[bold]{name}[/bold]")
    began = time.perf_counter()
    yield
    CONSOLE.print(f"  done in {time.perf_counter() - began:.0f} s")


def _say_end(summary: dict[str, Any], path: Path, home: Path) -> None:
    from sluiceway.cli.rendering import table

    CONSOLE.print("")
    table(
        ("episode", "outcome", "ended at", "origin", "generation", "seconds"),
        [_row(episode) for episode in summary["episodes"]],
    )
    CONSOLE.print("\nReports, one page each:")
    for episode in summary["episodes"]:
        CONSOLE.print(f"  {episode['report']}", markup=False)
    bin_folder = Path(sys.executable).parent
    if bin_folder.is_relative_to(REPOSITORY):
        bin_folder = bin_folder.relative_to(REPOSITORY)
    last = Path(summary["episodes"][-1]["report"]).parent.name
    sluiceway = f"{bin_folder}/sluiceway"
    if home != HOME:
        sluiceway += f" --home {shlex.quote(str(home))}"
    CONSOLE.print(f"\nSummary: {path}\n\nLook further:")
    for command in (
        f"{sluiceway} status",
        f"{sluiceway} explain {last}",
        f"{bin_folder}/mlflow ui --backend-store-uri {shlex.quote(f'sqlite:///{home}/mlflow.db')}",
        f"PREFECT_HOME={shlex.quote(f'{home}/prefect')} {bin_folder}/prefect server start",
    ):
        CONSOLE.print(f"  {command}", markup=False)
    CONSOLE.print(f"\n{summary['seconds_total']:.0f} s in all", markup=False)


def _row(episode: dict[str, Any]) -> tuple[str, ...]:
    origin = episode["origin"]
    return (
        episode["name"],
        episode["outcome"],
        episode["ended_at"],
        f"{origin['kind']} {origin['name']}" if origin else "",
        str(episode["generation_after"]),
        f"{episode['seconds']:.0f}",
    )


if __name__ == "__main__":
    main()
