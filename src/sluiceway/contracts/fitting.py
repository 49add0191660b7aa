"""Whether what is promised fits what is demanded, as both are written.

Two answers, from two texts. What an edge of a release comes to, with evidence and with what nobody
says, is :mod:`sluiceway.releasing.fitting`'s to answer; it asks here for the texts.
"""

from collections.abc import Iterator

from sluiceway.contracts.value_changes import is_wider
from sluiceway.contracts.values import InputDemand, OutputField


def unmet(promised: OutputField, demand: InputDemand) -> tuple[str, ...]:
    """What a demand says and the promise does not give, in words; empty where it fits.

    What is demanded and not promised at all is unmet too: nobody knows whether it is so.
    """
    return tuple(_unmet(promised, demand))


def _unmet(promised: OutputField, demand: InputDemand) -> Iterator[str]:
    name = demand.name
    if demand.unit is not None and demand.unit != promised.unit:
        yield f"{name} is demanded in {demand.unit} and promised in {promised.unit or 'no unit'}"
    if not _type_fits(promised.dtype, demand.dtype):
        yield f"{name} is demanded as {demand.dtype} and promised as {promised.dtype}"
    if demand.low is not None and (promised.low is None or promised.low < demand.low):
        least = "any" if promised.low is None else f"{promised.low:g}"
        yield f"{name} is demanded from {demand.low:g} on and promised from {least} on"
    if demand.high is not None and (promised.high is None or promised.high > demand.high):
        most = "any" if promised.high is None else f"{promised.high:g}"
        yield f"{name} is demanded up to {demand.high:g} and promised up to {most}"
    if promised.nullable and not demand.nullable:
        yield f"{name} must not be missing, and is promised to be at times"
    if demand.categories is not None:
        yield from _strange(promised, demand, demand.categories)
    if demand.semantics is not None and demand.semantics != promised.semantics:
        means = promised.semantics or "nothing that is said"
        yield f"{name} is demanded to mean {demand.semantics} and means {means}"
    if demand.embedding is not None and demand.embedding != promised.embedding:
        yield f"{name} is demanded as another vector than is promised"


def _type_fits(promised: str, demanded: str | None) -> bool:
    return demanded in (None, promised) or is_wider(str(demanded), promised) is True


def _strange(promised: OutputField, demand: InputDemand, known: tuple[str, ...]) -> Iterator[str]:
    if promised.categories is None:
        yield f"{demand.name} may be anything, and must be one of {', '.join(known)}"
        return
    strange = [name for name in promised.categories if name not in known]
    if strange:
        yield f"{demand.name} may be {', '.join(strange)}, which the demand does not list"
    elif demand.dtype == promised.dtype == "long" and known[: len(promised.categories)] != (
        promised.categories
    ):
        yield f"{demand.name} numbers its categories otherwise than is demanded"
