"""Reading the ignores of a system file: who leaves which known misfit out, why, until when."""

from collections.abc import Iterable

from sluiceway.errors import Fault
from sluiceway.system.parts import FileParts
from sluiceway.system.shapes import IgnoreShape
from sluiceway.system.values import Ignore
from sluiceway.yaml_file import parse_shape


def read_ignores(
    content: object, parts: FileParts, *, where: str, faults: list[Fault]
) -> tuple[Ignore, ...]:
    """Read the section; what is wrong is added to `faults`.

    An ignore that has expired is no fault: a file does not become wrong by waiting. It no longer
    counts, and whoever asks whether versions go together is told.
    """
    if content is None:
        return ()
    if not isinstance(content, list):
        faults.append(Fault(where=f"{where}: ignores", what="is no list"))
        return ()
    found = []
    for place, entry in enumerate(content):
        path = f"{where}: ignores[{place}]"
        shape = parse_shape(IgnoreShape, entry, where=path, faults=faults)
        if shape is None:
            continue
        wrong = list(_contradictions(shape, parts))
        faults.extend(Fault(where=f"{path}{inside}", what=what) for inside, what in wrong)
        if not wrong:
            found.append(_ignore(shape))
    return tuple(found)


def _ignore(shape: IgnoreShape) -> Ignore:
    producer, _, producer_version = shape.producer.partition("@")
    consumer, _, consumer_version = shape.consumer.partition("@")
    return Ignore(
        producer=producer,
        producer_version=producer_version or None,
        consumer=consumer,
        consumer_version=consumer_version or None,
        owner=shape.owner,
        reason=shape.reason,
        expires=shape.expires,
    )


def _contradictions(shape: IgnoreShape, parts: FileParts) -> Iterable[tuple[str, str]]:
    producer, consumer = (name.partition("@")[0] for name in (shape.producer, shape.consumer))
    models, outside = parts.named["models"], parts.named["consumers"]
    if producer not in models:
        yield ".producer", f"{producer} is no model{_list(models)}"
    if consumer not in (*models, *outside):
        yield ".consumer", f"{consumer} is neither a model nor a consumer{_list(models + outside)}"
    elif consumer in outside and "@" in shape.consumer:
        yield ".consumer", f"{consumer} is an outside consumer; it has no versions"
    elif producer in models and not _reads(parts, consumer, producer):
        yield "", f"{consumer} does not read {producer}; there is nothing to ignore"
    if shape.owner not in parts.named["owners"]:
        yield ".owner", f"{shape.owner} is not among the owners{_list(parts.named['owners'])}"


def _reads(parts: FileParts, consumer: str, producer: str) -> bool:
    model, outside = parts.models.get(consumer), parts.consumers.get(consumer)
    if model is None and outside is None:
        return True  # it could not be parsed, which is told already
    edges = model.inputs if model is not None else outside.reads if outside is not None else []
    return any(edge.reads.partition(".")[0] == producer for edge in edges)


def _list(names: Iterable[str]) -> str:
    return f" (there are: {', '.join(names)})"
