"""What people cut and switch: edges isolated and restored, flags set and unset."""

from collections.abc import Callable
from datetime import datetime

from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.journal import JournalConflict
from sluiceway.releases import Member
from sluiceway.rollouts.controls import STREAM, Controls, read_controls
from sluiceway.rollouts.events import (
    EdgesIsolated,
    EdgesRestored,
    FlagsDeclared,
    FlagSet,
    FlagUnset,
    Happening,
)
from sluiceway.steps.chain import refuse_altered
from sluiceway.steps.known import contradictions, facts_of
from sluiceway.steps.members import contracts_of
from sluiceway.steps.site import Site
from sluiceway.system.cutting import cuttable
from sluiceway.system.flags import Flag, FlagVariant
from sluiceway.system.values import System


def controls_of(site: Site) -> Controls:
    """What is cut and switched now."""
    return read_controls(site.journal.events(site.environment, STREAM))


def isolate(site: Site, text: str, *, reason: str, now: datetime, actor: str) -> tuple[str, ...]:
    """Cut edges; their consumers receive safe defaults.

    Args:
        text: What is meant; see :meth:`~sluiceway.system.cutting.Cuttable.named`.

    Returns:
        Names of the edges that are cut now and were not before.

    Raises:
        BadInput: It is not clear which edges, or the consumer of one of them has no safe default;
            nothing is cut then.
        RegistryUnavailable: Whether a consumer could bear it cannot be found out.
    """
    _must_serve(site, text)
    system = site.systems.current()
    names = _edges_meant(system, text)
    _must_have_safe_defaults(site, system, names)

    def wanted(controls: Controls) -> Happening | None:
        new = tuple(sorted(set(names) - controls.isolations.keys()))
        return EdgesIsolated(edges=new, reason=reason) if new else None

    told = _tell(site, wanted, now=now, actor=actor)
    return told.edges if isinstance(told, EdgesIsolated) else ()


def restore_edges(
    site: Site, text: str, *, reason: str, now: datetime, actor: str
) -> tuple[str, ...]:
    """Let the consumers of isolated edges receive what their producers answer again.

    Returns:
        Names of the edges that were restored.

    Raises:
        BadInput: It is not clear which edges, or none of them is isolated.
        JournalAltered: The journal is not what was written; edges can be cut even then.
    """
    refuse_altered(site)
    _must_serve(site, text)
    names: set[str] = set()

    def wanted(controls: Controls) -> Happening | None:
        # One that the system file names no more can be restored by its full name.
        meant = (
            (text,)
            if text in controls.isolations
            else _edges_meant(site.systems.current(), text, among=tuple(controls.isolations))
        )
        names.update(meant)
        return EdgesRestored(edges=tuple(sorted(meant)), reason=reason)

    _tell(site, wanted, now=now, actor=actor)
    return tuple(sorted(names))


def declare_flags(site: Site, *, now: datetime, actor: str = "sluiceway") -> bool:
    """Take the flags of the system file over into the journal, where they have changed.

    Returns:
        Whether they had.

    Raises:
        BadInput: The system file is not right; the flags that were declared last stay.
    """
    if site.journal.champion(site.environment) is None:
        return False
    system = site.systems.current()

    def wanted(controls: Controls) -> Happening | None:
        if dict(controls.flags) == dict(system.flags):
            return None
        return FlagsDeclared(flags=tuple(system.flags.values()), system_digest=system.digest)

    return _tell(site, wanted, now=now, actor=actor) is not None


def set_flag(
    site: Site, name: str, variant: str, *, reason: str, now: datetime, actor: str
) -> None:
    """Let everybody take one variant of a flag, whatever its rules say.

    Raises:
        BadInput: There is no such flag or variant, a version that it pins was never verified, or
            does not fit what serves; or an edge that it cuts has no safe default.
        RegistryUnavailable: Whether the versions fit cannot be found out.
        JournalAltered: The journal is not what was written.
    """
    refuse_altered(site)
    _must_serve(site, name)
    declare_flags(site, now=now)
    system = site.systems.current()
    flag = _flag(controls_of(site), name)
    if variant not in flag.variants:
        have = ", ".join(flag.variants)
        what = f"has no variant {variant} (there are: {have})"
        raise BadInput([Fault(where=name, what=what)])
    _must_fit(site, system, f"{name} {variant}", flag.variants[variant], now)
    _must_have_safe_defaults(site, system, flag.variants[variant].cut)

    def wanted(controls: Controls) -> Happening | None:
        _flag(controls, name)
        return FlagSet(flag=name, variant=variant, reason=reason)

    _tell(site, wanted, now=now, actor=actor)


def unset_flag(site: Site, name: str, *, reason: str, now: datetime, actor: str) -> None:
    """Let a flag's own rules and its default hold again.

    Raises:
        BadInput: There is no such flag, or nobody has set it.
        JournalAltered: The journal is not what was written.
    """
    refuse_altered(site)
    _must_serve(site, name)
    declare_flags(site, now=now)

    def wanted(controls: Controls) -> Happening | None:
        _flag(controls, name)
        if name not in controls.chosen:
            what = "is not set by anybody; its own rules hold already"
            raise BadInput([Fault(where=name, what=what)])
        return FlagUnset(flag=name, reason=reason)

    _tell(site, wanted, now=now, actor=actor)


def known_member(site: Site, model: str, version: str) -> Member:
    """A version with the digest and contract that were verified when it served or was checked.

    Raises:
        LookupError: It never served, and no rollout's contract checks have passed it.
    """
    journal, environment = site.journal, site.environment
    for generation in sorted(journal.generations(environment), reverse=True):
        found = journal.release(environment, generation).members.get(model)
        if found is not None and found.version == version:
            return found
    for rollout_id in reversed(journal.rollouts(environment)):
        state = site.state(rollout_id)
        plan = state.proposed or state.plan
        if plan is None or state.step is None:
            continue  # only what was let live is known to be what was checked
        for member in plan.members:
            if (member.model, member.version) == (model, version):
                return member
    raise LookupError(f"{model}@{version} never served here, and was in no canary")


def _tell(
    site: Site, wanted: Callable[[Controls], Happening | None], *, now: datetime, actor: str
) -> Happening | None:
    """Write down what is wanted, in sight of all that is cut and switched at that very moment."""
    while True:
        controls = controls_of(site)
        happened = wanted(controls)
        if happened is None:
            return None
        try:
            site.tell(STREAM, happened, after=controls.seq, now=now, actor=actor)
        except JournalConflict:
            continue
        return happened


def _must_serve(site: Site, where: str) -> None:
    if site.journal.champion(site.environment) is None:
        what = f"nothing serves {site.environment} yet; adopt what serves first: sluiceway adopt …"
        raise BadInput([Fault(where=where, what=what)])


def _edges_meant(
    system: System, text: str, *, among: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """The edges that a text means, of all or of some of them."""
    try:
        names = cuttable(system).named(text, among=among)
    except ValueError as error:
        raise BadInput([Fault(where=text, what=str(error))]) from error
    return names


def _flag(controls: Controls, name: str) -> Flag:
    if name not in controls.flags:
        have = ", ".join(controls.flags) or "none"
        raise BadInput([Fault(where=name, what=f"is no flag (there are: {have})")])
    return controls.flags[name]


def _must_have_safe_defaults(site: Site, system: System, names: tuple[str, ...]) -> None:
    """Refuse whole what the consumer of any edge could not bear."""
    edges = cuttable(system)
    if all(edges.unsafe(name, ()) is None for name in names):
        return  # the registry need not be asked, which may be away in an incident
    contracts = _live_contracts(site, system)
    found = (edges.unsafe(name, contracts) for name in names)
    if faults := [Fault(where="isolate", what=unsafe) for unsafe in found if unsafe]:
        raise BadInput(faults)


def _live_contracts(site: Site, system: System) -> tuple[Contract, ...]:
    """The contracts of every version that answers or may answer now."""
    live = [site.champion().release]
    for rollout_id in site.journal.rollouts(site.environment):
        state = site.state(rollout_id)
        if state.plan is not None and state.ended is None and state.step is not None:
            live.append(site.candidate_release(state.plan))
    return tuple(contracts_of(site, system, *live).values())


def _must_fit(site: Site, system: System, where: str, variant: FlagVariant, now: datetime) -> None:
    if not variant.versions:
        return
    members, faults = [], []
    for model, version in variant.versions.items():
        try:
            members.append(known_member(site, model, version))
        except LookupError as error:
            what = f"{error}; nobody has verified its files: sluiceway rollout {model}@{version}"
            faults.append(Fault(where=where, what=what))
    if not faults:
        facts = facts_of(site, system, members, now=now)
        release = site.champion().release.with_members(members)
        faults = [
            Fault(where=where, what=f"does not fit what serves, by contract: {edge}")
            for edge in contradictions(facts, release)
        ]
    if faults:
        raise BadInput(faults)
