"""How what is cut, switched and followed looks: for people, and in plain types."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from sluiceway.cli.rendering import say, table
from sluiceway.rollouts.controls import ByHand, Controls
from sluiceway.serving.heartbeat import Heartbeat
from sluiceway.steps.splits import Split


def controls_json(controls: Controls) -> dict[str, Any]:
    """What is cut and switched, in plain types."""
    return {
        "isolations": [
            {"edge": name, **_by_json(by)} for name, by in sorted(controls.isolations.items())
        ],
        "flags": [
            {
                "flag": name,
                "owner": flag.owner,
                "variants": sorted(flag.variants),
                "default": flag.default,
                "by_rules": flag.targeting is not None and name not in controls.chosen,
                "set": None
                if name not in controls.chosen
                else {
                    "variant": controls.chosen[name].variant,
                    **_by_json(controls.chosen[name].by),
                },
            }
            for name, flag in sorted(controls.flags.items())
        ],
    }


def _by_json(by: ByHand) -> dict[str, Any]:
    return {"actor": by.actor, "reason": by.reason, "at": by.at}


def _by_said(by: ByHand) -> str:
    return f"{by.actor}, {by.at:%Y-%m-%d %H:%M} UTC: {by.reason}"


def say_isolations(controls: Controls) -> None:
    """Print the edges whose consumers receive safe defaults, with who cut them and why."""
    if not controls.isolations:
        return
    say("")
    rows = [(name, escape(_by_said(by))) for name, by in sorted(controls.isolations.items())]
    table(("isolated", "by"), rows)


def say_flags(controls: Controls) -> None:
    """Print every flag, with who has set it and why."""
    if not controls.flags:
        say("the system file declares no flag")
        return
    rows = []
    for name, flag in sorted(controls.flags.items()):
        chosen = controls.chosen.get(name)
        if chosen is not None:
            taken, why = chosen.variant, _by_said(chosen.by)
        else:
            rules = flag.targeting is not None
            taken = f"by rules, else {flag.default}" if rules else flag.default
            why = flag.description
        rows.append((name, ", ".join(flag.variants), taken, escape(why)))
    table(("flag", "variants", "taken", "because"), rows)


def say_set_flags(controls: Controls) -> None:
    """Print the flags that somebody has set."""
    if controls.chosen:
        say("")
        rows = [
            (name, chosen.variant, escape(_by_said(chosen.by)))
            for name, chosen in sorted(controls.chosen.items())
        ]
        table(("flag", "everybody takes", "by"), rows)


def gateway_json(heartbeat: Heartbeat, *, alive: bool, late: bool) -> dict[str, Any]:
    """A gateway in plain types.

    Args:
        late: Whether it follows an older routing table than there is.
    """
    return {
        "gateway": heartbeat.instance,
        "host": heartbeat.host,
        "pid": heartbeat.pid,
        "at": heartbeat.at,
        "alive": alive,
        "revision": heartbeat.revision,
        "generation": heartbeat.generation,
        "late": late,
        "halted": dict(heartbeat.halted),
        "alarm": heartbeat.alarm,
    }


def say_gateways(gateways: Sequence[Mapping[str, Any]]) -> None:
    """Print gateways, as :func:`gateway_json` has them."""
    rows = []
    for one in gateways:
        is_well = "[green]alive[/green]" if one["alive"] else "[red]dead[/red]"
        told = [] if not one["late"] or not one["alive"] else ["follows an older table"]
        told += [f"{rollout} halted: {why}" for rollout, why in one["halted"].items()]
        told += [one["alarm"]] if one["alarm"] else []
        numbers = (str(one["revision"]), str(one["generation"]))
        rows.append((one["gateway"], is_well, *numbers, escape("; ".join(told))))
    table(("gateway", "is", "revision", "generation", "alarm"), rows)


def splits_json(splits: Sequence[Split]) -> list[dict[str, Any]]:
    """Observed splits in plain types."""
    return [
        {
            "revision": one.revision,
            "weight": one.weight,
            "candidate": one.candidate,
            "rows": one.rows,
        }
        for one in splits
    ]


def say_splits(splits: Mapping[str, Sequence[Split]]) -> None:
    """Print what each canary really received since its present step began."""
    rows = [
        (rollout, str(one.revision), f"{one.weight} %", f"{one.share:.1f} % of {one.rows:,} rows")
        for rollout, found in splits.items()
        for one in found
    ]
    if rows:
        say("")
        table(("canary", "revision", "wanted", "observed"), rows)
