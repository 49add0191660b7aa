"""The timeline tells what happened when, with few events and with many."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest

from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.reports.story import Story, read_story
from sluiceway.reports.timeline import (
    decisions,
    holds,
    preparation,
    runs,
    timeline_said,
    traffic,
)
from sluiceway.reports.timeline_picture import draw_timeline
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    Ended,
    Held,
    Looked,
    Promoted,
    Resumed,
    StepEntered,
    TrafficStopped,
    Waited,
)
from sluiceway.system.values import System
from tests.reports import rollouts


@pytest.fixture(scope="module")
def flights() -> System:
    return rollouts.flights()


def look(outcome: Outcome = Outcome.INCONCLUSIVE) -> Looked:
    return Looked(
        outcome=outcome,
        watermark="2013-09-02",
        states={},
        verdicts=(),
        log_e=0.0,
        candidate_units=9,
        champion_units=9,
        fault=None,
    )


def canary(flights: System, happenings: Sequence[object], *, every: timedelta) -> Story:
    chain = rollouts.Chain(flights, "r0001-dep_delay2")
    plan = rollouts.begin(chain, (rollouts.member(flights, "dep_delay", "2"),))
    chain.tell(rollouts.kept(plan))
    chain.tell(StepEntered(step=0, weight=5))
    for happening in happenings:
        chain.tell(happening, after=every, actor="ada")  # type: ignore[arg-type]
    return read_story(flights, chain.events)


HOUR = timedelta(hours=1)
ENDED = Ended(ending=Ending.ABORTED, phase=Phase.CANARY, code=ReasonCode.ABORTED_BY_HAND, reason="")


def markers(picture: str) -> int:
    return picture.count("<use ")


@pytest.mark.parametrize("looks", [3, 60])
def test_every_look_has_its_marker(flights, looks):
    story = canary(flights, [look() for _ in range(looks)], every=HOUR)
    one, some = draw_timeline(canary(flights, [look()], every=HOUR)), draw_timeline(story)
    assert one is not None
    assert some is not None
    assert markers(some) - markers(one) == looks - 1
    assert f"{looks} looks at the evidence" in timeline_said(story)


def test_many_hundreds_of_looks_are_drawn_as_runs_of_equal_outcome(flights):
    outcomes = [Outcome.INCONCLUSIVE] * 300 + [Outcome.ERROR] * 2 + [Outcome.PASSED] * 100
    assert runs(outcomes) == ((0, 299), (300, 301), (302, 401))
    picture = draw_timeline(canary(flights, [look(one) for one in outcomes], every=HOUR))
    assert picture is not None
    assert markers(picture) < 40


def test_traffic_goes_up_by_steps_and_to_nothing_when_it_is_stopped(flights):
    told = [
        StepEntered(step=1, weight=25),
        TrafficStopped(reason="no evidence"),
        StepEntered(step=1, weight=25),
        Promoted(release="b" * 64, previous_release="a" * 64),
    ]
    story = canary(flights, told, every=HOUR)
    assert [share for _, share in traffic(story)] == [5, 25, 0, 25, 100]


def test_a_hold_lasts_until_it_is_resumed_or_the_rollout_ends(flights):
    told = [Held(reason=""), look(), Resumed(reason=""), Held(reason=""), look(), ENDED]
    lengths = [end - start for start, end in holds(canary(flights, told, every=HOUR))]
    assert lengths == [2 * HOUR, 2 * HOUR]
    still = canary(flights, [Held(reason=""), look()], every=HOUR)
    assert [end - start for start, end in holds(still)] == [HOUR]


def test_who_decided_is_named_and_steps_and_looks_are_not_repeated(flights):
    told = [look(), StepEntered(step=1, weight=25), Held(reason="storm"), ENDED]
    marks = decisions(canary(flights, told, every=HOUR))
    assert [(one.word, one.detail) for one in marks] == [
        ("held", "by ada"),
        ("ended", "aborted in canary"),
    ]


def test_waiting_again_and_again_is_one_mark_with_its_count(flights):
    chain = rollouts.Chain(flights, "r0002-dep_delay2")
    rollouts.begin(chain, (rollouts.member(flights, "dep_delay", "2"),))
    for _ in range(7):
        chain.tell(Waited(behind="r0001-dep_delay3"))
    marks = preparation(read_story(flights, chain.events))
    assert [(one.word, one.times) for one in marks][-1] == ("waits", 7)


def test_before_the_canary_all_is_preparation_and_nothing_is_to_scale(flights):
    story = read_story(flights, rollouts.rejected_in_shadow(flights))
    assert [one.word for one in preparation(story)] == [
        "asked for",
        "plan fixed",
        "contracts",
        "shadow replay",
        "ended",
    ]
    assert traffic(story) == ()
    assert "nothing live was touched" in timeline_said(story)


def test_one_event_needs_no_picture(flights):
    assert draw_timeline(read_story(flights, rollouts.restored_by_hand(flights))) is None


def test_words_of_many_decisions_at_once_do_not_lie_on_each_other(flights):
    told = [look(), *(Held(reason=str(n)) for n in range(8)), ENDED]
    picture = draw_timeline(canary(flights, told, every=timedelta(seconds=1)))
    assert picture is not None
    places = re.findall(r'<text[^>]*transform="translate\(([\d.]+) ([\d.]+)\)[^>]*>held<', picture)
    places += re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>held<', picture)
    heights = [y for _, y in places]
    assert heights
    assert len(heights) == len(set(heights))


@pytest.mark.parametrize(
    "make", [rollouts.promoted, rollouts.rolled_back, rollouts.rejected_in_contracts]
)
def test_a_picture_can_be_drawn_after_each_event(flights, make):
    events: list[Event] = make(flights)
    assert all(
        draw_timeline(read_story(flights, events[:upto])) is not None
        for upto in range(2, len(events) + 1)
    )
