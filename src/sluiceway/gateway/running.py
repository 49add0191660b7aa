"""One gateway process, put together: what answers, what it logs, who keeps it current."""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson
import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.adapters.server_versions import strange_servers
from sluiceway.gateway.backends.http import served_elsewhere
from sluiceway.gateway.engine import Engine
from sluiceway.gateway.flags import Flags
from sluiceway.gateway.http.access import Access, Role
from sluiceway.gateway.http.app import RouteGroup, http_app
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.http.logs import json_logs
from sluiceway.gateway.http.openapi import described
from sluiceway.gateway.http.server import Listening, bound, http_server
from sluiceway.gateway.http.tracing import tracing_of
from sluiceway.gateway.labels_route import DESCRIBED as LABELS_DESCRIBED
from sluiceway.gateway.labels_route import labels_route
from sluiceway.gateway.log_upkeep import kept_up
from sluiceway.gateway.metrics import Metrics
from sluiceway.gateway.other_paths import FlaggedPaths
from sluiceway.gateway.reporting import HaltReporter
from sluiceway.gateway.residents import residents_of
from sluiceway.gateway.telling import alarms_told, seen_of
from sluiceway.gateway.watching import HardRule, Observer
from sluiceway.serving.breaker import BreakerState
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.served import Served, Version
from sluiceway.settings import Settings
from sluiceway.wiring import label_intake, opened, recorder

_LOG: Final = logging.getLogger("sluiceway.gateway")
_SWITCH: Final = 0.001
"""Seconds for which a thread may keep the interpreter from another one that wants it: answers wait
for whoever loads or writes behind them no longer than that."""
FLUSH: Final = "/log/flush"
_COUNT: Final = {"type": "integer", "minimum": 0}
_FLUSHED: Final = {
    "type": "object",
    "description": "Sent once all that was answered before is on the disk, mirrored rows too.",
    "properties": {"committed": _COUNT, "lost": _COUNT},
    "required": ["committed", "lost"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway that listens.

    Attributes:
        url: Where it does.
        instance: Its name among those of its environment.
    """

    url: str
    instance: str


def serve(
    settings: Settings,
    listening: Listening,
    *,
    access: Access,
    limits: Limits,
    told: Callable[[Gateway], None],
) -> None:
    """Serve until the process is told to end; running requests are finished then.

    Args:
        told: Is told where it listens, once it does; models may still be loading.

    Raises:
        BadInput: The system file has faults, others could reach it without a token, or something
            is to be hashed and there is no key.
        JournalUnavailable: The journal's database cannot be used.
        LogUnavailable: What is answered could not be written down.
        OSError: The address is taken, or none of this machine.
    """
    sys.setswitchinterval(_SWITCH)
    with closing(bound(listening, access)) as own, json_logs(sys.stderr):
        uvloop.run(_serve(settings, listening, own, access, limits, told))


async def _serve(
    settings: Settings,
    listening: Listening,
    own: socket.socket,
    access: Access,
    limits: Limits,
    told: Callable[[Gateway], None],
) -> None:
    instance = f"{socket.gethostname()}-{os.getpid()}"
    async with AsyncExitStack() as stack:
        site = stack.enter_context(opened(settings))
        registry = {"SLUICEWAY_TRACKING_URI": settings.registry_uri}
        for setting, what in (await asyncio.to_thread(strange_servers, registry)).items():
            _LOG.warning("%s: %s", setting, what)  # what is loaded already goes on answering
        writing = stack.enter_context(recorder(settings, site.systems.current()))
        intake = label_intake(settings)
        reporter = stack.enter_context(
            closing(HaltReporter(partial(opened, settings), instance=instance))
        )
        metrics = Metrics()
        engine = Engine(writing, _Both(metrics, reporter))
        residents = residents_of(
            site,
            settings,
            publish=_Publishing(engine),
            drained=engine.drained,
            instance=instance,
            served_at=served_elsewhere(settings.served_at),
            other_paths=FlaggedPaths(site, Flags()),
        )
        metrics.flags_broken(lambda: residents.is_table_broken)
        metrics.breakers(lambda: engine.breakers)
        metrics.residents(lambda: seen_of(residents))
        await stack.enter_async_context(residents)
        others = {"halts": lambda: reporter.alarm, "log": lambda: writing.counts().fault}
        await stack.enter_async_context(alarms_told(residents, others))
        await stack.enter_async_context(kept_up(settings, writing, metrics))
        groups = (
            RouteGroup(role=Role.LABEL, routes=[labels_route(intake)], paths=LABELS_DESCRIBED),
            RouteGroup(
                role=Role.PREDICT,
                routes=[_flush_route(engine, writing)],
                paths={FLUSH: {"post": described("log.flush", answer=_FLUSHED)}},
            ),
        )
        app = http_app(
            engine,
            engine,
            access=access,
            limits=limits,
            metrics=metrics,
            tracing=tracing_of(os.environ),
            groups=groups,
            unready=lambda: residents.unready,
        )
        host, port = own.getsockname()[:2]
        told(Gateway(url=f"http://{host}:{port}", instance=instance))
        await http_server(app, listening, limits).serve(sockets=[own])
        await engine.end()


class _Publishing:
    """Hands over what answers, and takes what was imported and loaded for it out of collections.

    A full collection would walk through all of MLflow, scikit-learn and the models, a quarter of a
    second in which nobody is answered.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_first = True

    def __call__(self, served: Served) -> None:
        self._engine.serve(served)
        if self._is_first:
            self._is_first = False
            gc.collect()
            gc.freeze()


class _Both:
    """What happens behind the answers is counted, and hard rules are written down too."""

    def __init__(self, metrics: Observer, reporter: HaltReporter) -> None:
        self._metrics = metrics
        self._reporter = reporter

    def halted(self, rule: HardRule) -> None:
        _LOG.warning("%s lost its traffic: %s, %s", rule.rollout_id, rule.code, rule.what)
        self._metrics.halted(rule)
        self._reporter.report(rule)

    def breaker_moved(self, version: Version, state: BreakerState) -> None:
        _LOG.warning("the breaker of %s is %s", "@".join(version), state)
        self._metrics.breaker_moved(version, state)

    def mirror_dropped(self, rows: int) -> None:
        self._metrics.mirror_dropped(rows)


def _flush_route(engine: Engine, writing: LiveRecorder) -> Route:
    """``POST /log/flush``: answered once all that was answered before is on the disk.

    Mirrored rows are waited for too, so that whoever scores a batch finds whole pairs in the log.
    """

    async def flush(_request: Request) -> Response:
        whole = await engine.settled() and await asyncio.to_thread(writing.flush)
        if not whole:
            what = "what was answered is not on the disk yet; ask again"
            raise Refused(RefusalCode.OVERLOADED, what, retry_after=1)
        counts = writing.counts()
        body = orjson.dumps({"committed": counts.committed, "lost": counts.lost})
        return Response(body, media_type="application/json")

    return Route(FLUSH, flush, methods=["POST"], name="flush")
