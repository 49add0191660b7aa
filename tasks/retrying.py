"""What is worth a second try, and how a task reaches its site."""

from collections.abc import Callable
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from sluiceway.journal import JournalMismatch, JournalUnavailable
from sluiceway.ports import RegistryUnavailable
from sluiceway.steps.world import NotYetObserved

P = ParamSpec("P")
R = TypeVar("R")

TRANSIENT = (JournalUnavailable, RegistryUnavailable, NotYetObserved)
"""Errors that may be gone in a few seconds. A conflict is not among them: it asks for a new
decision, not for the same write again."""


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task run failed for something that passes."""
    try:
        state.result()
    except JournalMismatch:
        return False
    except TRANSIENT:
        return True
    except Exception:  # noqa: BLE001 - any other failure stays one
        return False
    return False


def side_effect(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task: retried when the world is briefly away, never cached.

    The runs of one that takes a `rollout_id` are called by it, as one flow may bring on several. A
    tag would say so too, and Prefect asks its server about each tag before every run: a fifth of
    the time that the flights' rollouts took.
    """

    def made(function: Callable[P, R]) -> Task[P, R]:
        has_rollout = "rollout_id" in signature(function).parameters
        return task(
            name=name,
            task_run_name=f"{name} {{rollout_id}}" if has_rollout else None,
            retries=3,
            retry_delay_seconds=exponential_backoff(backoff_factor=1),
            retry_jitter_factor=0.5,
            retry_condition_fn=is_transient,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(function)

    return made
