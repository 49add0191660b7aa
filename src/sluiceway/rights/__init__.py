"""Decision rights: who must approve what, who was told what, and what may be taken away.

The rules, the words that people are asked and refused with, and nothing else: who said what is
read from the journal by :mod:`sluiceway.steps.ownership`.
"""

from sluiceway.rights.acknowledging import (
    Acknowledgement,
    acknowledgement_fault,
    edge_named,
)
from sluiceway.rights.announcing import (
    Announcement,
    DeprecationStatus,
    Told,
    announcements,
    deprecation_statuses,
    not_yet_told,
)
from sluiceway.rights.answering import NotTheirs, answers_for, is_theirs, waits_for
from sluiceway.rights.approvals import (
    GivenApproval,
    NeededApproval,
    Why,
    WhyCode,
    approvals_needed,
    listed_approvals,
    still_open,
    why_sentence,
)
from sluiceway.rights.proof import (
    ApproverKeys,
    KeyStore,
    NobodyEnrolled,
    Offered,
    ProofFault,
    Tried,
    enrolment_uri,
    judge_code,
    new_key,
    proof_sentence,
)
from sluiceway.rights.removal import (
    EdgeCase,
    Reader,
    RemovalCode,
    RemovalFinding,
    ReplacementTest,
    readers_of,
    removal_findings,
    removal_sentence,
    replacement_column,
    replacement_tests,
)

__all__ = [
    "Acknowledgement",
    "Announcement",
    "ApproverKeys",
    "DeprecationStatus",
    "EdgeCase",
    "GivenApproval",
    "KeyStore",
    "NeededApproval",
    "NobodyEnrolled",
    "NotTheirs",
    "Offered",
    "ProofFault",
    "Reader",
    "RemovalCode",
    "RemovalFinding",
    "ReplacementTest",
    "Told",
    "Tried",
    "Why",
    "WhyCode",
    "acknowledgement_fault",
    "announcements",
    "answers_for",
    "approvals_needed",
    "deprecation_statuses",
    "edge_named",
    "enrolment_uri",
    "is_theirs",
    "judge_code",
    "listed_approvals",
    "new_key",
    "not_yet_told",
    "proof_sentence",
    "readers_of",
    "removal_findings",
    "removal_sentence",
    "replacement_column",
    "replacement_tests",
    "still_open",
    "waits_for",
    "why_sentence",
]
