"""Live inputs that drift away from shadow's make its evidence stale, and shadow is replayed."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from sluiceway.cli.rendering import rollout_json
from sluiceway.drift import Method, storing
from sluiceway.gates import Reason
from sluiceway.outcomes import Outcome
from sluiceway.reports import explain
from sluiceway.rollouts.actions import Wait
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import DriftFound, Looked, Promoted, ShadowMeasured, happening
from sluiceway.steps.inputs import shown_profile
from sluiceway.steps.publishing import PROFILES, publish
from sluiceway.steps.site import Site
from tests.driver import LIVE, QUICK, Wild, add, advance, live_days, variant
from tests.orders.data import day

from .broken import Fuse, fused
from .test_crashes import Play, sound, story
from .worlds import NOW, ended, kinds, quick_site, same_fraud, to_canary, told

DAY = timedelta(days=1)
LOADER = "    loader: python:tests.orders.data:orders\n"


def feed(recorded: str, live: str) -> tuple[str, str]:
    """Orders by other feeds."""
    feeds = "python:tests.orders.feeds"
    return LOADER, f"    loader: {feeds}:{recorded}\n    live_loader: {feeds}:{live}\n"


FARTHER = feed("farther", "farther")


def drifting(tmp_path: Path, *changes: tuple[str, str]) -> tuple[Site, str]:
    """A harmless candidate whose orders have gone farther since it got traffic."""
    site = quick_site(tmp_path, FARTHER, *changes)
    same_fraud(site)
    return site, to_canary(site, "fraud@2")


def test_drift_is_told_once_holds_replays_shadow_and_the_canary_goes_on(tmp_path: Path) -> None:
    site, rollout = drifting(tmp_path)
    live_days(site, rollout, NOW, 20)
    assert ended(site, rollout).ending is Ending.PROMOTED
    (drift,) = told(site, rollout, DriftFound)
    assert isinstance(drift, DriftFound)
    assert drift.report.columns == ("distance",)
    assert drift.report.method is Method.BLOCKS
    assert sum(one.blocks for one in drift.live) == 10, "as soon as ten days can be permuted"
    first, again = told(site, rollout, ShadowMeasured)
    assert isinstance(first, ShadowMeasured)
    assert isinstance(again, ShadowMeasured)
    assert again.end == site.plan(rollout).calendar.end(drift.watermark)
    assert again.end - again.start == first.end - first.start == 12 * DAY
    order = kinds(site, rollout)
    assert order.index("drift_found") == order.index("looked", order.index("drift_found") - 1) + 1
    assert order.index("drift_found") < order.index("promoted")
    assert told(site, rollout, Promoted)


def test_no_live_row_is_compared_with_itself_after_the_replay(tmp_path: Path) -> None:
    site, rollout = drifting(tmp_path, ("{weight: 10, bake: 1d}", "{weight: 10, bake: 24d}"))
    live_days(site, rollout, NOW, 14)
    looks = [one.inputs for one in told(site, rollout, Looked)]  # type: ignore[attr-defined]
    blocks = [one.blocks for one in looks if one is not None]
    assert blocks[:10] == list(range(1, 11))
    assert blocks[10] == 1, "the replay's window is the new reference"


def test_inputs_that_do_not_drift_are_compared_and_cause_nothing(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 20)
    assert ended(site, rollout).ending is Ending.PROMOTED
    assert told(site, rollout, DriftFound) == []
    assert kinds(site, rollout).count("shadow_measured") == 1
    looks = told(site, rollout, Looked)
    compared = [one.inputs.compared for one in looks if one.inputs]  # type: ignore[attr-defined]
    (seen,) = [one for one in compared if one is not None]
    assert (seen.blocks, seen.reference_blocks, seen.tests) == (10, 12, 4)
    assert seen.outcome is not Outcome.FAILED
    said = explain(site.journal.events(site.environment, rollout), site.systems.kept(rollout))
    assert "Shadow evidence stale" not in said


def test_nobody_looks_where_drift_is_off(tmp_path: Path) -> None:
    site, rollout = drifting(tmp_path, ("  approvals: []", "  approvals: []\n  drift: off"))
    live_days(site, rollout, NOW, 20)
    assert ended(site, rollout).ending is Ending.PROMOTED
    assert told(site, rollout, DriftFound) == []
    assert all(one.inputs is None for one in told(site, rollout, Looked))  # type: ignore[attr-defined]


def test_a_long_history_finds_drift_on_the_first_day(tmp_path: Path) -> None:
    """Eleven comparisons share 20 %: 54 windows of a day are needed, and 120 there."""
    policy = "  approvals: []\n  drift: {alpha: 0.2, history: 120d}"
    site, rollout = drifting(tmp_path, ("  approvals: []", policy))
    live_days(site, rollout, NOW, 2)
    (drift,) = told(site, rollout, DriftFound)
    assert isinstance(drift, DriftFound)
    assert drift.report.method is Method.HISTORY
    assert sum(one.blocks for one in drift.live) == 1
    assert drift.report.columns == ("distance",)


def test_a_second_drift_beyond_the_policy_holds_until_the_deadline(tmp_path: Path) -> None:
    """Live orders go farther than recorded ones: no replay makes that good."""
    policy = "  approvals: []\n  drift: {replays: 1}"
    site = quick_site(
        tmp_path,
        (LOADER, f"{LOADER}    live_loader: python:tests.orders.feeds:farther\n"),
        ("  approvals: []", policy),
        ("{weight: 10, bake: 1d}", "{weight: 10, bake: 24d}"),
    )
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    action = live_days(site, rollout, NOW, 23)
    assert kinds(site, rollout).count("drift_found") == 2
    assert kinds(site, rollout).count("shadow_measured") == 2
    assert isinstance(action, Wait)
    assert action.reason.startswith("holds: shadow evidence stale: drift in distance KS D 0.")
    stale = site.state(rollout).shadows[-1].verdicts
    assert {one.reason for one in stale} == {Reason.SHADOW_STALE}
    assert {one.drifted for one in stale} == {("distance",)}
    live_days(site, rollout, NOW + 23 * DAY, 5)
    end = ended(site, rollout)
    assert (end.ending, end.phase, end.code) == (
        Ending.EXPIRED,
        Phase.CANARY,
        ReasonCode.SHADOW_STALE,
    )
    assert site.state(rollout).step == 0, "no step while shadow was stale"


def dear_ones_wrong(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """As the live model, but for dear orders, which it calls honest."""
    answers = LIVE["fraud"].predict(columns)
    dear = columns["amount"] >= 400
    return np.where(dear[:, None], [[0.99, 0.01]], answers)


def test_a_replay_that_fails_takes_the_candidate_back(tmp_path: Path) -> None:
    """Live orders go farther, and the record by now has dearer ones, which the candidate spoils."""
    site = quick_site(tmp_path, feed("dearer", "farther"))
    add(site, "fraud", "2", Wild(tuple(LIVE["fraud"].inputs), dear_ones_wrong))
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 20)
    end = ended(site, rollout)
    assert (end.ending, end.phase, end.code) == (
        Ending.ROLLED_BACK,
        Phase.CANARY,
        ReasonCode.HARM_IN_SHADOW,
    )
    assert end.origin is not None
    assert end.origin.name == "fraud"
    order = kinds(site, rollout)
    after = order[order.index("drift_found") :]
    assert [k for k in after if k != "confirmed"] == [
        "drift_found", "shadow_measured", "rollback_decided", "diagnosed", "incident_opened",
        "ended",
    ]  # fmt: skip
    said = explain(site.journal.events(site.environment, rollout), site.systems.kept(rollout))
    assert "On recorded traffic, cost's MAE gets worse by 5" in said


def test_everybody_is_told_with_numbers(tmp_path: Path) -> None:
    site, rollout = drifting(tmp_path)
    live_days(site, rollout, NOW, 12)
    events = site.journal.events(site.environment, rollout)
    said = explain(events, site.systems.kept(rollout))
    numbers = "Shadow evidence stale: drift in distance KS D 0."
    assert numbers in said
    assert "distance: KS D" in said
    state = site.state(rollout)
    shown = rollout_json(rollout, state)["drift"]
    assert (shown["columns"], shown["shadow_stale"]) == (["distance"], False)
    published = publish(site, rollout)
    assert published is not None
    page = published.report.read_text(encoding="utf-8")
    assert "Live inputs against shadow" in page
    section = page[page.index('<section id="drift">') :]
    drawn = section[section.index("<svg") : section.index("</svg>") + len("</svg>")]
    texts = {text.strip() for text in ElementTree.fromstring(drawn).itertext()}
    assert {"distance", "amount", "reference", "now", "threshold"} <= texts


def test_profiles_are_evidence_whose_digests_stand_in_the_journal(tmp_path: Path) -> None:
    site, rollout = drifting(tmp_path)
    live_days(site, rollout, NOW, 12)
    publish(site, rollout)
    run = site.evidence.runs[site.plan(rollout).system, rollout]  # type: ignore[attr-defined]
    kept = json.loads(run["artifacts"][PROFILES])
    shadows = told(site, rollout, ShadowMeasured)
    named = {one.inputs.reference.digest for one in shadows}  # type: ignore[attr-defined]
    named |= {one.inputs.history.digest for one in shadows}  # type: ignore[attr-defined]
    named |= {one.digest for one in site.state(rollout).inputs}
    assert set(kept) == named


def test_a_profile_that_is_gone_is_made_again_or_nothing_is_compared(tmp_path: Path) -> None:
    site, rollout = drifting(tmp_path)
    live_days(site, rollout, NOW, 9)
    folder = site.folder(rollout) / "profiles"
    for path in folder.iterdir():
        path.write_text("{}")
    live_days(site, rollout, NOW + 9 * DAY, 3)
    (drift,) = told(site, rollout, DriftFound)
    assert drift.report.columns == ("distance",)  # type: ignore[attr-defined]
    assert shown_profile(site, rollout, [drift.reference]) is not None  # type: ignore[attr-defined]


def test_a_profile_of_another_version_is_not_compared_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a return to an older Sluiceway: the journal names what only the newer one reads."""
    with monkeypatch.context() as newer:
        newer.setattr(storing, "_VERSION", 2)
        site, rollout = drifting(tmp_path)
        live_days(site, rollout, NOW, 3)
    live_days(site, rollout, NOW + 3 * DAY, 9)
    assert not told(site, rollout, DriftFound)
    looks = [one for one in told(site, rollout, Looked) if one.inputs is not None]  # type: ignore[attr-defined]
    assert "of another version" in str(looks[-1].inputs.fault)  # type: ignore[attr-defined]
    assert looks[-1].watermark is not None  # type: ignore[attr-defined]
    assert shown_profile(site, rollout, [looks[0].inputs.kept]) is None  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    folder = tmp_path_factory.mktemp("drift")
    (folder / "system").mkdir()
    return Play(variant(folder / "system", *QUICK, FARTHER), folder)


def test_killed_between_drift_and_replay_the_next_run_ends_the_same(play: Play) -> None:
    whole = play.world()
    assert play.run(whole) == 0
    expected = story(whole)
    events = list(whole.journal.chain(whole.environment))
    counted = Counter(event.kind for event in events)
    assert (counted["drift_found"], counted["shadow_measured"]) == (1, 2)
    # Each write is one append, but for drift, which comes with its look.
    place = [event.kind for event in events].index("drift_found")
    for at in range(place - 1, place + 3):
        for after in (False, True):
            site = play.world()
            assert play.run(fused(site, Fuse(at=at, after=after), ["journal"])) == 1
            sound(site)
            assert story(site) == expected, f"killed at append {at}, {after}"


def test_drift_is_written_with_the_look_that_saw_it_or_not_at_all(tmp_path: Path) -> None:
    site, rollout = drifting(tmp_path)
    live_days(site, rollout, NOW, 12)
    events = site.journal.events(site.environment, rollout)
    at = next(n for n, event in enumerate(events) if event.kind == "drift_found")
    look = happening(events[at - 1])
    assert isinstance(look, Looked)
    assert look.inputs is not None
    assert look.inputs.compared is not None
    assert look.inputs.compared.outcome is Outcome.FAILED
    assert advance(site, rollout, day(52)) is not None
