"""Drafting the contract of a version from what the record gave it and what it answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from sluiceway.contracts.inferring import AnswerRecord, Draft, InputRecord, infer
from sluiceway.contracts.promises import Answers
from sluiceway.contracts.regions import Column, Seen, columns_of, region_of
from sluiceway.contracts.trying import edge_rows, mixed_rows
from sluiceway.contracts.values import Contract
from sluiceway.errors import SluicewayError
from sluiceway.ports import Trial, Window
from sluiceway.steps.contract_tests import DTYPES, cast_of, supply_of
from sluiceway.steps.recorded_inputs import recorded_inputs
from sluiceway.steps.requests import parse_members
from sluiceway.steps.site import Ask, Site

PATIENCE: Final = timedelta(minutes=2)
"""Longest time for an answer of a version of which nobody knows yet how long it takes."""


EDGES: Final = 500
"""Made-up rows that are asked besides the edges of each input by itself."""


class NoAnswer(SluicewayError):
    """The version gave no answer to draft a contract from; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDraft:
    """A drafted contract and where it comes from.

    Attributes:
        drafted_from: The version, such as ``dep_delay@2``, or a local model.
        said: In words, the rows that it answered.
        base: The contract that holds so far; None where there is none.
    """

    drafted_from: str
    said: str
    draft: Draft
    base: Contract | None

    @property
    def heading(self) -> tuple[str, ...]:
        """Lines of comment for the top of the file."""
        return (
            f"Drafted by `sluiceway contract infer` from {self.drafted_from} and {self.said}.",
            "Each number says where it comes from. What consumers can bear is for people to say:",
            "widen or tighten it, give units and reasons, and take these lines away.",
        )


def draft_contract(
    site: Site, name: str, *, now: datetime, window: timedelta | None = None
) -> ContractDraft:
    """Ask a version about the record, twice, and draft its contract.

    Args:
        name: ``MODEL@VERSION``.
        now: Recorded rows end here.
        window: How much of the record; the policies' shadow window by default.

    Raises:
        BadInput: The name is no version of a model of the system.
        NoRecord: There are no recorded rows to be had.
        NoAnswer: The version gave no answer.
        RegistryUnavailable: The registry did not answer.
    """
    system = site.systems.current()
    wanted = parse_members(system, [name], asked="contract infer")
    cast = cast_of(site, system, wanted)
    model, version = next(iter(wanted.items()))
    span = Window(start=now - (window or system.policies.shadow.window), end=now)
    record = recorded_inputs(
        site, system, cast.release, [model], cast.contracts, window=span, now=now
    )
    columns = record.columns[model]
    said = f"{record.rows:,} recorded rows of {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d}"
    digest = cast.release.members[model].artifact_sha256
    registered = site.registry.version(model, version)
    edges = {edge.column: edge for edge in system.models[model].inputs}
    inputs = [
        InputRecord(
            name=column,
            dtype=DTYPES.get(registered.types.get(column, "")),
            supply=supply_of(cast, edges[column]),
            seen=Seen.of(columns[column]),
        )
        for column in registered.inputs or ()
    ]
    base = cast.contract(model)
    with site.meet(model, version, digest) as ask:
        answers = answers_of(ask, columns, blocks=record.blocks, said=said)
        draft = drafted(model, inputs, answers, ask, base=base)
    return ContractDraft(drafted_from=name, said=said, draft=draft, base=base)


def drafted(
    model: str,
    inputs: Sequence[InputRecord],
    record: AnswerRecord,
    ask: Ask,
    *,
    base: Contract | None,
    outputs: Sequence[str] = (),
) -> Draft:
    """Draft a contract, and widen its ranges by what the version answers at its inputs' edges."""
    draft = infer(model, inputs, record, base=base, outputs=outputs)
    demands = {demand.name: demand for demand in draft.contract.inputs}
    regions = {
        one.name: region_of(
            one.name, demand=demands[one.name], supply=one.supply, seen=one.seen, dtype=one.dtype
        )
        for one in inputs
    }
    rows = [row for rows in edge_rows(regions).values() for row in rows]
    rows += mixed_rows(regions, EDGES)
    edges = ask(columns_of(rows, regions), deadline=PATIENCE).answers
    if edges is None:
        return draft  # what it does not answer, a contract test will say
    return infer(model, inputs, replace(record, edges=edges), base=base, outputs=outputs)


def answers_of(
    ask: Ask, columns: Mapping[str, Column], *, blocks: Column, said: str
) -> AnswerRecord:
    """Ask the same rows twice.

    Raises:
        NoAnswer: There was none to one of the questions.
    """
    first, _ = _answered(ask(columns, deadline=PATIENCE))
    # Loading and the first call warm things up; the second is what a replay will see.
    again, seconds = _answered(ask(columns, deadline=PATIENCE))
    return AnswerRecord(
        answers=first, again=again, seconds=seconds, blocks=np.asarray(blocks), said=said
    )


def _answered(trial: Trial) -> tuple[Answers, float]:
    if trial.answers is None:
        raise NoAnswer(trial.fault.sentence if trial.fault else "gave no answer")
    return trial.answers, trial.seconds or 0.0
