"""How often verdicts are wrong, and how soon harm is seen: simulated through the production code.

Every row goes through the judges and the sequential states that a rollout uses, under the policy a
rollout would choose by itself, with the state written as JSON and read back between looks.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from bench.rows import Measured, Row, measured

DOCUMENT = Path(__file__).parents[2] / "docs" / "decision-quality.md"


QUICK_SECONDS = 40.0
"""What a quick run simulates for, its processes' start included."""


def run(*, quick: bool) -> dict[str, object]:
    rows = all_rows()
    found = measured(rows, seconds=QUICK_SECONDS if quick else None)
    if not quick:
        DOCUMENT.write_text(document(rows, found), encoding="utf-8")
    return {
        "sims": min(one.sims for one in found.values()),
        **{key: one.value for key, one in found.items()},
        "standard_errors": {key: one.standard_error for key, one in found.items()},
        "simulations": {key: one.sims for key, one in found.items()},
        "bars_not_met": [key for key, one in found.items() if not one.met],
        "bars_missed_by_more_than_3_standard_errors": [
            key for key, one in found.items() if not one.met and one.clear
        ],
    }


def all_rows() -> tuple[Row, ...]:
    """The rows of every file beside this one, which names them `ROWS`."""
    files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    modules = [import_module(f"bench.decision_quality.{path.stem}") for path in files]
    return tuple(row for module in modules for row in module.ROWS)


def document(rows: Sequence[Row], found: Mapping[str, Measured]) -> str:
    """The figures as the page `docs/decision-quality.md`."""
    lines = [
        "# Decision quality",
        "",
        "How often Sluiceway's verdicts are wrong, and how soon it sees harm. Written by",
        "`python -m bench decision-quality`, which simulates; `--quick` prints the same keys in",
        "under a minute, each row from as many simulations as its share of the time allows. Every",
        "row goes through the judges and sequential states that a rollout uses, with the state",
        "written as JSON and read back between looks.",
        "",
        '± is one standard error over the simulations. A bar with "+ 3 s.e." allows for them.',
        "",
        "| claim | bar | key | measured | met | simulations |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for row in rows:
        for place, key in enumerate(row.keys):
            one = found[key]
            claim, bar = (row.claim, row.bar) if place == 0 else ("", "")
            met = "yes" if one.met else "**no**"
            lines.append(f"| {claim} | {bar} | `{key}` | {_figure(one)} | {met} | {one.sims:,} |")
            if one.note:
                notes.append(f"- `{key}`: {one.note}")
    return "\n".join([*lines, "", "## Notes", "", *notes, ""])


def _figure(one: Measured) -> str:
    if one.value is None:
        return "not measured"
    if isinstance(one.value, bool):
        return "yes" if one.value else "no"
    digits = ",.0f" if abs(one.value) >= 100 else ".4f"
    error = "" if one.standard_error is None else f" ± {one.standard_error:{digits}}"
    return f"{one.value:{digits}}{error}"
