"""Where harm comes from is told with its tables, and nobody is named whom the finding does not."""

import re
from dataclasses import replace

import pytest

from sluiceway.attribution import (
    Attribution,
    Effect,
    Interaction,
    Origin,
    Reversion,
    ShapleyShare,
    SourceAttribution,
    SourceHarm,
    SourceReplacement,
    Undecided,
)
from sluiceway.gates import judge_replay
from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.planning.budget import BudgetVerdict, judge_budget
from sluiceway.replay.replacing import Treatment
from sluiceway.reports import explain
from sluiceway.reports.attribution_rows import interaction_rows, share_rows, source_rows
from sluiceway.reports.effects_picture import EffectGroup, EffectRow, draw_effects
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import Ended, ShadowMeasured
from sluiceway.system.values import System
from tests.reports import rollouts
from tests.reports.test_reports import report, words

GATE = "arr_delay.mae"


@pytest.fixture(scope="module")
def flights() -> System:
    return rollouts.flights()


def effect(harm: float, width: float = 0.5) -> Effect:
    return Effect(harm=harm, low=harm - width, high=harm + width)


@pytest.fixture(scope="module")
def cascade(flights: System) -> Attribution:
    chain = rollouts.Chain(flights, "r0001-x")
    plan = rollouts.begin(chain, (rollouts.member(flights, "dep_delay", "2"),))
    found = rollouts.cascade_attribution(rollouts.shadow(plan, rollouts.CASCADE).verdicts)
    assert GATE in [one.gate for one in found.harmed]
    return found


def rejected(flights: System, found: Attribution, **more: object) -> list[Event]:
    """A rollout that ended in shadow with this finding."""
    chain = rollouts.Chain(flights, "r0001-dep_delay2")
    plan = rollouts.begin(chain, (rollouts.member(flights, "dep_delay", "2"),))
    chain.tell(rollouts.kept(plan))
    measured: ShadowMeasured = rollouts.shadow(plan, rollouts.CASCADE)
    chain.tell(replace(measured, attribution=found, **more))  # type: ignore[arg-type]
    ended = Ended(
        ending=Ending.REJECTED,
        phase=Phase.SHADOW,
        code=ReasonCode.HARM_IN_SHADOW,
        reason=rollouts.harm_reason_of(measured),
        origin=found.origin,
    )
    chain.tell(ended)
    return chain.events


def spent_budget(flights: System) -> BudgetVerdict:
    chain = rollouts.Chain(flights, "r0001-x")
    plan = rollouts.begin(chain, (rollouts.member(flights, "dep_delay", "2"),))
    (gate,) = (one for one in plan.gates if one.name == GATE)
    best, champion = (
        judge_replay(gate, *rollouts.sums_of(gate, harm, 0.1), plan.levels, len(plan.gates))
        for harm in (0.9, 0.15)
    )
    return judge_budget(3, best, champion)


UNNAMED = [why for why in Undecided if why is not Undecided.NO_HARM]


@pytest.mark.parametrize("why", UNNAMED)
def test_why_no_origin_is_named_is_said_and_no_other_reason(flights, cascade, why):
    found = replace(
        cascade, origin=None, revert=(), partners=(), must_not_go_alone=False, undecided=why
    )
    said = explain(rejected(flights, found), flights)
    after_the_end = said[said.index("Ended ") :]
    assert f"  {why.sentence}." in after_the_end.splitlines()
    others = [one.sentence for one in UNNAMED if one is not why]
    assert not [one for one in others if one in after_the_end]


def test_the_owners_of_every_source_to_blame_are_named(flights, cascade):
    sources = replace(replaced_sources(), sources=("weather", "operations"))
    treatments = (Treatment.DRAWN, Treatment.DRAWN)
    found = replace(
        cascade,
        origin=Origin(kind="source", name="weather, operations"),
        partners=(),
        must_not_go_alone=False,
        sources=replace(sources, treatments=treatments),
    )
    said = explain(rejected(flights, found), flights)
    (line,) = [one for one in said.splitlines() if "would have to mend it" in one]
    assert "nobody" not in line
    assert "meteorology" in line
    assert "airport-operations" in line


# Shares and interactions


def with_two_changes(found: Attribution, **more: object) -> Attribution:
    (harmed,) = (one for one in found.harmed if one.gate == GATE)
    whole = effect(2.0)

    def share(node: str, harm: float) -> ShapleyShare:
        sampled: dict[str, object] = {"orders": 16, "sampling_error": 0.25}
        return ShapleyShare(node=node, gate=GATE, share=effect(harm), **sampled)  # type: ignore[arg-type]

    def back(*names: str, left: float) -> Reversion:
        return Reversion(reverted=names, harms={GATE: effect(left)}, within_margins=left <= 0)

    return replace(
        found,
        harmed=(replace(harmed, harm=whole),),
        shapley=(share("dep_delay", 2.5), share("arr_delay", -0.5)),
        reversions=(
            back("dep_delay", left=3.0),
            back("arr_delay", left=2.25),
            back("arr_delay", "dep_delay", left=0.0),
        ),
        revert=("dep_delay", "arr_delay"),
        interaction=Interaction.FITTED,
        interacting=("dep_delay", "arr_delay"),
        **more,  # type: ignore[arg-type]
    )


def test_shares_are_shown_with_percent_and_sampling_error_and_called_no_decision(flights, cascade):
    found = with_two_changes(cascade)
    rows = share_rows(found)
    assert [(one.node, one.percent, one.unit) for one in rows] == [
        ("dep_delay", "125 %", "minutes"),
        ("arr_delay", "−25 %", "minutes"),
    ]
    events = rejected(flights, found)
    page = words(report(flights, events))
    assert "+2.50 [+2.00, +3.00] 125 % +2.00 [+1.50, +2.50] 0.20 minutes ± 0.25" in page
    assert "16 orders in which the changes could have come, drawn at random" in page
    assert "They explain and do not decide" in page
    assert (
        "Shapley shares of arr_delay.mae's harm, which explain and do not decide: dep_delay +2.50 "
        "[+2.00, +3.00] minutes (125 %, sampled ± 0.25); arr_delay −0.50 [−1.00, +0.00] minutes "
        "(−25 %, sampled ± 0.25)."
    ) in explain(events, flights)


def test_shares_replacements_and_budgets_are_drawn_with_their_numbers(flights, cascade):
    found = with_two_changes(cascade, sources=replaced_sources())
    page = report(flights, rejected(flights, found, budget=(spent_budget(flights),)))
    pictures = dict(re.findall(r'aria-label="([^"]+)"[^>]*>(.*?)</svg>', page, re.DOTALL))
    shares = pictures["Whose share of the harm is how large"]
    assert ">all of its harm<" in shares
    assert "−0.50 [−1.00, +0.00] minutes" in shares
    replaced = pictures["Harm that stays with sources replaced"]
    assert ">operations, drawn<" in replaced
    assert "+0.10 [−0.40, +0.60] minutes" in replaced
    assert re.search(r"\+0\.\d+ \[[^]]+\]", pictures["Harm since the best generation"])


def test_an_effect_that_is_unknown_is_drawn_as_such(flights, cascade):
    (harmed,) = (one for one in cascade.harmed if one.gate == GATE)
    unknown = Effect(harm=None, low=None, high=None)
    group = EffectGroup(
        gate=GATE,
        unit=harmed.unit,
        margin=0.0,
        rows=(
            EffectRow(name="arr_delay", effect=unknown),
            EffectRow(name="x", effect=effect(0, 0)),
        ),
    )
    drawn = draw_effects("one", (group,), "One")
    assert drawn is not None
    assert ">unknown<" in drawn
    assert draw_effects("none", (), "None") is None


def test_one_change_alone_needs_no_table_of_shares(flights, cascade):
    alone = with_two_changes(cascade)
    assert share_rows(replace(alone, shapley=alone.shapley[:1])) == ()


def test_every_mixture_of_interacting_changes_stands_in_the_table(flights, cascade):
    """In whichever order the changes were taken back."""
    found = with_two_changes(cascade)
    assert [(one.made, one.harm.split()[0], one.within) for one in interaction_rows(found)] == [
        ("dep_delay and arr_delay", "+2.00", "no"),
        ("arr_delay", "+3.00", "no"),
        ("dep_delay", "+2.25", "no"),
        ("none of them", "+0.00", "yes"),
    ]
    page = words(report(flights, rejected(flights, found)))
    assert "dep_delay and arr_delay are fitted to each other" in page
    assert "none of them arr_delay.mae" in page


def test_a_mixture_that_was_not_measured_is_left_out(cascade):
    found = with_two_changes(cascade)
    assert len(interaction_rows(replace(found, reversions=found.reversions[:1]))) == 2


def test_what_would_do_as_well_is_said(flights, cascade):
    found = replace(cascade, alternatives=(("arr_delay", "air_time"),))
    events = rejected(flights, found)
    sentence = (
        "Taking back arr_delay and air_time instead would bring every gate within its margin "
        "as well."
    )
    assert sentence in explain(events, flights)
    assert sentence in words(report(flights, events))


# Sources


def replaced_sources() -> SourceAttribution:
    def tried(name: str, treatment: Treatment, left: float, heard: float | None, back: bool):
        return SourceReplacement(
            sources=(name,),
            treatments=(treatment,),
            harms={GATE: effect(left)},
            taken_away={GATE: effect(3.0 - left)},
            heard=heard,
            brought_back=back,
            unknown=None,
        )

    return SourceAttribution(
        harmed=(
            SourceHarm(gate=GATE, model="arr_delay", unit="minutes", margin=0.2, harm=effect(3.0)),
        ),
        replacements=(
            tried("operations", Treatment.DRAWN, 0.1, 0.07, True),
            tried("weather", Treatment.MATCHED, 2.9, None, False),
        ),
        sources=("operations",),
        treatments=(Treatment.DRAWN,),
        alternatives=(),
        undecided=None,
        alpha=0.05,
    )


def test_every_replacement_of_a_source_stands_in_the_table(flights, cascade):
    found = replace(cascade, sources=replaced_sources())
    assert [(one.sources, one.heard, one.back, one.named) for one in source_rows(found)] == [
        ("operations", "7 %", "yes", True),
        ("weather", "", "no", False),
    ]
    page = words(report(flights, rejected(flights, found)))
    assert (
        "operations recorded rows drawn at random arr_delay.mae +3.00 [+2.50, +3.50] "
        "+2.90 [+2.40, +3.40] +0.10 [−0.40, +0.60] 0.20 minutes 7 % yes"
    ) in page
    assert "The source operations no longer tells one row from another" in page
    assert "only where at most 60 % of what the source used to tell" in page


def test_that_no_source_is_to_blame_is_said(flights, cascade):
    nobody = replace(
        replaced_sources(), sources=(), treatments=(), undecided=Undecided.NOTHING_SUFFICES
    )
    events = rejected(flights, replace(cascade, sources=nobody))
    sentence = "No source whose values were replaced brings every gate within its margin again."
    assert f"Sources: {sentence}" in explain(events, flights)
    assert sentence in words(report(flights, events))


def test_the_text_says_how_large_harm_is_and_what_taking_back_leaves(flights, cascade):
    said = explain(rejected(flights, cascade), flights)
    (line,) = [one for one in said.splitlines() if one.strip().startswith("arr_delay.mae: harm")
               and "cascading" in one]  # fmt: skip
    assert line.strip().startswith("arr_delay.mae: harm +")
    assert "minutes, cascading; with dep_delay taken back +0.00 [+0.00, +0.00] is left" in line
    assert line.endswith("(margin 0.20 minutes).")


def test_the_text_says_what_a_mended_source_leaves(flights, cascade):
    said = explain(rejected(flights, replace(cascade, sources=replaced_sources())), flights)
    assert (
        "arr_delay.mae: harm +3.00 [+2.50, +3.50] minutes; with operations replaced "
        "+0.10 [−0.40, +0.60] is left (margin 0.20 minutes)."
    ) in said


# The cumulative budget


def test_the_harm_since_the_best_generation_is_on_the_page_with_its_sentence(flights, cascade):
    spent = spent_budget(flights)
    assert spent.outcome is Outcome.FAILED
    events = rejected(flights, cascade, budget=(spent,))
    page = words(report(flights, events))
    assert "arr_delay · MAE required generation 3" in page
    assert "the best generation of the last 90d" in page
    assert "By 5 other gates that is what serves, generation 1." in page
    numbers = re.compile(r"since generation 3, arr_delay\.mae: harm \+0\.\d+ minutes \[[^]]+\] > ")
    assert numbers.search(page)
    assert numbers.search(explain(events, flights))
    assert "spend more than one margin" in page


def test_where_no_generation_was_better_nothing_more_was_compared(flights, cascade):
    page = words(report(flights, rejected(flights, cascade)))
    assert "By every gate that is generation 1, which serves" in page
