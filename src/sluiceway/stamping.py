"""What training writes on a model version, so that serving can be held against it.

Used where models are registered::

    tags = feature_tag(read_system(Path("system.yaml")), "arr_delay")
    tags |= trained_on_tag({"dep_delay": "2"})
    tags |= contract_tag(read_contract(Path("contracts/arr_delay.yaml")))
    client.create_model_version("arr_delay", source, tags=tags)
"""

import json
from collections.abc import Mapping

from sluiceway.adapters.feature_code import definitions_of
from sluiceway.adapters.mlflow_registry import CONTRACT_TAG, FEATURES_TAG
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.features import write_stamps
from sluiceway.lineage import TRAINED_ON_TAG
from sluiceway.system.values import System


def contract_tag(contract: Contract) -> dict[str, str]:
    """The tag by which a version carries a contract of its own, whatever the file says later.

    Args:
        contract: As :func:`sluiceway.contracts.file.read_contract` reads it.

    Returns:
        One MLflow tag, name and text.
    """
    return {CONTRACT_TAG: contract.to_json()}


def feature_tag(
    system: System, model: str, versions: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The tag that says which definitions of its features a model was trained with.

    Args:
        versions: Version by feature, where it is not the current one.

    Returns:
        One MLflow tag, name and text.

    Raises:
        BadInput: There is no such model, feature or version.
    """
    if model not in system.models:
        what = f"{model} is no model (there are: {', '.join(system.models)})"
        raise BadInput([Fault(where=f"{system.name}: models", what=what)])
    read = [edge.producer for edge in system.models[model].inputs if edge.field is None]
    chosen = {name: system.features[name].current for name in read} | dict(versions or {})
    faults = []
    for name, version in chosen.items():
        if name not in read:
            what = f"{model} does not read {name} (it reads: {', '.join(read)})"
            faults.append(Fault(where=f"{system.name}: models.{model}.inputs", what=what))
        elif version not in system.features[name].versions:
            have = ", ".join(system.features[name].versions)
            what = f"there is no version {version} (there are: {have})"
            faults.append(Fault(where=f"{system.name}: features.{name}", what=what))
    if faults:
        raise BadInput(faults)
    return {FEATURES_TAG: json.dumps(write_stamps(chosen, definitions_of(system)))}


def trained_on_tag(versions: Mapping[str, str]) -> dict[str, str]:
    """The tag that says on which versions' answers a model version was trained.

    Args:
        versions: Registered version by the model that it reads.

    Returns:
        One MLflow tag, name and text.
    """
    return {TRAINED_ON_TAG: json.dumps(dict(sorted(versions.items())))}
