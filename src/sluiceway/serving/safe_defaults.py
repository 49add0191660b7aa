"""What the consumer of a cut edge receives instead, and which versions a flag may ask."""

from collections.abc import Mapping
from math import nan

from sluiceway.contracts.values import Contract
from sluiceway.serving.served import Version
from sluiceway.serving.stand_ins import safe_constant
from sluiceway.system.values import System


def safe_default(
    system: System, contracts: Mapping[str, Contract], edge: str
) -> dict[str, float | str]:
    """What the consumer of an edge receives while it is cut, by the name of the column.

    Args:
        contracts: What serves, by model; where a model is missing, its declared contract counts.
        edge: ``model.field → consumer``, ``feature → model`` or ``source.column → feature``. Of the
            last, the feature itself is what its readers receive the default of.

    Returns:
        A number in the field's or the feature's unit, NaN where it is missing, or a text.

    Raises:
        KeyError: There is no such feature, model or field.
    """
    column, _, consumer = edge.partition(" → ")
    producer, _, name = column.partition(".")
    if producer in system.models:
        contract = contracts.get(producer, system.models[producer].contract)
        return {column: safe_constant(contract, contract.field(name))}
    feature = consumer if producer in system.sources else column
    return {feature: feature_default(system, feature)}


def feature_default(system: System, feature: str) -> float | str:
    """What readers of a feature receive while it is cut off; NaN where that is nothing.

    Raises:
        KeyError: There is no such feature.
    """
    declared = system.features[feature].safe_default
    return nan if declared is None else declared


def versions_named(system: System) -> frozenset[Version]:
    """Every version that a flag pins; they have to be loaded, so that a switch needs no load."""
    return frozenset(pinned for flag in system.flags.values() for pinned in flag.versions)
