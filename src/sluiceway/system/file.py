"""Reading a system file: parsed once, refused whole, every fault told with its path."""

import hashlib
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from sluiceway.contracts.file import contract_from
from sluiceway.contracts.refused import RefusedContract, what_is_sure
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.system.building import built
from sluiceway.system.check_contracts import contract_faults
from sluiceway.system.check_flags import read_flags
from sluiceway.system.check_ignores import read_ignores
from sluiceway.system.checks import contradictions
from sluiceway.system.notification_shapes import read_notifications
from sluiceway.system.parts import FileParts
from sluiceway.system.shapes import (
    ConsumerShape,
    FeatureShape,
    LoggingShape,
    ModelShape,
    OwnerShape,
    PoliciesShape,
    SliceShape,
    SourceShape,
)
from sluiceway.system.values import (
    System,
)
from sluiceway.yaml_file import AnyShape, left_to_do, parse_shape, read_yaml

_SECTIONS = ("owners", "sources", "features", "models", "consumers", "slices")
_TEXTS = ("system", "timezone", "unit")
_OPTIONAL = (
    *("description", "consumers", "features", "slices"),
    *("ignores", "flags", "logging", "notifications"),
)


def read_system(path: Path, *, today: date | None = None) -> System:
    """Read a system file and the contracts it names.

    Args:
        today: Where it is given, fields that are still promised after their deprecation's window
            are faults too; see :func:`~sluiceway.contracts.file.read_contract`.

    Raises:
        BadInput: With every fault of the file and of its contracts, each with its path.
    """
    content = read_yaml(path)
    files = _Files(path.parent)
    if undone := _undone(content, path, files):
        raise BadInput(undone)  # a draft is judged once it is filled in
    faults: list[Fault] = []
    parts = _parse(content, path, files, faults, today)
    faults.extend(contradictions(parts, where=path.name))
    faults.extend(contract_faults(parts, where=path.name))
    ignores = read_ignores(content.get("ignores"), parts, where=path.name, faults=faults)
    flags = read_flags(content.get("flags"), parts, where=path.name, faults=faults)
    notifications = read_notifications(
        content.get("notifications"), parts.named["owners"], where=path.name, faults=faults
    )
    if faults or parts.policies is None:
        raise BadInput(faults)
    system = built(content, parts, parts.policies, digest=_digest(path, parts.models))
    return replace(system, ignores=ignores, flags=flags, notifications=notifications)


@dataclass(slots=True)
class _Files:
    """The contract files beside a system file; each is parsed once."""

    folder: Path
    _read: dict[str, dict[str, Any]] = field(default_factory=dict)

    def content(self, name: str) -> dict[str, Any]:
        """What stands in a file.

        Raises:
            BadInput: It cannot be read.
        """
        if name not in self._read:
            self._read[name] = read_yaml(self.folder / name)
        return self._read[name]


def _undone(content: Mapping[str, Any], path: Path, files: _Files) -> list[Fault]:
    """What is still to do in a system file and in the contracts it names."""
    found = left_to_do(content, where=f"{path.name}:")
    models = content.get("models")
    named = (
        [m.get("contract") for m in models.values() if isinstance(m, dict)]
        if isinstance(models, dict)
        else []
    )
    for name in named:
        if not isinstance(name, str) or not (path.parent / name).is_file():
            continue
        try:
            found += left_to_do(files.content(name), where=f"{name}:")
        except BadInput:
            continue  # told when the contract is read
    return found


def _parse(
    content: Mapping[str, Any],
    path: Path,
    files: _Files,
    faults: list[Fault],
    today: date | None,
) -> FileParts:
    name = path.name
    known = (*_TEXTS, *_SECTIONS, *_OPTIONAL, "policies")
    missing = [key for key in known if key not in content and key not in _OPTIONAL]
    unknown = [key for key in content if key not in known]
    no_text = [k for k in _TEXTS if k in content and not (content[k] and _is_text(content[k]))]
    for keys, what in (
        (missing, "is missing"),
        (unknown, "is not known here; remove it or correct its name"),
        (no_text, "is no text"),
    ):
        faults.extend(Fault(where=f"{name}: {key}", what=what) for key in keys)
    zone = content.get("timezone")
    if isinstance(zone, str) and zone not in zoneinfo.available_timezones():
        what = f"{zone} is no IANA timezone, like America/New_York or UTC"
        faults.append(Fault(where=f"{name}: timezone", what=what))

    def section(key: str, shape: type[AnyShape]) -> dict[str, AnyShape]:
        entries = content.get(key) or {}
        if not isinstance(entries, dict):
            faults.append(Fault(where=f"{name}: {key}", what="is no mapping of names to values"))
            return {}
        parsed = {
            str(entry): parse_shape(shape, body, where=f"{name}: {key}.{entry}", faults=faults)
            for entry, body in entries.items()
        }
        return {entry: body for entry, body in parsed.items() if body is not None}

    models = section("models", ModelShape)
    contracts, refused = _contracts(models, path, files, faults, today)
    return FileParts(
        named={key: tuple(map(str, _names(content.get(key)))) for key in _SECTIONS},
        owners=section("owners", OwnerShape),
        sources=section("sources", SourceShape),
        features=section("features", FeatureShape),
        models=models,
        consumers=section("consumers", ConsumerShape),
        slices=section("slices", SliceShape),
        contracts=contracts,
        refused=refused,
        policies=parse_shape(
            PoliciesShape, content["policies"], where=f"{name}: policies", faults=faults
        )
        if "policies" in content
        else None,
        # Nothing at all is the defaults; what cannot be parsed is told, and is not them.
        logging=parse_shape(
            LoggingShape, content.get("logging") or {}, where=f"{name}: logging", faults=faults
        ),
        unit=str(content.get("unit") or ""),
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _names(entries: object) -> tuple[Any, ...]:
    return tuple(entries) if isinstance(entries, dict) else ()


def _contracts(
    models: Mapping[str, ModelShape],
    path: Path,
    files: _Files,
    faults: list[Fault],
    today: date | None,
) -> tuple[dict[str, Contract], dict[str, RefusedContract]]:
    """The contracts that can be read, and what is sure of the others."""
    contracts: dict[str, Contract] = {}
    refused: dict[str, RefusedContract] = {}
    folder = path.parent.resolve()
    told: set[str] = set()
    for name, model in models.items():
        file = path.parent / model.contract
        if not file.resolve().is_relative_to(folder):
            what = f"{model.contract} lies outside the system file's folder"
            faults.append(Fault(where=f"{path.name}: models.{name}.contract", what=what))
            continue
        contract, wrong = _contract(files, model.contract, today)
        if model.contract not in told:  # several models may name one file
            faults.extend(wrong)
        told.add(model.contract)
        if contract is None:
            if (sure := _sure(files, name, model.contract, wrong)) is not None:
                refused[name] = sure
            continue
        if contract.model != name:
            what = f"is the contract of {contract.model}, not of {name}"
            faults.append(Fault(where=f"{path.name}: models.{name}.contract", what=what))
        contracts[name] = contract
    return contracts, refused


def _sure(files: _Files, model: str, name: str, wrong: Sequence[Fault]) -> RefusedContract | None:
    try:
        content = files.content(name)
    except BadInput:
        return None  # it cannot be read at all
    return what_is_sure(model, content, wrong, where=name)


def _contract(
    files: _Files, name: str, today: date | None
) -> tuple[Contract | None, tuple[Fault, ...]]:
    """A contract as far as it can be read, and what is wrong with it.

    One whose only fault is the day still says what it promises, so that those who read it are
    checked against it.
    """
    try:
        return contract_from(files.content(name), where=name, today=today), ()
    except BadInput as error:
        wrong = tuple(error.faults)
    if today is None:
        return None, wrong
    try:
        return contract_from(files.content(name), where=name), wrong
    except BadInput:
        return None, wrong


def _digest(path: Path, models: Mapping[str, ModelShape]) -> str:
    digest = hashlib.sha256(path.read_bytes())
    for name in sorted(models):
        digest.update((path.parent / models[name].contract).read_bytes())
    return digest.hexdigest()
