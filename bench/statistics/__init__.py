"""What the statistics cost: CPU seconds against a floor measured in the same run."""

from importlib import import_module
from pathlib import Path


def run(*, quick: bool) -> dict[str, object]:
    files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    modules = [import_module(f"bench.statistics.{path.stem}") for path in files]
    keys = {key: cost for module in modules for key, cost in module.KEYS.items()}
    return {key: cost(quick) for key, cost in keys.items()}
