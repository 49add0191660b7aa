"""Features: what makes a definition what it is, and whether what was trained is what is served."""

from sluiceway.features.audit import (
    AuditedFeature,
    FeatureAudit,
    FeatureFinding,
    FindingCode,
    audit_features,
    outcome_of,
)
from sluiceway.features.identity import (
    ChangedDefinition,
    Definitions,
    Stamp,
    changed_definitions,
    definition_sha256,
    read_stamps,
    stamps_of,
    write_stamps,
)
from sluiceway.features.parity import Parity, parity_of
from sluiceway.features.wording import sentence

__all__ = [
    "AuditedFeature",
    "ChangedDefinition",
    "Definitions",
    "FeatureAudit",
    "FeatureFinding",
    "FindingCode",
    "Parity",
    "Stamp",
    "audit_features",
    "changed_definitions",
    "definition_sha256",
    "outcome_of",
    "parity_of",
    "read_stamps",
    "sentence",
    "stamps_of",
    "write_stamps",
]
