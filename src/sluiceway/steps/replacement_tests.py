"""Running a consumer's contract tests on what is to replace a field that it reads."""

from datetime import datetime

from sluiceway.errors import BadInput, Fault
from sluiceway.rights import ReplacementTest, replacement_column
from sluiceway.steps import ownership
from sluiceway.steps.contract_tests import run_contract_test
from sluiceway.steps.requests import parse_members
from sluiceway.steps.site import Site


def run_replacement_tests(
    site: Site, name: str, *, now: datetime, actor: str
) -> tuple[ReplacementTest, ...]:
    """Run one version of a consumer on the replacements of all deprecated fields that it reads.

    What serves is what promises the replacements. The journal keeps what came of it.

    Args:
        name: ``MODEL@VERSION`` of the consumer.

    Returns:
        A test for each edge whose replacement the consumer declares to read; none where it
        declares to read none of them.

    Raises:
        BadInput: It is no version, or its model reads no deprecated field that has a replacement.
        RegistryUnavailable: The registry did not answer.
    """
    system = site.systems.current()
    consumer = next(iter(parse_members(system, [name], asked="replacement test")))
    read = {edge.column for edge in system.models[consumer].inputs}
    replacements = {
        replacement_column(contract.model, gone.use_instead)
        for contract in ownership.serving_contracts(site, system)
        for gone in contract.deprecations
        if gone.use_instead is not None and f"{contract.model}.{gone.field}" in read
    }
    if not replacements:
        what = f"{consumer} reads no deprecated field that something replaces"
        raise BadInput([Fault(where=name, what=what)])
    serving = site.champion().release.members
    kept: list[ReplacementTest] = []
    for producer in sorted({column.partition(".")[0] for column in replacements}):
        ran = run_contract_test(site, serving[producer].name, together_with=[name], now=now)
        words = f"contract test of {ran.tested} with {name}"
        kept += ownership.keep_replacement_tests(
            site, system, ran.results, ran=words, now=now, actor=actor
        )
    return tuple(kept)
