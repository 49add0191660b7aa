"""Contracts and models in a repository of their own: no registry, no journal, no server."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from junitparser import TestCase

from sluiceway.adapters.local_model import LocalModel, local_model, local_rows, met
from sluiceway.cli.contract_rendering import (
    case_json,
    change_json,
    contract_json,
    declared_bump,
    say_results,
    verdict,
)
from sluiceway.cli.contract_sources import InvalidContracts, released_contract
from sluiceway.cli.junit import contract_case, model_cases
from sluiceway.cli.rendering import say
from sluiceway.contracts.change_kinds import sentence
from sluiceway.contracts.changes import required_bump
from sluiceway.contracts.file import read_contract, two_for_one
from sluiceway.contracts.inferring import InputRecord
from sluiceway.contracts.regions import Seen
from sluiceway.contracts.values import Contract
from sluiceway.contracts.versions import version_sentence
from sluiceway.errors import BadInput, Fault
from sluiceway.steps.contract_check import ContractCheck, compared, model_results
from sluiceway.steps.contract_drafts import ContractDraft, answers_of, drafted
from sluiceway.steps.contract_tests import DTYPES


def check_locally(
    files: Sequence[Path], *, against: str | None, model: str | None, data: Path | None
) -> list[ContractCheck]:
    """Check contract files, and one model against the only one.

    Raises:
        InvalidContracts: With the faults of all files together.
        BadInput: With the faults of what was typed.
    """
    faults: list[Fault] = []
    if model is not None and len(files) > 1:
        faults.append(Fault(where="--model", what="is held against one contract; name one"))
    if data is not None and model is None:
        faults.append(Fault(where="--data", what="is for a model; name it by --model"))
    contracts: dict[Path, Contract] = {}
    wrong: dict[str, list[Fault]] = {}
    for file in files:
        try:
            contracts[file] = read_contract(file, today=datetime.now(UTC).date())
        except BadInput as error:
            wrong[str(file)] = list(error.faults)
    for fault in two_for_one((str(file), contract) for file, contract in contracts.items()):
        wrong.setdefault(fault.where.rpartition(": ")[0], []).append(fault)
    bases: dict[Path, Contract | None] = {}
    try:
        bases = {
            file: None if against is None else released_contract(against, file) for file in files
        }
    except BadInput as error:
        faults += error.faults
    if wrong:
        raise InvalidContracts({str(file): wrong.get(str(file), []) for file in files}, faults)
    if faults:
        raise BadInput(faults)
    checks = [compared(contract, bases[file]) for file, contract in contracts.items()]
    if model is not None:
        checks[0] = _with_model(checks[0], model, data)
    return checks


def _with_model(check: ContractCheck, text: str, data: Path | None) -> ContractCheck:
    rows = None if data is None else local_rows(data)
    found = local_model(text, contract=check.contract, rows=rows or {}, search=Path.cwd())
    with met(found) as ask:
        results = model_results(
            check.contract, name=found.name, types=found.types, ask=ask, rows=rows
        )
    count = 0 if rows is None else max((len(values) for values in rows.values()), default=0)
    return replace(check, results=results, rows=count)


def draft_locally(text: str, data: Path) -> ContractDraft:
    """Draft the contract of a model on this machine from rows of a file.

    Raises:
        BadInput: There is no such model or file, or it lacks a column.
        NoAnswer: The model gave no answer.
    """
    rows = local_rows(data)
    found = local_model(text, contract=None, rows=rows, search=Path.cwd())
    if lacking := [name for name in found.types if name not in rows]:
        what = f"has no {', '.join(lacking)}, which {text} reads (it has: {', '.join(rows)})"
        raise BadInput([Fault(where=str(data), what=what)])
    columns = {name: rows[name] for name in found.types}
    count = max(len(values) for values in columns.values())
    said = f"{count:,} rows of {data.name}"
    inputs = [
        InputRecord(name=name, dtype=DTYPES.get(kind), supply=None, seen=Seen.of(columns[name]))
        for name, kind in found.types.items()
    ]
    with met(found) as ask:
        record = answers_of(ask, columns, blocks=_blocks(count), said=said)
        draft = drafted(_model_name(found), inputs, record, ask, base=None, outputs=found.outputs)
    return ContractDraft(drafted_from=text, said=said, draft=draft, base=None)


def _blocks(rows: int) -> "np.ndarray[Any, np.dtype[Any]]":
    """Times are not known of a file, so neighbours in it stand for a block."""
    return np.arange(rows) // max(1, rows // 100)


def _model_name(model: LocalModel) -> str:
    last = model.name.rpartition(":")[2].rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", last) or "model"


def say_checks(checks: Sequence[ContractCheck]) -> None:
    """Print what each contract, and the model, came to."""
    for check in checks:
        contract = check.contract
        say(f"{contract.model} {contract.version}: a valid contract")
        _say_versions(check)
        if check.results:
            say_results(check.results)
            say("")
            say(f"{check.results[0].asked} {verdict(check.results)}")


def _say_versions(check: ContractCheck) -> None:
    if check.base is None:
        return
    old, new = check.base.version, check.contract.version
    if not check.changes:
        say(f"  nothing it promises or demands differs from {old}")
    for change in check.changes:
        say(f"  {change.bump}: {sentence(change)}")
    for finding in check.versions:
        say(f"✗ {version_sentence(finding)}")
    if check.changes and not check.versions:
        declared = declared_bump(old, new)
        say(f"  {old} → {new} is honest: {required_bump(check.changes)} asked, {declared} declared")


def check_json(check: ContractCheck) -> dict[str, Any]:
    """The check of one contract in plain types."""
    return {
        "contract": contract_json(check.contract),
        "outcome": check.outcome.value,
        "against": contract_json(check.base) if check.base else None,
        "changes": [change_json(change) for change in check.changes],
        "required_bump": required_bump(check.changes),
        "version_faults": [version_sentence(finding) for finding in check.versions],
        "rows": check.rows,
        "cases": [case_json(result) for result in check.results],
    }


def check_suites(checks: Sequence[ContractCheck]) -> list[tuple[str, list[TestCase]]]:
    """What JUnit shows: a suite a contract."""
    suites = []
    for check in checks:
        name = f"{check.contract.model} {check.contract.version}"
        cases = [contract_case("valid contract", name)]
        if check.base is not None:
            faults = [version_sentence(finding) for finding in check.versions]
            told = [*faults, *(sentence(c) for c in check.changes)] if faults else []
            cases.append(contract_case(f"number since {check.base.version}", name, told))
        suites.append((name, [*cases, *model_cases(check.results)]))
    return suites
