"""Checks as JUnit XML, which every CI shows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from sluiceway.cli.contract_sources import InvalidContracts
from sluiceway.contracts.cases import TITLES, CaseResult, case_sentence
from sluiceway.errors import SluicewayError
from sluiceway.outcomes import Outcome


def contract_case(name: str, contract: str, faults: Sequence[str] = ()) -> TestCase:
    """One case about a contract itself, such as its number."""
    case = TestCase(name, classname=contract)
    if faults:
        case.result = [Failure(message=faults[0])]
        case.result[0].text = "\n".join(faults)
    return case


@contextmanager
def told_in(path: Path | None, name: str) -> Iterator[None]:
    """Write a report also of what ends a command early; that of an earlier run would lie.

    Args:
        path: Where the report is wanted; None where it is not.
        name: Of the suite, where it is about nothing in particular.
    """
    try:
        yield
    except SluicewayError as error:
        if path is not None:
            write_junit(path, _early_end(error, name))
        raise


def _early_end(error: SluicewayError, name: str) -> list[tuple[str, list[TestCase]]]:
    if isinstance(error, InvalidContracts):
        return [
            (file, [contract_case("valid contract", file, [str(fault) for fault in faults])])
            for file, faults in error.by_file.items()
        ]
    case = TestCase("could be tried", classname=name)
    case.result = [Error(message=str(error).partition("\n")[0])]
    case.result[0].text = str(error)
    return [(name, [case])]


def model_cases(results: Iterable[CaseResult]) -> list[TestCase]:
    """One case for each that a version was held to; what cannot be told is an error."""
    return [_case(result) for result in results]


def _case(result: CaseResult) -> TestCase:
    where = result.asked if result.edge is None else f"{result.edge} ({result.asked})"
    case = TestCase(f"{TITLES[result.code]}", classname=where)
    if result.outcome is not Outcome.PASSED:
        said = [case_sentence(example) for example in result.examples]
        kind = Failure if result.outcome is Outcome.FAILED else Error
        shown = kind(message=said[0] if said else result.outcome.value, type_=result.outcome.value)
        shown.text = "\n".join(said)
        case.result = [shown]
    return case


def write_junit(path: Path, suites: Iterable[tuple[str, Sequence[TestCase]]]) -> None:
    """Write suites of cases, by name; folders are made."""
    xml = JUnitXml("sluiceway")
    for name, cases in suites:
        suite = TestSuite(name)
        suite.add_testcases(list(cases))
        xml.add_testsuite(suite)
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)
