"""Features that are not what they were: refused, held back, and found by the audit."""

from pathlib import Path

from sluiceway.features import FindingCode
from sluiceway.features.identity import DIGITS
from sluiceway.outcomes import Outcome
from sluiceway.rollouts.actions import Wait
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import FeaturesAudited
from sluiceway.steps.auditing import audit_champion
from sluiceway.steps.site import Site
from tests.driver import LIVE, TRAINED, add, advance, live_days
from tests.orders.data import day

from .worlds import (
    NOW,
    ask,
    better_fraud,
    ended,
    kinds,
    quick_site,
    same_fraud,
    second_feed,
    to_canary,
    told,
)


def definition(site: Site, feature: str, version: str) -> str:
    return site.systems.definitions(site.systems.current())[feature, version][:DIGITS]


def redefine(site: Site, feature: str) -> str:
    """Change the definition of a feature under its version, and give what it was."""
    kept = site.systems.definitions(site.systems.current())
    changed = {**kept, (feature, "1.0.0"): "f" * 64}
    object.__setattr__(site.systems, "definitions", lambda _system: changed)
    return kept[feature, "1.0.0"][:DIGITS]


def test_a_version_trained_with_another_definition_is_refused(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    stamp = {"features": {"signal": "1.0.0"}, "definitions": {"signal": "0123456789ab"}}
    add(site, "fraud", "2", TRAINED, **stamp)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    found = ended(site, rollout)
    assert (found.ending, found.phase) == (Ending.REJECTED, Phase.PLAN)
    assert found.code is ReasonCode.BAD_INPUT
    now = definition(site, "signal", "1.0.0")
    assert found.reason == (
        "fraud@2: was trained with another definition: signal 1.0.0 was 0123456789ab and is "
        f"{now} now: its code, inputs, type or unit changed under the same version; give the "
        "changed definition a new version and keep this one as it was"
    )


def test_a_release_keeps_the_definitions_it_was_verified_with(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    kept = definition(site, "signal", "1.0.0")
    add(site, "fraud", "2", TRAINED, features={"signal": "1.0.0"}, definitions={"signal": kept})
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    plan = site.state(rollout).plan
    assert plan is not None
    assert plan.members[0].definitions["signal"] == kept
    assert site.champion().release.members["fraud"].definitions["signal"] == kept


def test_a_definition_that_changes_under_a_rollout_ends_it(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    add(site, "handling", "2", LIVE["handling"])
    rollout = to_canary(site, "handling@2")
    before = redefine(site, "distance")
    live_days(site, rollout, day(40), 6)
    found = ended(site, rollout)
    assert (found.ending, found.code) == (Ending.REJECTED, ReasonCode.FEATURE_CHANGED)
    assert f"handling@2: distance 1.0.0 was {before} and is ffffffffffff now" in found.reason


def test_what_serves_on_a_changed_definition_takes_no_rollout(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    before = redefine(site, "distance")
    better_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    found = ended(site, rollout)
    assert found.code is ReasonCode.BAD_INPUT
    assert found.reason.startswith(
        "what serves rests on definitions that have changed: handling@1: distance 1.0.0 was "
        f"{before} and is ffffffffffff now"
    )


def test_values_served_otherwise_than_recorded_hold_a_harmless_candidate(tmp_path: Path) -> None:
    site = quick_site(tmp_path, *second_feed("nudged"))
    same_fraud(site, features={"signal": "3.0.0"})
    rollout = to_canary(site, "fraud@2")
    action = live_days(site, rollout, NOW, 14)
    assert isinstance(action, Wait)
    assert site.champion().generation == 1
    audits = told(site, rollout, FeaturesAudited)
    assert audits, kinds(site, rollout)
    assert {one.outcome for one in audits} == {Outcome.FAILED}  # type: ignore[attr-defined]
    assert action.reason.startswith(
        "is not promoted: signal: served otherwise than recorded to 5.00% of "
    )
    live_days(site, rollout, day(54), 40)
    found = ended(site, rollout)
    assert (found.ending, found.code) == (Ending.EXPIRED, ReasonCode.FEATURES_MISMATCH)


def test_equal_values_by_another_loader_are_compared_and_pass(tmp_path: Path) -> None:
    site = quick_site(tmp_path, *second_feed("scores_again"))
    stamp = definition(site, "signal", "3.0.0")
    same_fraud(site, features={"signal": "3.0.0"}, definitions={"signal": stamp})
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 14)
    assert site.champion().generation == 2
    (audited,) = told(site, rollout, FeaturesAudited)
    assert isinstance(audited, FeaturesAudited)
    by_value = [one for one in audited.audit.features if one.parity is not None]
    assert [(one.model, one.feature) for one in by_value] == [("fraud", "signal")]
    assert by_value[0].parity is not None
    assert by_value[0].parity.units > 300
    assert by_value[0].parity.unequal == 0
    codes = {finding.code for finding in audited.audit.findings}
    assert codes == {FindingCode.NOT_STAMPED}, "the other models say nothing of their training"


def test_the_audit_of_what_serves_finds_a_feed_that_is_off(tmp_path: Path) -> None:
    site = quick_site(tmp_path, *second_feed("nudged"))
    found = audit_champion(site, now=day(44))
    assert found.outcome is Outcome.INCONCLUSIVE, "nobody reads the second feed yet"
    same_fraud(site, "1", features={"signal": "3.0.0"})
    found = audit_champion(site, now=day(44))
    codes = {finding.code for finding in found.findings if finding.outcome is Outcome.FAILED}
    assert codes == {FindingCode.TRAINED_ON_OTHER_VERSION}


def test_a_live_feed_that_cannot_be_read_is_an_error_of_its_features_alone(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path, *second_feed("scores_again"))
    same_fraud(site, features={"signal": "3.0.0"})
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 14)
    assert site.champion().generation == 2
    assert kinds(site, rollout).count("features_audited") == 1
    broken = site.systems.current()
    source = broken.sources["scores"]
    object.__setattr__(source, "live_loader", "python:tests.orders.feeds:unreadable_live")
    object.__setattr__(site.systems, "current", lambda: broken)
    found = audit_champion(site, now=day(54))
    assert found.outcome is Outcome.ERROR
    (unreadable,) = [one for one in found.findings if one.code is FindingCode.UNREADABLE]
    assert unreadable.feature == "signal"
    assert "the feed of" in unreadable.after


def stamped(site: Site) -> None:
    """Every serving model says what it was trained with; one loader serves both worlds."""
    for model, member in site.champion().release.members.items():
        stamps = {name: definition(site, name, v) for name, v in member.features.items()}
        features = dict(member.features)
        add(site, model, "1", LIVE[model], features=features, definitions=stamps)


def test_a_window_without_rows_is_no_pass_also_where_one_loader_serves_both(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    stamped(site)
    found = audit_champion(site, now=day(44))
    assert found.outcome is Outcome.PASSED, found.findings
    assert found.with_known_definition == ("amount", "distance", "hour", "signal")
    assert found.compared_by_value == (), "what one loader gives twice is not looked at"
    assert found.not_compared_by_value == found.with_known_definition
    assert all(one.rows for one in found.features)
    emptied = site.systems.current()
    for loader in ("loader", "live_loader"):
        object.__setattr__(emptied.sources["orders"], loader, "python:tests.orders.feeds:empty")
    object.__setattr__(site.systems, "current", lambda: emptied)
    empty = audit_champion(site, now=day(44))
    assert empty.outcome is Outcome.ERROR
    assert {one.code for one in empty.findings} == {FindingCode.UNREADABLE}
    assert all("no row from 2026-02-07" in one.after for one in empty.findings)
    assert {one.feature for one in empty.findings} == set(found.not_compared_by_value)
