"""What it takes to read, walk and plan systems of many models."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path


def run(*, quick: bool) -> dict[str, float | None]:
    measured: dict[str, float | None] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        keys: dict[str, Callable[[bool], float | None]] = import_module(
            f"bench.planning.{path.stem}"
        ).KEYS
        measured |= {key: measure(quick) for key, measure in keys.items()}
    return measured
