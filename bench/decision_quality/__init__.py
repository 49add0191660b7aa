"""How often verdicts are wrong, and how soon harm is seen: simulated through the production code.

Every row goes through the judges and the sequential states that a rollout uses, under the policy a
rollout would choose by itself, with the state written as JSON and read back between looks.
"""

from importlib import import_module
from pathlib import Path

from bench.rows import Row, measured

DOCUMENT = Path(__file__).parents[2] / "docs" / "decision-quality.md"


def run(*, quick: bool) -> dict[str, object]:
    rows = all_rows()
    found = measured(rows, quick=quick)
    return {
        "sims": min(row.quick_sims if quick else row.sims for row in rows),
        **{key: one.value for key, one in found.items()},
        "standard_errors": {key: one.standard_error for key, one in found.items()},
        "bars_not_met": [key for key, one in found.items() if not one.met],
    }


def all_rows() -> tuple[Row, ...]:
    """The rows of every file beside this one, which names them `ROWS`."""
    files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    modules = [import_module(f"bench.decision_quality.{path.stem}") for path in files]
    return tuple(row for module in modules for row in module.ROWS)
