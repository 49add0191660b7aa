"""What survives: real processes are killed, and what they need is broken, at points of rollouts.

Everything that `sluiceway up` starts runs on this machine, and versions are registered in its
MLflow server while requests come in. At each point something dies or breaks; after it, without
anybody's hands, all has to be right: one champion release which the gateway serves and the aliases
name, an intact journal, each registration with one rollout, no promotion without its verdicts.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "NO_PROXY": "127.0.0.1,localhost",
}


def run(*, quick: bool, patterns: Sequence[str] = ()) -> dict[str, object]:
    """Sweep, and say what came of it.

    Args:
        quick: A few points only.
        patterns: Points whose names they match, as file names are matched; all where there is none.
    """
    os.environ.update(_QUIET)
    with tempfile.TemporaryDirectory(prefix="sluiceway-chaos-") as folder:
        return _swept(Path(folder), quick=quick, patterns=patterns)


def _swept(folder: Path, *, quick: bool, patterns: Sequence[str]) -> dict[str, object]:
    from bench.chaos.deployed import Deployed, environment_of, free_shift
    from bench.chaos.points import Break, Point
    from bench.chaos.proxy import Proxy
    from bench.chaos.shop import LIVE, prepared
    from bench.chaos.sweep import Sweep, chosen, own_disk, say, summary
    from bench.chaos.traffic import Traffic

    points = chosen(patterns, quick=quick)
    skipped: tuple[Point, ...] = ()
    with own_disk(folder / "home") as fillable:
        if not fillable:
            skipped = tuple(one for one in points if one.what is Break.FULL)
            points = tuple(one for one in points if one.what is not Break.FULL)
        say(f"{len(points)} points; fitting and registering the models")
        settings, stock = prepared(folder, versions=8 if quick else 24)
        deployed = Deployed(folder, settings, free_shift())
        os.environ.update(environment_of(deployed))
        proxy, traffic = Proxy(deployed.mlflow_url), Traffic(deployed.gateway_url)
        say("starting everything")
        with proxy.running(deployed.proxy_port), deployed.up():
            deployed.ran("adopt", *LIVE, "--deployed")
            with traffic.running() as seen:
                sweep = Sweep(
                    deployed=deployed,
                    live=settings.model_copy(update={"tracking_uri": deployed.mlflow_url}),
                    stock=stock.at(deployed.mlflow_url),
                    proxy=proxy,
                    seen=seen,
                )
                sweep.rise_and_fall(points)
                sweep.whole_canary(points)
                say(f"{seen.answered:,} requests were answered, {dict(seen.unanswered)} were not")
                return summary(sweep.tried, sweep, skipped)
