"""Findings of the feature audit as sentences."""

from sluiceway.features.audit import FeatureFinding, FindingCode


def sentence(finding: FeatureFinding) -> str:
    """What was found, with the numbers and what would be right."""
    return f"{finding.feature}: {_said(finding)}"


def _said(finding: FeatureFinding) -> str:
    models = ", ".join(finding.models) or "nobody"
    seen, limit = finding.observed or 0.0, finding.limit or 0.0
    of = f"of {finding.units or 0:,} units"
    match finding.code:
        case FindingCode.NOT_STAMPED:
            return f"{models} does not say which definition it was trained with; stamp it"
        case FindingCode.TRAINED_ON_OTHER_VERSION:
            return f"{models} was trained with {finding.before} and is served {finding.after}"
        case FindingCode.DEFINITION_CHANGED:
            return (
                f"{models} rests on {finding.before}, and the definition is {finding.after} now; "
                "a changed definition takes a new version"
            )
        case FindingCode.VALUES_DIFFER:
            largest = f", by up to {finding.after.strip()}" if finding.after else ""
            return (
                f"served otherwise than recorded to {seen:.2%} {of}{largest}, "
                f"tolerated {limit:.2%}; read by {models}"
            )
        case FindingCode.NULL_RATE:
            return f"missing live in {seen:.2%} {of}, declared {limit:.2%}"
        case FindingCode.LATE:
            return f"its newest live row is {seen:.1f} h old, at most {limit:.1f} h is declared"
        case FindingCode.NOTHING_SAMPLED:
            return "no unit of the window could be compared"
        case FindingCode.UNREADABLE:
            return f"its values could not be read: {finding.after}"
