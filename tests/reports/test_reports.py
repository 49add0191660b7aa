"""What a report must be, whatever happened: whole, harmless, the same each time, and true."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.reports import explain, render_report
from sluiceway.reports.story import read_story
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import Ended, Looked, ShadowMeasured, StepEntered
from sluiceway.statistics.sequential import SequentialHarm
from sluiceway.system.values import Owner, System
from tests.reports import rollouts

Make = Callable[[System], list[Event]]
STORIES: list[Make] = [
    rollouts.rejected_in_contracts,
    rollouts.rejected_in_shadow,
    rollouts.promoted,
    rollouts.rolled_back,
    rollouts.restored_by_hand,
]
VOID = {"meta", "br", "link", "img", "input", "hr"}


@pytest.fixture(scope="module")
def flights() -> System:
    return rollouts.flights()


def report(system: System, events: list[Event], generation: int | None = 1) -> str:
    return render_report(
        system=system,
        events=events,
        champion_generation_after=generation,
        chain_head=events[-1].hash,
    )


class Balance(HTMLParser):
    """Refuses a page whose tags do not close in the order they open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)


def read(page: str) -> Balance:
    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []
    return balance


def words(page: str) -> str:
    return " ".join(" ".join(read(page).text).split())


@pytest.mark.parametrize("make", STORIES)
def test_a_page_is_well_formed_and_its_ids_are_unique(flights, make):
    ids = read(report(flights, make(flights))).ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("make", STORIES)
def test_a_page_needs_nothing_but_itself(flights, make):
    page = report(flights, make(flights))
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert not read(page).tags & {"script", "link", "img", "iframe"}


@pytest.mark.parametrize("make", STORIES)
def test_every_reference_inside_a_picture_leads_somewhere(flights, make):
    page = report(flights, make(flights))
    wanted = set(re.findall(r'(?:href="|url\()#([^")]+)', page))
    assert wanted <= set(read(page).ids)


@pytest.mark.parametrize("make", STORIES)
def test_equal_events_give_an_equal_page(flights, make):
    events = make(flights)
    assert report(flights, events) == report(flights, events)


def test_a_rejection_by_contract_names_the_promise_and_who_relies_on_it(flights):
    said = words(report(flights, rollouts.rejected_in_contracts(flights)))
    assert "rejected" in said
    assert "interquartile range" in said
    assert "× the reference 1.9 minutes, promised 0.2 to 10 ×" in said
    assert "Nothing live was touched; generation 1 keeps serving." in said
    assert "arrival-forecasting@airline.example" in said
    assert "breaks its contract" in said
    assert "harm enters here" not in said


def test_a_rejection_in_shadow_proposes_the_joint_release(flights):
    events = rollouts.rejected_in_shadow(flights)
    said = words(report(flights, events))
    assert "On recorded traffic, arr_delay's MAE gets worse by 2.47 minutes" in said
    assert "0.20 minutes is tolerated" in said
    assert "dep_delay must not go alone" in said
    assert "they may not exist yet" in said
    assert "sluiceway rollout dep_delay@2 arr_delay@NEW missed_connection@NEW" in said
    assert "harm enters here" in said
    assert "cascading" in said


def test_a_promotion_says_what_serves_and_the_way_back(flights):
    said = words(report(flights, rollouts.promoted(flights), generation=2))
    assert "Generation 2 serves all units" in said
    assert "1 before, 2 after" in said
    assert "sluiceway rollback --to 1" in said
    assert "All 3 required gates passed on live traffic" in said


def test_a_rollback_says_whose_incident_it_is_what_serves_and_where_it_came_from(flights):
    said = words(report(flights, rollouts.rolled_back(flights), generation=2))
    assert "rolled back" in said
    assert "Generation 2 serves all units; the candidate answers nobody" in said
    assert "An incident was opened for" in said
    assert "Harm enters at the source operations_2" in said
    assert "operations_2.mean_delay stands still" in said


@pytest.mark.parametrize("make", STORIES)
def test_a_page_carries_the_chain_head_and_every_event(flights, make):
    events = make(flights)
    page = report(flights, events)
    assert events[-1].hash in page
    assert all(event.hash[:12] in page for event in events)


def test_numbers_of_every_gate_stand_on_the_page_with_margin_and_its_reason(flights):
    events = rollouts.rejected_in_shadow(flights)
    said = words(report(flights, events))
    story = read_story(flights, events)
    for verdict in story.verdicts[Phase.SHADOW]:
        assert verdict.gate.name in said
        assert f"{verdict.rows:,}" in said
    assert "ground crews are planned again in steps of five minutes" in said


HOSTILE = "<script>alert('x')</script>&\"$x_1$ 航班"


def hostile(system: System) -> System:
    """Owners, units and descriptions that try to be markup or mathematics."""
    owners = {**system.owners, HOSTILE: Owner(name=HOSTILE, contact=HOSTILE)}
    models = {
        name: replace(
            model,
            owner=HOSTILE,
            metrics=tuple(replace(m, unit=HOSTILE, because=HOSTILE) for m in model.metrics),
        )
        for name, model in system.models.items()
    }
    sources = {name: replace(source, owner=HOSTILE) for name, source in system.sources.items()}
    return replace(system, name=HOSTILE, owners=owners, models=models, sources=sources)


@pytest.mark.parametrize("make", STORIES)
def test_hostile_names_are_text_and_nothing_else(flights, make):
    system = hostile(flights)
    page = report(system, make(system))
    assert "<script" not in page
    assert "script" not in read(page).tags


def test_hostile_members_reasons_and_titles_are_text_and_nothing_else(flights):
    chain = rollouts.Chain(flights, HOSTILE)
    ended = Ended(
        ending=Ending.REJECTED, phase=Phase.PLAN, code=ReasonCode.BAD_INPUT, reason=HOSTILE
    )
    chain.tell(ended, actor=HOSTILE)
    page = render_report(
        system=flights,
        events=chain.events,
        champion_generation_after=None,
        chain_head=HOSTILE,
        title=HOSTILE,
    )
    assert "<script" not in page
    assert HOSTILE in " ".join(read(page).text)


def test_no_events_cannot_be_told(flights):
    with pytest.raises(ValueError, match="without events"):
        render_report(system=flights, events=[], champion_generation_after=1, chain_head="")
    with pytest.raises(ValueError, match="without events"):
        explain([], flights)


@pytest.mark.parametrize("make", STORIES)
def test_a_rollout_can_be_told_after_each_of_its_events(flights, make):
    events = make(flights)
    kinds: set[str] = set()
    for upto, event in enumerate(events, start=1):
        assert explain(events[:upto], flights)
        if event.kind not in kinds:  # drawing takes its time: once after each kind of event
            read(report(flights, events[:upto], generation=None))
        kinds.add(event.kind)


def test_a_rollback_that_is_decided_but_not_over_is_told_as_such(flights):
    events = rollouts.rolled_back(flights)
    kinds = [event.kind for event in events]
    upto = kinds.index("rollback_decided") + 1
    said = words(report(flights, events[:upto]))
    assert "Being rolled back: dep_delay.mae: harm" in said
    assert "Nothing is decided" not in said


def test_evidence_that_could_not_be_had_is_told_as_such(flights):
    chain = rollouts.Chain(flights, "r0009")
    plan = rollouts.begin(chain, (rollouts.member(flights, "dep_delay", "2"),))
    at = datetime(2013, 9, 1, tzinfo=UTC)
    nothing = ShadowMeasured(
        outcome=Outcome.ERROR,
        start=at - timedelta(days=62),
        end=at,
        rows=0,
        verdicts=(),
        attribution=None,
        fault="landings.parquet: no such file",
        seconds=0.1,
    )
    chain.tell(rollouts.kept(plan))
    chain.tell(nothing)
    chain.tell(StepEntered(step=0, weight=5))
    unread = Looked(
        outcome=Outcome.ERROR,
        watermark=None,
        states={gate.name: SequentialHarm() for gate in plan.gates},
        verdicts=(),
        log_e=0.0,
        candidate_units=0,
        champion_units=0,
        fault="sample ratio broken",
    )
    chain.tell(unread)
    said = words(report(flights, chain.events))
    assert "landings.parquet: no such file" in said
    assert "sample ratio broken" in said


def test_the_text_marks_each_gate_and_says_what_now(flights):
    said = explain(rollouts.rejected_in_shadow(flights), flights)
    assert said.splitlines()[0] == "r0002-dep_delay2: rejected in shadow"
    assert "  x arr_delay.mae: harm +2.47 minutes" in said
    assert "  ? arr_delay.rmse" in said
    assert "  + dep_delay.mae" in said
    assert "models downstream: arr_delay, missed_connection" in said
    assert "origin: model dep_delay" in said
    assert "dep_delay must not go alone" in said


def test_another_system_with_a_diamond_is_told_by_the_same_code():
    system = rollouts.orders()
    chain = rollouts.Chain(system, "r0001-fraud2")
    member = rollouts.member(system, "fraud", "2", {"signal": "2.0.0"})
    rollouts.begin(chain, (member,))
    said = words(report(system, chain.events))
    assert "1 of 4 models changes; 4 models and 1 outside consumer answer differently" in said
    assert "candidate: 2.0.0" in said


def test_an_open_gate_says_how_far_its_sample_could_see(flights):
    said = explain(rollouts.rejected_in_shadow(flights), flights)
    (line,) = [one for one in said.splitlines() if "could have passed" in one]
    assert line.startswith("    arr_delay.rmse: 62 days could have passed a margin of ")
    assert line.endswith(" minutes with probability 0.80 (its margin is 1.0 minutes)")
    assert line.strip() in words(report(flights, rollouts.rejected_in_shadow(flights)))
