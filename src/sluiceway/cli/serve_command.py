"""``sluiceway serve`` and ``sluiceway score``: answers to requests, and to a table of units."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sluiceway.cli import running
from sluiceway.cli.commands import AsJson, app
from sluiceway.cli.opening import refuse_elsewhere
from sluiceway.cli.rendering import say, say_json
from sluiceway.settings import Settings


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; tokens are needed for any but loopback.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65_535)] = 8080,
    rate: Annotated[
        float | None, typer.Option(help="Most requests a second of one caller.", min=0.1)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer live requests by the release in force, until told to end.

    Tokens come from SLUICEWAY_GATEWAY_TOKENS: `role[+role]:token`, several apart by commas; roles
    are predict, label and operate.
    """
    # Before numerical libraries are imported: a pool of threads for each thread that predicts
    # costs far more than a row does.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    settings = Settings()
    refuse_elsewhere(settings)
    from sluiceway.gateway.http.access import access_of
    from sluiceway.gateway.http.limits import Limits
    from sluiceway.gateway.http.server import Listening
    from sluiceway.gateway.running import Gateway
    from sluiceway.gateway.running import serve as run

    def told(one: Gateway) -> None:
        if as_json:
            say_json({"instance": one.instance, "url": one.url})
        else:
            say(f"{one.instance} listens on {one.url}")

    run(
        settings,
        Listening(host=host, port=port),
        access=access_of(os.environ),
        limits=Limits(rate=rate),
        told=told,
    )


@app.command()
def score(
    model: Annotated[str, typer.Argument(help="Whose answers are wanted.")],
    rows: Annotated[Path, typer.Argument(help="Parquet or CSV file: one row a unit.")],
    answers: Annotated[Path, typer.Argument(help="Parquet or CSV file to write.")],
    consumer: Annotated[str | None, typer.Option(help="Who reads the answers.")] = None,
    here: running.Here = None,
    as_json: AsJson = False,
) -> None:
    """Answer a table of units through the same routing, canaries and log as live requests."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    refuse_elsewhere(Settings())
    running.can_run("score-batch", here=here)
    running.score(rows, model, answers, consumer=consumer, here=here)
    if as_json:
        say_json({"model": model, "rows": str(rows), "answers": str(answers)})
    else:
        say(f"answered {rows}: {answers}")
