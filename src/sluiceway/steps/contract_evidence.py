"""Keeping what a contract test came to, so that it counts for the very contents that took part."""

from datetime import datetime
from typing import Final

from sluiceway.contracts.cases import CaseCode, CaseResult, case_sentence
from sluiceway.graph import upstream
from sluiceway.journal import JournalConflict
from sluiceway.outcomes import Outcome, worst
from sluiceway.rollouts.events import ContractTested, ReaderTested, draft
from sluiceway.steps.contract_tests import ContractTest
from sluiceway.steps.site import Site
from sluiceway.system.values import System

STREAM: Final = "contract-tests"
"""Under this name the journal keeps contract tests that were no part of a rollout."""


def keep_contract_test(site: Site, test: ContractTest, *, now: datetime, actor: str) -> None:
    """Write a contract test into the environment's journal.

    Args:
        now: When it was made (UTC): evidence has an age.

    Raises:
        JournalUnavailable: The journal cannot be written; nothing was.
    """
    told = _told(site.systems.current(), test)
    while True:
        seen = len(site.journal.events(site.environment, STREAM))
        try:
            site.journal.append(
                site.environment, STREAM, [draft(told, at=now, actor=actor)], after=seen
            )
        except JournalConflict:
            continue
        return


def _told(system: System, test: ContractTest) -> ContractTested:
    own = [one for one in test.results if one.edge is None]
    failed = [one.code for one in own if one.outcome is Outcome.FAILED]
    readers: dict[str, list[CaseResult]] = {}
    by_name = {edge.name: edge.consumer for edge in system.edges}
    for one in test.results:
        if one.edge is not None:
            readers.setdefault(by_name[one.edge], []).append(one)
    model = test.contract.model
    near = {*upstream(system, [model]), *readers}
    return ContractTested(
        model=model,
        members=tuple(test.members[name] for name in sorted(near & test.members.keys())),
        outcome=worst(one.outcome for one in own),
        # Rows that others made of the record may be what broke it, where nothing else did.
        as_fed=bool(failed) and set(failed) == {CaseCode.RECORDED},
        broken=_broken(own),
        readers=tuple(
            ReaderTested(
                model=reader,
                outcome=worst(one.outcome for one in results),
                broken=_broken(results),
            )
            for reader, results in sorted(readers.items())
            if reader in test.members
        ),
        rows=test.rows,
    )


def _broken(results: list[CaseResult]) -> str:
    """The first thing that went wrong, in words; empty where nothing did."""
    examples = (e for one in results if one.outcome is Outcome.FAILED for e in one.examples)
    return next((case_sentence(example) for example in examples), "")
