"""The problem of choosing one version of every model so that all fit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

Pick = tuple[str, str]
"""A model and one of its versions."""

Choice = dict[str, str]
"""The chosen version of every model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What may be chosen, and what does not go together.

    Attributes:
        versions: Versions by model, oldest first; never empty.
        serving: The version by model that moving is counted from.
        unfit: By (producer, consumer): pairs of their versions that do not fit.
        failed: Sets of versions, of different models, that failed together.
        forbidden: Versions that must not be chosen.
        wanted: Versions by model that must be.
    """

    versions: Mapping[str, tuple[str, ...]]
    serving: Mapping[str, str]
    unfit: Mapping[tuple[str, str], frozenset[tuple[str, str]]] = field(default_factory=dict)
    failed: tuple[frozenset[Pick], ...] = ()
    forbidden: frozenset[Pick] = frozenset()
    wanted: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError where a model has no version, or one of them twice."""
        for model, versions in self.versions.items():
            if not versions or len(set(versions)) < len(versions):
                raise ValueError(f"{model} needs versions, each once: {versions}")

    def wanting(self, wanted: Mapping[str, str]) -> "Problem":
        """The same with these versions wanted instead."""
        return replace(self, wanted=dict(wanted))

    def within(self, models: Iterable[str]) -> "Problem":
        """The same, of these models alone; what binds them to others is left out."""
        kept = frozenset(models)
        return Problem(
            versions={m: v for m, v in self.versions.items() if m in kept},
            serving={m: v for m, v in self.serving.items() if m in kept},
            unfit={pair: bad for pair, bad in self.unfit.items() if kept.issuperset(pair)},
            failed=tuple(some for some in self.failed if all(m in kept for m, _ in some)),
            forbidden=frozenset(pick for pick in self.forbidden if pick[0] in kept),
            wanted={m: v for m, v in self.wanted.items() if m in kept},
        )


def moves(problem: Problem, choice: Mapping[str, str]) -> tuple[str, ...]:
    """Models that a choice moves, sorted."""
    return tuple(sorted(m for m, v in choice.items() if problem.serving.get(m) != v))


def fits_together(problem: Problem, choice: Mapping[str, str]) -> bool:
    """Whether a whole choice keeps every rule of the problem."""
    if any(choice.get(model) != version for model, version in problem.wanted.items()):
        return False
    if any(pick in problem.forbidden for pick in choice.items()):
        return False
    if any((choice[p], choice[k]) in bad for (p, k), bad in problem.unfit.items()):
        return False
    return not any(all(choice.get(m) == v for m, v in some) for some in problem.failed)
