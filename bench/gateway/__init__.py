"""What the gateway costs, and what it bears: against its peers, under load, while versions fail."""

import os
import tempfile
from pathlib import Path

from bench.gateway.processes import QUIET


def run(*, quick: bool) -> dict[str, float | int | None]:
    os.environ.update(QUIET)  # before anything is imported that reads it
    from bench.gateway import canaries, kills, swaps, throughput
    from bench.gateway.system import prepared

    with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as folder:
        throughput.say("fitting and registering the models")
        measured: dict[str, float | int | None] = {}
        for part in (throughput, swaps, canaries, kills):
            name = part.__name__.rpartition(".")[2]
            shop = prepared(Path(folder) / name)
            throughput.say(name)
            measured |= part.measured(shop, quick=quick)
        return measured
