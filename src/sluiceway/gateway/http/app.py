"""The gateway's HTTP application: every route, behind what every request passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sluiceway.gateway.http.about import About, Unready
from sluiceway.gateway.http.access import Access, Role
from sluiceway.gateway.http.edge import Edge, Lifespan, call_of
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.http.openapi import document_of
from sluiceway.gateway.http.scoring import Endpoint, Scoring
from sluiceway.gateway.http.tracing import Tracing
from sluiceway.gateway.metrics import Metrics
from sluiceway.serving.ports import Answering
from sluiceway.serving.protocols.offer import Offer, offer_of
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.served import Served


class Serving(Protocol):
    """Whoever knows what is served."""

    @property
    def served(self) -> Served | None:
        """What answers the next question; None while nothing can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteGroup:
    """Routes of another part of the gateway.

    Attributes:
        role: What a caller needs to be for any of them.
        routes: Starlette's. What they raise as ``Refused`` is answered like any refusal;
            :func:`~sluiceway.gateway.http.edge.call_of` tells them who calls, and the whole body is
            read already, within its limits.
        paths: Their part of the OpenAPI document: path items by path.
    """

    role: Role
    routes: Sequence[BaseRoute]
    paths: Mapping[str, Any] = field(default_factory=dict)


class Current:
    """What may be asked now, worked out again only when what is served has changed."""

    def __init__(self, serving: Serving, metrics: Metrics) -> None:
        self._serving = serving
        self._metrics = metrics
        self._offer: Offer | None = None

    def __call__(self) -> Offer:
        """What may be asked.

        Raises:
            Refused: Nothing is loaded yet.
        """
        served = self._serving.served
        if served is None:
            what = "no release is loaded yet; ask again later"
            raise Refused(RefusalCode.NOT_READY, what, retry_after=1.0)
        if self._offer is None or self._offer.served is not served:
            self._offer = offer_of(served)
            table = served.table
            self._metrics.serves(generation=table.generation, revision=table.revision)
        return self._offer


class _Guarded(BaseRoute):
    """Another part's route, for callers with a role only."""

    def __init__(self, role: Role, route: BaseRoute) -> None:
        self._role = role
        self._route = route

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return self._route.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        call_of(scope).caller.must(self._role)
        await self._route.handle(scope, receive, send)


def http_app(
    answering: Answering,
    serving: Serving,
    *,
    access: Access,
    limits: Limits | None = None,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
    groups: Sequence[RouteGroup] = (),
    unready: Unready | None = None,
    lifespan: Lifespan | None = None,
    access_log_every: int = 100,
) -> ASGIApp:
    """The application.

    Args:
        answering: Who answers questions.
        serving: Who knows what is served.
        access: Who is let in.
        groups: Routes of other parts, such as labels and administration.
        unready: Why nothing answers yet, for the probes.
        lifespan: What runs for as long as the server does.
        access_log_every: One request in so many is logged; 0 logs failures only.
    """
    limits = limits or Limits()
    metrics = metrics or Metrics()
    offers = Current(serving, metrics)
    scoring = Scoring(answering, offers, limits=limits, metrics=metrics)
    more = {path: item for group in groups for path, item in group.paths.items()}

    def described(offer: Offer) -> dict[str, Any]:
        return document_of(offer, secured=bool(access.tokens), more=more)

    routes = [*_scoring_routes(scoring), *_about_routes(About(offers, metrics, described, unready))]
    for group in groups:
        routes += [_Guarded(group.role, route) for route in group.routes]
    router = Router(routes, redirect_slashes=False, default=_unknown)
    return Edge(
        _Named(router),
        access=access,
        limits=limits,
        metrics=metrics,
        tracing=tracing,
        lifespan=lifespan,
        access_log_every=access_log_every,
    )


def _scoring_routes(scoring: Scoring) -> list[BaseRoute]:
    """The hot ones; they come first because routes are tried in order."""
    invocations = Endpoint(scoring.invocations, Role.PREDICT)
    infer = Endpoint(scoring.infer, Role.PREDICT)
    paths = {
        "/invocations/{model}": invocations,
        "/v2/models/{model}/infer": infer,
        "/invocations/{model}/versions/{version}": invocations,
        "/v2/models/{model}/versions/{version}/infer": infer,
    }
    return [Route(path, endpoint, methods=["POST"]) for path, endpoint in paths.items()]


def _about_routes(about: About) -> list[BaseRoute]:
    paths = {
        "/ping": (about.ping, None),
        "/health": (about.health, None),
        "/version": (about.version, None),
        "/v2/health/live": (about.live, None),
        "/v2/health/ready": (about.ready, None),
        "/metrics": (about.metrics, None),
        "/openapi.json": (about.openapi, None),
        "/v2": (about.server, None),
        "/v2/": (about.server, None),
        "/v2/models/{model}": (about.model, None),
        "/v2/models/{model}/versions/{version}": (about.model, None),
        "/v2/models/{model}/ready": (about.model_ready, None),
        "/v2/models/{model}/versions/{version}/ready": (about.model_ready, None),
    }
    return [
        Route(path, Endpoint(answer, role), methods=["GET"])
        for path, (answer, role) in paths.items()
    ]


class _Named:
    """Says to Starlette that an application stands around its router, which then raises instead of
    answering in its own words."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._router(scope, receive, send)


async def _unknown(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(status_code=404)
