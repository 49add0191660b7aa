"""A refusal says which gate, what it needs, what there is, and what could be seen."""

from dataclasses import replace

from sluiceway.planning import (
    CanaryPower,
    Detectable,
    Fit,
    GatePower,
    render_detectable,
    render_power,
)

from .records import DAY, gate

TIGHT = GatePower(
    gate="arr_delay.mae",
    unit="min",
    block="day",
    margin=0.2,
    harm=0.0,
    spread=0.66,
    blocks_needed=141,
    blocks_searched=1000,
    probability=0.04,
    detectable=Detectable(blocks=68, harm=0.6139, margin=0.2841),
)
REFUSED = CanaryPower(
    blocks_needed=None,
    blocks_available=33,
    blocks_longest=68,
    usual_units=900,
    units_needed=None,
    probability=0.031,
    probability_longest=0.24,
    stopped=0.0,
    deadline=35 * DAY,
    longest=70 * DAY,
    deadline_needed=None,
    wanted=0.8,
    simulations=40,
    seed=7,
    recorded_blocks=62,
    gates=(TIGHT,),
)


def test_a_refusal_has_its_numbers() -> None:
    assert REFUSED.fit is Fit.REFUSED
    assert render_power(REFUSED) == (
        "a harmless candidate would pass all required gates with probability 0.03 by the deadline "
        "of 35d and 0.24 by the latest one of 70d; 0.80 is wanted and needs more than the 68 days "
        "(61,200 units) until then; arr_delay.mae alone needs 141 days: 68 days pass a margin of "
        "0.28 min (its margin is 0.20 min) and stop a harm of 0.61 min"
    )


def test_what_was_searched_in_vain_says_how_far() -> None:
    lost = replace(REFUSED, gates=(replace(TIGHT, blocks_needed=None),))
    assert "arr_delay.mae alone needs more than 1,000 days: " in render_power(lost)


def test_a_longer_deadline_has_its_numbers() -> None:
    longer = replace(
        REFUSED,
        blocks_needed=41,
        units_needed=36_900,
        probability=0.61,
        probability_longest=0.98,
        deadline_needed=43 * DAY,
        gates=(replace(TIGHT, blocks_needed=38),),
    )
    assert longer.fit is Fit.LENGTHENED
    assert render_power(longer) == (
        "a harmless candidate passes all required gates within 41 days (36,900 units) with "
        "probability 0.80, and by the deadline of 35d (33 days) with 0.61; 0.80 is wanted; "
        "arr_delay.mae alone needs 38 days: 68 days pass a margin of 0.28 min (its margin is "
        "0.20 min) and stop a harm of 0.61 min"
    )


def test_a_plan_that_fits_says_sample_time_and_probability() -> None:
    fits = replace(REFUSED, blocks_needed=14, units_needed=12_600, probability=0.992)
    assert render_power(fits) == (
        "a harmless candidate passes all required gates within 14 days (12,600 units) with "
        "probability 0.80, and by the deadline of 35d (33 days) with 0.99"
    )


def test_a_candidate_that_shadow_has_proven_better_is_called_so() -> None:
    better = replace(REFUSED, gates=(TIGHT, replace(TIGHT, gate="up.mae", harm=-0.3)))
    assert render_power(better).startswith("a candidate only as good as shadow has proven would ")


def test_what_was_run_says_how_far_it_could_see() -> None:
    assert render_detectable(gate(), Detectable(blocks=62, harm=1.234, margin=0.31)) == (
        "m.mae: 62 days could have passed a margin of 0.31 min, and would have stopped a harm of "
        "1.2 min with probability 0.80 (its margin is 1.0 min)"
    )
    assert render_detectable(gate(), Detectable(blocks=2, harm=None, margin=None)) == (
        "m.mae: 2 days could have passed no margin, however wide, and could have stopped no harm, "
        "however large (its margin is 1.0 min)"
    )
