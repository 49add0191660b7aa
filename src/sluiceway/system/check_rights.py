"""What can be wrong with owners, their people and roles, and the rules that name them."""

from collections.abc import Iterable, Iterator, Mapping

from sluiceway.system.parts import Tell
from sluiceway.system.shapes import ListedApprovals, OwnerShape, PoliciesShape


def rights_make_sense(
    named: tuple[str, ...],
    owners: Mapping[str, OwnerShape],
    policies: PoliciesShape | None,
    tell: Tell,
) -> None:
    """Tell every rule that nobody could ever meet.

    Args:
        named: Names of all owners, also of those that could not be parsed.
        owners: Those that could.
    """
    for name, owner in owners.items():
        for section, entries in (("people", owner.people), ("roles", owner.roles)):
            for twice in sorted({one for one in entries if entries.count(one) > 1}):
                tell(f"owners.{name}.{section}", f"names {twice} twice")
        for role in owner.roles:
            if role in named:
                tell(f"owners.{name}.roles", f"{role} is the name of an owner, so it is no role")
    if policies is None:
        return
    for path, name, people in _asked(policies):
        holders = holders_of(name, named, owners)
        if not holders:
            tell(path, f"{name} is not among the owners{_known(named, owners)}")
            continue
        if any(holder not in owners or not owners[holder].people for holder in holders):
            continue  # nobody was named, so anybody may
        there = {person for holder in holders for person in owners[holder].people}
        if len(there) < people:
            tell(path, f"{people} people of {name} are asked, it has {', '.join(sorted(there))}")
    for place, rule in enumerate(policies.approvals.rules):
        if rule.risk is None and rule.change is None:
            path = f"policies.approvals.rules[{place}]"
            tell(path, "says neither risk nor change; who is asked in any case stands in always")


def holders_of(
    name: str, named: Iterable[str], owners: Mapping[str, OwnerShape]
) -> tuple[str, ...]:
    """The owner of this name, or those who hold the role of this name."""
    if name in named:
        return (name,)
    return tuple(owner for owner, shape in owners.items() if name in shape.roles)


def _asked(policies: PoliciesShape) -> Iterator[tuple[str, str, int]]:
    """Path, name, and how many people of it are asked."""
    approvals = policies.approvals
    root = "policies.approvals"
    listed = root if isinstance(approvals, ListedApprovals) else f"{root}.always"
    for place, name in enumerate(approvals.always):
        yield f"{listed}[{place}]", name, 1
    for number, rule in enumerate(approvals.rules):
        for place, name in enumerate(rule.ask):
            yield f"{root}.rules[{number}].ask[{place}]", name, rule.people


def _known(named: Iterable[str], owners: Mapping[str, OwnerShape]) -> str:
    roles = sorted({role for owner in owners.values() for role in owner.roles})
    told = f" (there are: {', '.join(named)}"
    return f"{told}; roles: {', '.join(roles)})" if roles else f"{told})"
