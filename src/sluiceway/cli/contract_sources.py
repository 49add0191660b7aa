"""Contracts by what people type: a file, a git commit's file, a version, or a model."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sluiceway.cli.opening import opened
from sluiceway.contracts.file import read_contract
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.releases import parse_member_name
from sluiceway.settings import Settings
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from sluiceway.system.values import System


class InvalidContracts(BadInput):
    """Files that were named hold no contract.

    Attributes:
        by_file: What is wrong with each file, in the order in which they were named; nothing for
            one that is valid.
    """

    def __init__(self, by_file: Mapping[str, Sequence[Fault]], more: Sequence[Fault] = ()) -> None:
        super().__init__([*more, *(fault for faults in by_file.values() for fault in faults)])
        self.by_file = by_file


def declared_system() -> System | None:
    """The system that the settings name; None where there is no such file.

    Raises:
        BadInput: There is one, and something is wrong with it.
    """
    path = Settings().system
    return read_system(path) if path.exists() else None


def contracts_named(before: str, after: str) -> tuple[Contract, Contract]:
    """Find two contracts.

    Raises:
        BadInput: With what is wrong with both.
    """
    found: list[Contract] = []
    faults: list[Fault] = []
    for text in (before, after):
        try:
            found.append(contract_named(text))
        except BadInput as error:
            faults.extend(fault for fault in error.faults if fault not in faults)
    if faults:
        raise BadInput(faults)
    return found[0], found[1]


def contract_named(text: str) -> Contract:
    """Find a contract.

    Args:
        text: A file; ``COMMIT:FILE``; ``MODEL@VERSION``, which means what it was verified against
            where it serves or served, and else its own contract or the system's; or ``MODEL``, as
            the system file declares it now.

    Raises:
        BadInput: It is none of these, or what it is cannot be read.
    """
    path = Path(text)
    if path.suffix in (".yaml", ".yml") and (path.exists() or ":" not in text):
        return read_contract(path)
    if "@" in text:
        return _of_version(text)
    if ":" in text:
        ref, _, file = text.partition(":")
        return _released(ref, Path(file), where=text)
    system = declared_system()
    if system is not None and text in system.models:
        return system.models[text].contract
    have = f" (there are: {', '.join(system.models)})" if system else ""
    what = f"is no contract file, no MODEL@VERSION, and no model of a system file{have}"
    raise BadInput([Fault(where=text, what=what)])


def released_contract(text: str, path: Path) -> Contract | None:
    """What a contract file is compared with.

    Args:
        text: A file; a commit, which means the same file there; or ``COMMIT:FILE``.
        path: The contract file that is checked.

    Returns:
        None where the commit has no such file: nothing was released yet.

    Raises:
        BadInput: There is neither such a file nor such a commit, or it holds no contract.
    """
    from sluiceway.adapters.git_contract import contract_at

    base = Path(text)
    if base.is_file() or (base.suffix in (".yaml", ".yml") and ":" not in text):
        return read_contract(base)
    ref, colon, file = text.partition(":")
    return contract_at(ref, Path(file) if colon else path)


def _released(ref: str, path: Path, *, where: str) -> Contract:
    from sluiceway.adapters.git_contract import contract_at

    found = contract_at(ref, path)
    if found is None:
        raise BadInput([Fault(where=where, what=f"{ref} has no such file")])
    return found


def _verified(site: Site, system: System, model: str, version: str) -> Contract | None:
    """What the version was last verified against, where it serves or served; files may change."""
    from sluiceway.steps.members import verified_contract

    champion = site.journal.champion(site.environment)
    older = sorted(site.journal.generations(site.environment), reverse=True)
    releases = [site.journal.release(site.environment, generation) for generation in older]
    for release in [champion.release, *releases] if champion else releases:
        member = release.members.get(model)
        if member is not None and member.version == version:
            return verified_contract(site, system, member)
    return None


def _of_version(text: str) -> Contract:
    from sluiceway.ports import UnknownVersion, UnloadableVersion
    from sluiceway.steps.members import contract_of

    try:
        model, version = parse_member_name(text)
    except ValueError as error:
        raise BadInput([Fault(where=text, what=str(error))]) from error
    with opened(Settings()) as site:
        try:
            registered = site.registry.version(model, version)
        except (UnknownVersion, UnloadableVersion) as error:
            what = str(error).removeprefix(f"{text}: ")
            raise BadInput([Fault(where=text, what=what)]) from error
        system = site.systems.current()
        if (verified := _verified(site, system, model, version)) is not None:
            return verified
        if registered.contract is not None:
            return registered.contract
        with suppress(KeyError):
            return contract_of(registered, system)
    have = ", ".join(system.models)
    what = f"carries no contract, and {model} is no model of {system.name} (there are: {have})"
    raise BadInput([Fault(where=text, what=what)])
