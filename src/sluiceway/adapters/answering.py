"""The process of its own in which a model answers; see :mod:`.conversation` for its other end.

It loads the model, tells so, and answers until its parent closes the pipe or is gone.
"""

import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from sluiceway.adapters.trial_values import Answers, TrialCode

_LONGEST_SAYING: Final = 500
"""Characters of a model's own words that are passed on."""


def _live_as_child(place: Path, hearing: int, news: int) -> None:
    """The child's whole life."""
    import resource

    for pipe in (hearing, news):
        os.set_inheritable(pipe, False)  # they close with us, whatever the model starts
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads((place / "request").read_text(encoding="utf-8"))
    # The kernel ends us even inside foreign code, should the parent be killed and not come back.
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    with (
        os.fdopen(news, "w", encoding="utf-8") as telling,
        os.fdopen(hearing, "r", encoding="utf-8") as questions,
    ):

        def tell(line: str) -> None:
            telling.write(line + "\n")
            telling.flush()

        def tell_fault(code: TrialCode, said: str) -> None:
            tell(json.dumps({"fault": code, "said": " ".join(said.split())[:_LONGEST_SAYING]}))

        predict, fault = _loaded(request)
        if fault is not None or predict is None:
            tell_fault(*(fault or (TrialCode.CANNOT_LOAD, "gave nothing that answers")))
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        tell("loaded")
        for line in questions:  # it ends when the parent closes its end, or is gone
            asked = json.loads(line)
            signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
            said = _answered(predict, Path(asked["columns"]), Path(asked["answers"]))
            signal.setitimer(signal.ITIMER_REAL, 0)
            if isinstance(said, float):
                tell(json.dumps({"seconds": said}))
            else:
                tell_fault(*said)


Predict = Callable[[Mapping[str, Answers]], Any]


def _loaded(request: Mapping[str, Any]) -> tuple[Predict | None, tuple[TrialCode, str] | None]:
    from sluiceway.adapters.model_files import FilesChanged, ModelFilesError, load_verified

    if "function" in request:
        return _imported(request)
    try:
        predictor = load_verified(Path(request["folder"]), request["artifact_sha256"])
    except FilesChanged as error:
        return None, (TrialCode.FILES_CHANGED, str(error))
    except ModelFilesError as error:
        return None, (TrialCode.CANNOT_LOAD, str(error))
    return predictor.predict, None


def _imported(request: Mapping[str, Any]) -> tuple[Predict | None, tuple[TrialCode, str] | None]:
    from importlib import import_module

    from sluiceway.adapters.predictors import Column, FramePredictor

    sys.path.insert(0, request["search"])
    module, _, name = request["function"].partition(":")
    try:
        imported = import_module(module)
    except Exception as error:  # noqa: BLE001 - any code may run while a module is imported
        lacking = error.name if isinstance(error, ModuleNotFoundError) else None
        if lacking is not None and f"{module}.".startswith(f"{lacking}."):
            what = f"is not there: no module {lacking} in {request['search']} or where Python looks"
            return None, (TrialCode.NOT_THERE, what)
        said = f"cannot be imported: {type(error).__name__}: {error}"
        return None, (TrialCode.CANNOT_LOAD, said)
    function = getattr(imported, name, None)
    if not callable(function):
        known = hasattr(imported, name)
        own = (n for n, f in vars(imported).items() if getattr(f, "__module__", None) == module)
        have = ", ".join(sorted(n for n in own if n.isidentifier() and not n.startswith("_")))
        is_a = f"is no function, {name} is {type(function).__name__}"
        what = is_a if known else f"is not there: {module} has no {name}"
        return None, (TrialCode.NOT_THERE, f"{what} (it has: {have or 'none'})")
    columns = tuple(Column(name=name, type=kind) for name, kind in request["columns"])
    return FramePredictor(columns, function).predict, None


def _answered(predict: Predict, question: Path, place: Path) -> float | tuple[TrialCode, str]:
    """Seconds that the answer took, or why there is none."""
    # Written by the parent, in a folder that only this user can write to.
    columns = pickle.loads(question.read_bytes())
    try:
        started = time.perf_counter()
        answers = predict(columns)
        seconds = time.perf_counter() - started
    except Exception as error:  # noqa: BLE001 - a candidate may raise anything; it is told
        return TrialCode.RAISED, f"raised {type(error).__name__}: {error}"
    if answers.dtype == object:
        answers = _unboxed(answers)
    try:
        np.save(place, answers, allow_pickle=False)
    except ValueError:
        return TrialCode.NO_ARRAY, f"answers with {answers.dtype} values, which are no array"
    return seconds


def _unboxed(answers: Answers) -> Answers:
    """Boxed texts as texts, boxed numbers and None as numbers; anything else as it is."""
    if all(isinstance(answer, str) for answer in answers.flat):
        return answers.astype(str)
    with suppress(TypeError, ValueError):
        return answers.astype(np.float64)
    return answers


if __name__ == "__main__":
    _live_as_child(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
