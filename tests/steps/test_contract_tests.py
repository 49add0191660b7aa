"""A version is tried on the record, on edge cases, and through those who read it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from sluiceway.contracts.cases import CaseCode, CaseResult, Why, case_sentence
from sluiceway.contracts.drafting import drafted_text
from sluiceway.contracts.file import read_contract
from sluiceway.errors import BadInput
from sluiceway.outcomes import Outcome
from sluiceway.steps.contract_drafts import NoAnswer, draft_contract
from sluiceway.steps.contract_tests import ContractTest, run_contract_test
from sluiceway.steps.recorded_inputs import NoRecord
from sluiceway.steps.site import Site
from tests.driver import LIVE, TRAINED, Line, Wild, add, adopt_live, memory_site
from tests.orders.data import day

from .worlds import NOW


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The made-up shop, adopted; tests add versions under names of their own."""
    site = memory_site(tmp_path_factory.mktemp("shop"))
    adopt_live(site, NOW)
    return site


def tried(site: Site, name: str, *together_with: str) -> ContractTest:
    return run_contract_test(
        site, name, together_with=together_with, now=NOW, window=timedelta(days=3)
    )


def of_edge(test: ContractTest, edge: str) -> dict[CaseCode, CaseResult]:
    return {result.code: result for result in test.results if result.edge == edge}


def own(test: ContractTest) -> dict[CaseCode, CaseResult]:
    return {result.code: result for result in test.results if result.edge is None}


def test_the_live_chain_keeps_its_contracts(shop: Site) -> None:
    for model in LIVE:
        test = tried(shop, f"{model}@1")
        assert test.outcome is Outcome.PASSED, [r for r in test.results if r.examples]
        assert test.rows == 360


def test_every_edge_of_the_version_is_tried_at_the_champion_that_reads_it(shop: Site) -> None:
    test = tried(shop, "fraud@1")
    assert {(result.edge, result.asked) for result in test.results} == {
        (None, "fraud@1"),
        ("fraud.probability → handling", "handling@1"),
        ("fraud.probability → cost", "cost@1"),
    }
    assert {CaseCode.ENDS, CaseCode.INTERIOR, CaseCode.FALLBACK, CaseCode.DRAWN} < set(
        of_edge(test, "fraud.probability → cost")
    )


def test_a_consumer_that_breaks_in_a_corner_of_the_promise_is_named_with_the_corner(
    shop: Site,
) -> None:
    # On recorded probabilities it behaves; the promise reaches to 1.
    steep = Line({"amount": 0.02, "fraud.probability": 1500.0})
    add(shop, "cost", "11", steep)
    test = tried(shop, "fraud@1", "cost@11")
    found = of_edge(test, "fraud.probability → cost")[CaseCode.ENDS]
    assert (found.outcome, found.asked) == (Outcome.FAILED, "cost@11")
    assert "fraud.probability = 1: cost.euros: rises to 1,5" in case_sentence(found.examples[0])
    assert own(test)[CaseCode.RECORDED].outcome is Outcome.PASSED
    drawn = of_edge(test, "fraud.probability → cost")[CaseCode.DRAWN].examples[0]
    assert set(drawn.given) <= {"fraud.probability", "amount"}
    assert test.outcome is Outcome.FAILED


def test_what_consumers_are_fed_follows_the_versions_own_contract(shop: Site) -> None:
    promised = shop.systems.current().models["fraud"].contract
    wider = replace(promised, output=(replace(promised.output[0], nullable=True),))
    add(shop, "fraud", "12", LIVE["fraud"], contract=wider)
    found = of_edge(tried(shop, "fraud@12"), "fraud.probability → handling")
    assert found[CaseCode.NULLS].outcome is Outcome.FAILED
    assert found[CaseCode.FITS].outcome is Outcome.FAILED


def test_a_field_that_is_promised_no_longer_breaks_its_edges(shop: Site) -> None:
    promised = shop.systems.current().models["fraud"].contract
    renamed = replace(
        promised,
        output=(replace(promised.output[0], name="chance"),),
        fallback={"chance": 0.3},
    )
    add(shop, "fraud", "13", LIVE["fraud"], contract=renamed)
    found = of_edge(tried(shop, "fraud@13"), "fraud.probability → cost")[CaseCode.FITS]
    assert found.outcome is Outcome.FAILED
    assert found.examples[0].said == "fraud 1.0.0 promises no probability"


def test_recorded_answers_that_break_a_promise_are_found(shop: Site) -> None:
    shrunken = Line({"signal": 0.0001, "amount": 0.0}, offset=0.3, fields=2)
    add(shop, "fraud", "14", shrunken)
    found = own(tried(shop, "fraud@14"))[CaseCode.RECORDED]
    assert found.outcome is Outcome.FAILED
    assert "interquartile range" in case_sentence(found.examples[0])


def test_a_feature_is_tried_over_all_that_it_declares(shop: Site) -> None:
    # The record's amounts end near 500; the feature declares up to 1000.
    def answer(columns: object) -> np.ndarray:
        amount = columns["amount"]  # type: ignore[index]
        late = np.where(amount > 900, np.nan, 0.5)
        return np.column_stack([1 - late, late])

    add(shop, "fraud", "15", Wild(("amount",), answer))
    found = own(tried(shop, "fraud@15"))[CaseCode.ENDS]
    assert found.examples[0].given == {"amount": 1000.0}


def test_an_outside_application_is_said_not_to_be_tried(shop: Site) -> None:
    notes = tried(shop, "priority@1").notes
    assert notes == (
        "priority.score → worklist: worklist is an outside application; "
        "its own tests have to try it",
    )


def test_without_a_champion_nothing_is_known_of_consumers(tmp_path: Path) -> None:
    test = run_contract_test(memory_site(tmp_path), "fraud@1", now=NOW)
    found = of_edge(test, "fraud.probability → cost")[CaseCode.FITS]
    assert (found.outcome, found.examples[0].why) == (Outcome.INCONCLUSIVE, Why.NOT_TRIED)
    assert found.examples[0].said == "nobody serves cost; name a version of it by --with"
    assert test.outcome is Outcome.INCONCLUSIVE
    assert own(test)[CaseCode.RECORDED].outcome is Outcome.PASSED


def test_without_recorded_rows_a_version_is_not_shown_to_keep_anything(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_arguments: object, **_more: object) -> object:
        raise NoRecord("no row was recorded")

    monkeypatch.setattr("sluiceway.steps.contract_tests.recorded_inputs", nothing)
    test = tried(shop, "fraud@1")
    assert test.outcome is Outcome.INCONCLUSIVE
    assert own(test)[CaseCode.RECORDED].examples[0].said == "no row was recorded"
    assert own(test)[CaseCode.ENDS].outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["fraud"], "contract test: 'fraud' names no version"),
        (["fruad@1"], "fruad is no model of orders"),
        (["fraud@99"], "fraud@99: there is no such version"),
        (["fraud@1", "cost@99"], "cost@99: there is no such version"),
    ],
)
def test_a_name_that_is_none_is_bad_input(shop: Site, names: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        tried(shop, *names)


def test_a_drafted_contract_is_kept_by_its_version(shop: Site, tmp_path: Path) -> None:
    add(shop, "fraud", "16", TRAINED)
    draft = draft_contract(shop, "fraud@16", now=NOW)
    path = tmp_path / "fraud.yaml"
    path.write_text(drafted_text(draft.draft, heading=draft.heading), encoding="utf-8")
    contract = read_contract(path)
    add(shop, "fraud", "16", TRAINED, contract=contract)
    test = tried(shop, "fraud@16")
    assert {r.outcome for r in own(test).values()} == {Outcome.PASSED}
    assert contract.output[0].unit == "probability"
    assert draft.said.endswith("recorded rows of 2026-01-21 to 2026-02-10")


def test_the_window_says_how_much_of_the_record_is_used(shop: Site) -> None:
    few = run_contract_test(shop, "fraud@1", now=NOW, window=timedelta(days=2))
    assert few.rows == 240
    assert few.window is not None
    assert (few.window.start, few.window.end) == (day(38), day(40))


def test_a_version_without_an_answer_drafts_nothing(shop: Site) -> None:
    def raises(_columns: object) -> np.ndarray:
        raise ValueError("not today")

    add(shop, "fraud", "17", Wild(("amount",), raises))
    with pytest.raises(NoAnswer, match="fraud@17 raised ValueError: not today"):
        draft_contract(shop, "fraud@17", now=NOW)
