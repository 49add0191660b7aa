"""Plans as sentences: what is needed against what there is, and what the tightest gate sees."""

import math

from sluiceway.durations import render_duration
from sluiceway.gates import Gate
from sluiceway.planning.block_length import render_block_length
from sluiceway.planning.detectable import Detectable
from sluiceway.planning.power import CanaryPower, Fit


def render_power(power: CanaryPower) -> str:
    """One sentence with sample, calendar time and probability.

    For example: ``a harmless candidate passes all required gates within 14 days (12,600 units)
    with probability 0.80, and by the deadline of 35d (33 days) with 0.99``.
    """
    return f"{_needs(power)}{_in_blocks(power)}{_without(power)}"


def _needs(power: CanaryPower) -> str:
    wanted = f"{power.wanted:.2f}"
    if power.fit is Fit.REFUSED:
        return f"{_refusal(power)}{_tightest(power)}"
    assert power.blocks_needed is not None
    said = (
        f"{_who(power)} passes all required gates within "
        f"{_blocks(power, power.blocks_needed)} ({power.units_needed:,} units) with probability "
        f"{wanted}, and by the deadline of {render_duration(power.deadline)} "
        f"({_blocks(power, power.blocks_available)}) with {power.probability:.2f}"
    )
    if power.fit is Fit.LENGTHENED:
        said += f"; {wanted} is wanted{_tightest(power)}"
    return said


def _who(power: CanaryPower) -> str:
    """The candidate that was planned for."""
    if all(gate.harm == 0 for gate in power.gates):
        return "a harmless candidate"
    return "a candidate only as good as shadow has proven"


def _refusal(power: CanaryPower) -> str:
    longest = render_duration(power.longest)
    return (
        f"{_who(power)} would pass all required gates with probability "
        f"{power.probability:.2f} by the deadline of {render_duration(power.deadline)} and "
        f"{power.probability_longest:.2f} by the latest one of {longest}; {power.wanted:.2f} is "
        f"wanted and needs more than the {_blocks(power, power.blocks_longest)} "
        f"({power.blocks_longest * power.usual_units:,} units) until then"
    )


def _in_blocks(power: CanaryPower) -> str:
    """Why the blocks counted here are longer than declared, and what that leaves of the record."""
    if power.blocks is None or not power.blocks.is_longer:
        return ""
    said = f"; {render_block_length(power.blocks)}"
    if power.recorded_blocks < 2:
        said += f"; the record holds {power.recorded_blocks} such blocks, so nothing can be planned"
    return said


def _without(power: CanaryPower) -> str:
    """Which gates the simulation knows nothing of."""
    if not power.unplanned:
        return ""
    verb = "is" if len(power.unplanned) == 1 else "are"
    names = ", ".join(power.unplanned)
    return f"; {names} {verb} not in it: neither record nor log shows how such harms scatter"


def _tightest(power: CanaryPower) -> str:
    """What the gate that needs most could see."""
    if not power.gates:
        return "; no gate is required"
    gate = power.gates[0]
    if gate.blocks_needed is None:
        need = f"more than {_blocks(power, gate.blocks_searched)}"
    else:
        need = _blocks(power, gate.blocks_needed)
    said = f"; {gate.gate} alone needs {need}"
    seen, unit = gate.detectable, gate.unit
    if seen is None:
        return said
    said += f": {_blocks(power, seen.blocks)} pass a margin of {_amount(seen.margin, unit)}"
    said += f" (its margin is {_amount(gate.margin, unit)})"
    return said + f" and stop a harm of {_amount(seen.harm, unit)}"


def render_detectable(gate: Gate, seen: Detectable) -> str:
    """How far a sample could see: ``62 days could have passed a margin of 0.31 min, and …``."""
    blocks = f"{seen.blocks:,} {gate.block}{'' if seen.blocks == 1 else 's'}"
    passed = "could have passed no margin, however wide"
    if seen.margin is not None:
        passed = f"could have passed a margin of {_amount(seen.margin, gate.unit)}"
    stopped = "could have stopped no harm, however large"
    if seen.harm is not None:
        harm = _amount(seen.harm, gate.unit)
        stopped = f"would have stopped a harm of {harm} with probability {seen.probability:.2f}"
    return (
        f"{gate.name}: {blocks} {passed}, and {stopped} (its margin is "
        f"{_amount(gate.margin, gate.unit)})"
    )


def _blocks(power: CanaryPower, number: int) -> str:
    noun = power.gates[0].block if power.gates else "block"
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _amount(size: float | None, unit: str) -> str:
    if size is None:
        return "no size"
    places = 0 if not size else max(0, 1 - math.floor(math.log10(abs(size))))
    number = f"{size:,.{places}f}" if places <= 8 else f"{size:.2e}"
    return f"{number} {unit}" if unit else number
