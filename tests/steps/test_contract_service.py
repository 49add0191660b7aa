"""What is promised of requests is held against the candidate before anything is replayed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from sluiceway.contracts.findings import PromiseCode
from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ContractCheck
from sluiceway.steps.site import Site
from tests.driver import LIVE, add, advance

from .worlds import NOW, ask, ended, quick_site


@dataclass
class Odd:
    """Answers as the live fraud model, and does something besides."""

    wait: float = 0.0
    noise: float = 0.0
    fails_after: int | None = None
    asked: int = 0

    inputs = LIVE["fraud"].inputs

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        self.asked += 1
        if self.fails_after is not None and self.asked > self.fails_after:
            raise RuntimeError("nothing is left")
        time.sleep(self.wait)
        answers = np.asarray(LIVE["fraud"].predict(columns))
        return np.clip(answers + self.noise * self.asked, 0, 1)


def promised(site: Site, **promises: object) -> Contract:
    own = site.systems.current().models["fraud"].contract
    return replace(own, version="1.1.0", **promises)  # type: ignore[arg-type]


def checked(tmp_path: Path, predictor: Odd, **promises: object) -> tuple[Site, str, ContractCheck]:
    site = quick_site(tmp_path)
    add(site, "fraud", "2", predictor, contract=promised(site, **promises))
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    state = site.state(rollout)
    assert state.contracts is not None
    return site, rollout, state.contracts.checks[0]


def test_a_version_that_answers_otherwise_when_asked_again_breaks_its_promise(
    tmp_path: Path,
) -> None:
    site, rollout, check = checked(tmp_path, Odd(noise=1e-6), deterministic=True)
    (finding,) = check.findings
    assert (finding.code, finding.outcome) == (PromiseCode.NOT_REPEATED, Outcome.FAILED)
    assert finding.observed == pytest.approx(1e-6)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.CONTRACTS)
    assert end.code is ReasonCode.PROMISE_BROKEN
    assert "differs in 1,440 rows when asked again, by up to 1e-06" in end.reason
    assert "distribution_shifted" not in {change.kind for change in check.member_changes}


def test_where_nothing_is_promised_of_repetition_nothing_is_asked_again(tmp_path: Path) -> None:
    odd = Odd(noise=1e-6)
    site, rollout, check = checked(tmp_path, odd)
    assert check.findings == ()
    assert site.state(rollout).shadows


def test_a_version_whose_single_answers_are_late_breaks_its_promise_with_both_numbers(
    tmp_path: Path,
) -> None:
    limit = timedelta(milliseconds=1)
    site, rollout, check = checked(tmp_path, Odd(wait=0.05), latency_p99=limit)
    (finding,) = check.findings
    assert (finding.code, finding.outcome) == (PromiseCode.LATENCY_MISSED, Outcome.FAILED)
    assert finding.observed is not None
    assert finding.observed > 0.05
    end = ended(site, rollout)
    assert end.code is ReasonCode.PROMISE_BROKEN
    assert "answered 99 of 100 requests within 0.05" in end.reason
    assert "promised at most 0.001 seconds" in end.reason


def test_a_version_that_keeps_both_goes_on_to_its_replay(tmp_path: Path) -> None:
    site, rollout, check = checked(
        tmp_path, Odd(), latency_p99=timedelta(seconds=20), deterministic=True
    )
    assert check.findings == ()
    assert site.state(rollout).shadows


def test_a_version_that_answers_once_and_no_more_is_refused_in_its_own_words(
    tmp_path: Path,
) -> None:
    site, rollout, _ = checked(tmp_path, Odd(fails_after=1), deterministic=True)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.CONTRACTS)
    assert "RuntimeError: nothing is left" in end.reason
