"""What a model's own repository checks on each change: no registry, no journal, no server."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from sluiceway.contracts.cases import CaseCode, CaseResult, CounterExample, Why
from sluiceway.contracts.change_kinds import Change
from sluiceway.contracts.changes import diff
from sluiceway.contracts.questioning import Questioner
from sluiceway.contracts.regions import Column, Seen, region_of
from sluiceway.contracts.trying import own_cases
from sluiceway.contracts.values import Contract
from sluiceway.contracts.versions import VersionFinding, check_version
from sluiceway.errors import BadInput, Fault
from sluiceway.outcomes import Outcome, worst
from sluiceway.steps.contract_tests import DTYPES
from sluiceway.steps.recorded_inputs import MOST_ROWS
from sluiceway.steps.site import Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCheck:
    """What the check of one contract came to.

    Attributes:
        base: What it was compared with; None where nothing was released yet.
        versions: What is wrong with its number.
        results: What the model came to; empty where none was given.
        rows: Rows of the local file that the model was asked.
    """

    contract: Contract
    base: Contract | None
    changes: tuple[Change, ...] = ()
    versions: tuple[VersionFinding, ...] = ()
    results: tuple[CaseResult, ...] = ()
    rows: int = 0

    @property
    def outcome(self) -> Outcome:
        """A valid contract with an honest number, whose model breaks nothing, is PASSED."""
        outcomes = [result.outcome for result in self.results]
        outcomes += [Outcome.FAILED] if self.versions else []
        return worst(outcomes) if outcomes else Outcome.PASSED


def compared(contract: Contract, base: Contract | None) -> ContractCheck:
    """A contract against the one that was released last.

    Raises:
        BadInput: They are contracts of different models.
    """
    if base is None:
        return ContractCheck(contract=contract, base=None)
    if base.model != contract.model:
        what = f"is the contract of {contract.model}, it was compared with one of {base.model}"
        raise BadInput([Fault(where=contract.model, what=what)])
    return ContractCheck(
        contract=contract,
        base=base,
        changes=diff(base, contract),
        versions=check_version(base, contract),
    )


def model_results(
    contract: Contract,
    *,
    name: str,
    types: Mapping[str, str],
    ask: Ask,
    rows: Mapping[str, Column] | None,
) -> tuple[CaseResult, ...]:
    """What a model comes to, on local rows and on edge cases.

    Args:
        name: How people call the model.
        types: MLflow's type of each of its inputs, in order.
        rows: Values by column; None where there is no file of rows.

    Raises:
        BadInput: The rows lack a column that the model reads.
    """
    if rows is not None and (lacking := [column for column in types if column not in rows]):
        have = ", ".join(rows)
        what = f"have no {', '.join(lacking)}, which {name} reads (there are: {have})"
        raise BadInput([Fault(where="the rows of --data", what=what)])
    demands = {demand.name: demand for demand in contract.inputs}
    recorded = None if rows is None else {n: _thinned(rows[n]) for n in types}
    regions = {
        column: region_of(
            column,
            demand=demands.get(column),
            supply=None,
            seen=None if recorded is None else Seen.of(recorded[column]),
            dtype=DTYPES.get(kind),
        )
        for column, kind in types.items()
    }
    version = Questioner(
        name=name,
        contract=contract,
        ask=partial(ask, deadline=contract.deadline),
        regions=regions,
    )
    results = list(own_cases(version, recorded))
    if recorded is None and any(field.promise is not None for field in contract.output):
        said = "how answers behave is promised, and needs recorded rows; give a file by --data"
        example = CounterExample(why=Why.NOT_TRIED, said=said)
        results.insert(
            0, version.result(CaseCode.RECORDED, 0, [example], outcome=Outcome.INCONCLUSIVE)
        )
    return tuple(results)


def _thinned(values: Column) -> Column:
    every = max(1, -(-len(values) // MOST_ROWS))
    return np.asarray(values[::every])
