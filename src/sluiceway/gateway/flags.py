"""Flags that choose other inference paths, asked through OpenFeature.

The provider evaluates the flags of the routing table in this process, as flagd does. Whoever wants
another source of flags sets another OpenFeature provider for the domain :data:`DOMAIN`; the paths
that its variants stand for are the table's all the same.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata

from sluiceway.adapters.flag_file import flags_of
from sluiceway.routing import RoutingTable
from sluiceway.serving.served import Detour, Detours, Version
from sluiceway.serving.values import Question
from sluiceway.system.flags import FlagVariant, is_by_unit

DOMAIN: Final = "sluiceway"
"""The OpenFeature domain in which flags of inference paths are asked."""


class TableFlags(AbstractProvider):
    """The OpenFeature provider of the flags that the newest routing table holds."""

    def __init__(self) -> None:
        super().__init__()
        self._flagd = FlagdCore()

    def follow(self, table: RoutingTable) -> None:
        """Answer by this table from now on."""
        self._flagd.set_flags(json.dumps({"flags": flags_of(table)["flags"]}))

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="sluiceway routing table")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """As flagd does."""
        return self._flagd.resolve_boolean_value(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """As flagd does."""
        return self._flagd.resolve_string_value(flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """As flagd does."""
        return self._flagd.resolve_integer_value(flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """As flagd does."""
        return self._flagd.resolve_float_value(flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Any]:
        """As flagd does."""
        return self._flagd.resolve_object_value(flag_key, default_value, evaluation_context)


class Flags:
    """The flags of one gateway process; made once, before the first table.

    Attributes:
        alarms: Variants of the newest table that cannot be taken, in words.
    """

    def __init__(self) -> None:
        self._provider = TableFlags()
        api.set_provider_and_wait(self._provider, DOMAIN)
        self._client = api.get_client(DOMAIN)
        self.alarms: tuple[str, ...] = ()

    def detours(
        self,
        table: RoutingTable,
        *,
        resident: Collection[Version],
        features: Mapping[Version, Mapping[str, str]] = MappingProxyType({}),
    ) -> Detours | None:
        """What shares rows out among the paths of a table's flags.

        Args:
            resident: Versions that can be asked. A variant that pins another is not taken: its rows
                go the declared way, and `alarms` say so.
            features: Versions of the features that versions read, where not the current ones.

        Returns:
            None where nobody can take another path than the declared one, so that no flag is asked.
        """
        self._provider.follow(table)
        away = {
            (route.flag.name, name): sorted(variant.versions.items() - set(resident))
            for route in table.flags
            for name, variant in route.flag.variants.items()
        }
        self.alarms = tuple(
            f"flag {flag}: {variant} is not taken, as "
            f"{', '.join('@'.join(one) for one in missing)} is not to be had"
            for (flag, variant), missing in away.items()
            if missing
        )
        asked = [
            _Asked(
                name=route.flag.name,
                default=route.chosen or route.flag.default,
                variants={
                    name: FlagVariant() if away[route.flag.name, name] else variant
                    for name, variant in route.flag.variants.items()
                },
                is_by_unit=route.chosen is None and is_by_unit(route.flag),
            )
            for route in table.flags
            if not route.is_neutral
        ]
        return FlagDetours(self._client, asked, features) if asked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A flag that may choose another path."""

    name: str
    default: str
    variants: Mapping[str, FlagVariant]
    is_by_unit: bool


class FlagDetours:
    """Shares rows out by flags: asks once a question, or once a unit where rules go by the unit."""

    def __init__(
        self,
        client: OpenFeatureClient,
        asked: Sequence[_Asked],
        features: Mapping[Version, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self._client = client
        self._features = features
        self._whole = tuple(one for one in asked if not one.is_by_unit)
        self._by_unit = tuple(one for one in asked if one.is_by_unit)
        self._detours: dict[tuple[str, ...], Detour] = {}

    def __call__(self, question: Question) -> list[tuple[NDArray[np.intp], Detour]]:
        """Rows that take another path, with the path."""
        attributes = {"consumer": question.consumer or "", "model": question.model}
        unit = question.units[0]
        context = EvaluationContext(targeting_key=unit, attributes=attributes)
        whole = tuple(self._variant(flag, context) for flag in self._whole)
        if not self._by_unit:
            detour = self._detour(whole)
            return [] if _is_neutral(detour) else [(np.arange(question.rows), detour)]
        rows_of: dict[str, list[int]] = {}
        for row, name in enumerate(question.units):
            rows_of.setdefault(name, []).append(row)
        shares: dict[tuple[str, ...], list[int]] = {}
        for name, rows in rows_of.items():
            context = EvaluationContext(targeting_key=name, attributes=attributes)
            own = tuple(self._variant(flag, context) for flag in self._by_unit)
            shares.setdefault((*whole, *own), []).extend(rows)
        return [
            (np.array(sorted(rows), dtype=np.intp), detour)
            for taken, rows in shares.items()
            if not _is_neutral(detour := self._detour(taken))
        ]

    def _variant(self, flag: _Asked, context: EvaluationContext) -> str:
        """What it comes to; whatever is not one of its variants is its default."""
        found = self._client.get_string_value(flag.name, flag.default, context)
        return found if found in flag.variants else flag.default

    def _detour(self, taken: tuple[str, ...]) -> Detour:
        """All flags' paths together; no two of them pin the same model."""
        known = self._detours.get(taken)
        if known is None:
            flags = (*self._whole, *self._by_unit)
            chosen = [flag.variants[name] for flag, name in zip(flags, taken, strict=True)]
            versions = {m: v for one in chosen for m, v in one.versions.items()}
            read = {model: self._features.get((model, v)) for model, v in versions.items()}
            known = self._detours[taken] = Detour(
                versions=versions,
                cut=frozenset(name for one in chosen for name in one.cut),
                features={model: one for model, one in read.items() if one},
            )
        return known


def _is_neutral(detour: Detour) -> bool:
    return not (detour.versions or detour.cut)
