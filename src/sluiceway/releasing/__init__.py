"""Which versions may go live together, in which order, and what the smallest safe way back is."""

from sluiceway.releasing.answers import Answer, together
from sluiceway.releasing.choosing import NotSolved, choose
from sluiceway.releasing.conflicts import Rule, RuleKind, conflict
from sluiceway.releasing.evidence import (
    EvidenceKind,
    EvidenceRecord,
    Support,
    SupportCode,
    content_of,
    contents_of,
)
from sluiceway.releasing.facts import Agreed, Facts
from sluiceway.releasing.fitting import Fit, FitCode, fit
from sluiceway.releasing.ordering import Step, StepRole, mixing_steps, smallest_steps
from sluiceway.releasing.problems import Choice, Pick, Problem, fits_together
from sluiceway.releasing.promoting import (
    Mixture,
    PromotionAnswer,
    Reason,
    ReasonCode,
    can_promote,
)
from sluiceway.releasing.proposing import Proposal, Shelf, propose, release_problem
from sluiceway.releasing.returning import KeptOut, WayBack, both_of, way_back

__all__ = [
    "Agreed",
    "Answer",
    "Choice",
    "EvidenceKind",
    "EvidenceRecord",
    "Facts",
    "Fit",
    "FitCode",
    "KeptOut",
    "Mixture",
    "NotSolved",
    "Pick",
    "Problem",
    "PromotionAnswer",
    "Proposal",
    "Reason",
    "ReasonCode",
    "Rule",
    "RuleKind",
    "Shelf",
    "Step",
    "StepRole",
    "Support",
    "SupportCode",
    "WayBack",
    "both_of",
    "can_promote",
    "choose",
    "conflict",
    "content_of",
    "contents_of",
    "fit",
    "fits_together",
    "mixing_steps",
    "propose",
    "release_problem",
    "smallest_steps",
    "together",
    "way_back",
]
