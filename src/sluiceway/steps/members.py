"""Looking candidate versions up: what the registry knows, held against the system file."""

from collections.abc import Iterable, Mapping

from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.features import changed_definitions, stamps_of
from sluiceway.features.identity import DIGITS
from sluiceway.ports import RegisteredVersion, UnknownVersion, UnloadableVersion
from sluiceway.releases import Member, Release
from sluiceway.steps.site import Site
from sluiceway.system.values import System


def contract_of(registered: RegisteredVersion, system: System) -> Contract:
    """The contract a version carries, or else the one that the system file names."""
    return registered.contract or system.models[registered.model].contract


def verified_contract(site: Site, system: System, member: Member) -> Contract | None:
    """The very contract that a member was verified against; None where nobody has it any more.

    The journal keeps it from then on. Of what was verified before it did, the system file or the
    version's own tag may still have it.

    Raises:
        RegistryUnavailable: The registry was asked, and did not answer.
    """
    kept = site.journal.contract(member.contract_hash)
    if kept is not None:
        return kept
    declared = system.models.get(member.model)
    if declared is not None and declared.contract.content_hash == member.contract_hash:
        return declared.contract
    try:
        own = site.registry.version(member.model, member.version).contract
    except (UnknownVersion, UnloadableVersion):
        return None
    return own if own is not None and own.content_hash == member.contract_hash else None


def contracts_of(site: Site, system: System, *releases: Release) -> dict[str, Contract]:
    """Contract by content hash of every member of these releases.

    Where the one that a member was verified against is known no longer, the one that it would be
    held against now stands in its place; it has another hash.

    Raises:
        UnknownVersion: The registry lacks a version whose contract is not known otherwise.
        UnloadableVersion: The files of such a version are missing.
        RegistryUnavailable: The registry was asked, and did not answer.
    """
    found: dict[str, Contract] = {}
    members = {m.contract_hash: m for one in releases for m in one.members.values()}
    for content_hash, member in sorted(members.items()):
        known = verified_contract(site, system, member)
        found[content_hash] = known or contract_of(
            site.registry.version(member.model, member.version), system
        )
    return found


def keep_contracts(site: Site, system: System, *releases: Release) -> None:
    """Let the journal keep what the members of these releases are verified against.

    Raises:
        RegistryUnavailable: The registry was asked, and did not answer.
    """
    members = {m.contract_hash: m for one in releases for m in one.members.values()}
    found = [verified_contract(site, system, member) for member in members.values()]
    site.journal.keep_contracts(contract for contract in found if contract is not None)


def member_of(site: Site, system: System, model: str, version: str) -> Member:
    """Look one version up.

    Raises:
        BadInput: It does not exist, has no signature, reads what the system does not give it,
            names unknown feature versions, was trained with another definition of one, or its
            files are missing.
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    where = f"{model}@{version}"
    try:
        registered = site.registry.version(model, version)
        digest = site.registry.artifact_sha256(model, version)
    except (UnknownVersion, UnloadableVersion) as error:
        what = str(error).removeprefix(f"{where}: ").removeprefix(f"{where} ")
        raise BadInput([Fault(where=where, what=what)]) from error
    faults = _signature_faults(registered, system, where)
    faults += _feature_faults(registered.features, system, where)
    definitions = site.systems.definitions(system)
    trained = stamps_of(registered.features, registered.definitions)
    if not faults:
        faults += [
            Fault(where=where, what=f"was trained with another definition: {changed}")
            for changed in changed_definitions(trained, definitions)
        ]
    if registered.contract is not None and registered.contract.model != model:
        what = f"carries the contract of {registered.contract.model}"
        faults.append(Fault(where=where, what=what))
    if faults:
        raise BadInput(faults)
    contract = contract_of(registered, system)
    features = {
        edge.producer: registered.features.get(
            edge.producer, system.features[edge.producer].current
        )
        for edge in system.models[model].inputs
        if edge.field is None
    }
    return Member(
        model=model,
        version=version,
        contract_hash=contract.content_hash,
        contract_version=contract.version,
        artifact_sha256=digest,
        features=features,
        definitions={name: definitions[name, v][:DIGITS] for name, v in features.items()},
    )


def changed_features(site: Site, system: System, members: Iterable[Member]) -> list[str]:
    """Features whose definition is not the one these members were verified with, in words."""
    definitions = site.systems.definitions(system)
    found = [
        f"{member.name}: {changed}"
        for member in members
        for changed in changed_definitions(
            stamps_of(member.features, member.definitions), definitions
        )
    ]
    return sorted(found)


def _signature_faults(registered: RegisteredVersion, system: System, where: str) -> list[Fault]:
    if registered.inputs is None:
        what = "has no signature; log it with signature=infer_signature(inputs, answers)"
        return [Fault(where=where, what=what)]
    declared = [edge.column for edge in system.models[registered.model].inputs]
    unknown = [name for name in registered.inputs if name not in declared]
    if not unknown:
        return []
    what = f"reads {', '.join(unknown)}, which the system file does not give it (it gives: "
    return [Fault(where=where, what=f"{what}{', '.join(declared)})")]


def _feature_faults(features: Mapping[str, str], system: System, where: str) -> list[Fault]:
    faults = []
    for name, version in features.items():
        feature = system.features.get(name)
        if feature is None:
            faults.append(Fault(where=where, what=f"reads {name}, which is no feature"))
        elif version not in feature.versions:
            have = ", ".join(feature.versions)
            what = f"reads {name} {version}, which is not declared (there are: {have})"
            faults.append(Fault(where=where, what=what))
    return faults
