"""Text and vectors are held to their promises; what a replay cannot score is said, and named."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from sluiceway.contracts.cases import CaseCode
from sluiceway.contracts.values import Contract, Embedding, OutputField
from sluiceway.outcomes import Outcome
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.steps import requests
from sluiceway.steps.contract_tests import run_contract_test
from sluiceway.steps.site import Site
from tests.driver import LIVE, QUICK, Wild, add, advance, memory_site, variant

from .worlds import NOW, ask, ended, kinds, quick_site

VECTOR = """\
  vector: {position: 2, embedding: {dimension: 3, space: orders-1}, range: [-9, 9]}
latency:"""


def with_field(site: Site, field: OutputField, default: float) -> Contract:
    own = site.systems.current().models["fraud"].contract
    return replace(
        own,
        version="1.1.0",
        output=(*own.output, field),
        fallback={**own.fallback, field.name: default},
    )


def labelled(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    answers = np.asarray(LIVE["fraud"].predict(columns))
    words = np.where(answers[:, 1] > 0.4, "fraud", "fine")
    return np.column_stack([answers.astype(object), words.astype(object)])


def embedded(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    answers = np.asarray(LIVE["fraud"].predict(columns))
    return np.column_stack([answers, answers, answers[:, 0]])


DEMANDED = "{embedding: {dimension: 3, space: orders-1}}"
LABEL = OutputField(
    name="label", position=2, dtype="string", unit="", low=None, high=None, nullable=False,
    promise=None, categories=("fine", "fraud"),
)  # fmt: skip
PLACE = OutputField(
    name="place", position=2, dtype="double", unit="", low=-9.0, high=9.0, nullable=False,
    promise=None, embedding=Embedding(dimension=3, space="orders-1"),
)  # fmt: skip


def test_a_rollout_of_a_version_that_answers_text_says_what_cannot_be_judged(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    inputs = LIVE["fraud"].inputs
    add(site, "fraud", "2", Wild(inputs, labelled), contract=with_field(site, LABEL, 0.0))
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    found = ended(site, rollout)
    assert (found.ending, found.phase) == (Ending.ERRORED, Phase.PLAN)
    assert found.code is ReasonCode.ANSWERS_NOT_REPLAYED
    assert found.reason == (
        "fraud.label is text; a replay scores numbers, and hands each on as one column, so "
        "nothing can be judged; contract tests hold such fields to their promises: "
        "sluiceway contract test"
    )
    assert "contracts_checked" not in kinds(site, rollout)


def test_a_contract_test_holds_text_and_vectors_to_what_is_promised(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    inputs = LIVE["fraud"].inputs
    for version, predict, field in (("2", labelled, LABEL), ("3", embedded, PLACE)):
        add(site, "fraud", version, Wild(inputs, predict), contract=with_field(site, field, 0.0))
        kept = run_contract_test(site, f"fraud@{version}", now=NOW, window=timedelta(days=3))
        assert CaseCode.RECORDED in {one.code for one in kept.results}
        assert kept.outcome is Outcome.PASSED, [one for one in kept.results if one.examples]
    other = replace(LABEL, categories=("fine", "odd"))
    add(site, "fraud", "4", Wild(inputs, labelled), contract=with_field(site, other, 0.0))
    broken = run_contract_test(site, "fraud@4", now=NOW, window=timedelta(days=3))
    assert broken.outcome is Outcome.FAILED


def test_a_vector_that_no_model_reads_keeps_nothing_from_being_replayed(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    contract = with_field(site, PLACE, 0.0)
    add(site, "fraud", "2", Wild(LIVE["fraud"].inputs, embedded), contract=contract)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    assert site.state(rollout).shadows


def test_a_vector_that_a_model_reads_is_never_replayed_by_its_first_number_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "system").mkdir()
    file = variant(
        tmp_path / "system",
        *QUICK,
        (
            "      - {reads: cost.euros, relies_on: [numeric]}\n",
            "      - {reads: cost.euros, relies_on: [numeric]}\n"
            "      - {reads: fraud.vector, relies_on: [columnar]}\n",
        ),
    )
    for name, changes in {
        "fraud": (("latency:", VECTOR), ("{probability: 0.3}", "{probability: 0.3, vector: 0}")),
        "priority": (
            (
                "inputs:\n",
                "inputs:\n  fraud.vector: {embedding: {dimension: 3, space: orders-1}}\n",
            ),
        ),
    }.items():
        path = file.parent / "contracts" / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    site = memory_site(tmp_path, file=file)
    add(site, "fraud", "1", Wild(LIVE["fraud"].inputs, embedded))
    requests.adopt(site, [f"{model}@1" for model in LIVE], now=NOW, actor="ada")
    add(site, "fraud", "2", Wild(LIVE["fraud"].inputs, embedded))
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    found = ended(site, rollout)
    assert (found.ending, found.code) == (Ending.ERRORED, ReasonCode.ANSWERS_NOT_REPLAYED)
    assert found.reason.startswith("fraud.vector is a vector of 3, which priority reads; a replay")
