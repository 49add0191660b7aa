"""The routes that say something of the gateway: probes, metadata, metrics, its own description."""

from collections.abc import Callable
from typing import Any, Final

import orjson
from starlette.types import Receive, Scope, Send

from sluiceway.gateway import metrics as counted
from sluiceway.gateway.http import VERSION
from sluiceway.gateway.http.edge import call_of, respond
from sluiceway.gateway.http.scoring import Offers
from sluiceway.serving.protocols.asking import REQUEST
from sluiceway.serving.protocols.offer import Offer
from sluiceway.serving.protocols.open_inference import EXTENSIONS, model_metadata
from sluiceway.serving.refusals import RefusalCode, Refused

NAME: Final = "sluiceway"

Described = Callable[[Offer], dict[str, Any]]
"""The OpenAPI document of what is offered."""

Unready = Callable[[], str | None]
"""Why nothing answers yet, in words that need no token; None once something does."""


class About:
    """Answers what is asked of the gateway itself."""

    def __init__(
        self,
        offers: Offers,
        metrics: counted.Metrics,
        described: Described,
        unready: Unready | None = None,
    ) -> None:
        self._offers = offers
        self._metrics = metrics
        self._described = described
        self._unready = unready
        self._document: tuple[Offer, bytes] | None = None

    async def ping(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """MLflow's probe: an empty line as soon as models answer."""
        self._offers()
        await respond(send, b"\n")

    async def health(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Whether models answer, and by which generation."""
        offer = self._ready()
        content: dict[str, Any] = {"ready": offer is not None, "generation": None, "revision": None}
        if offer is not None:
            table = offer.served.table
            content |= {"generation": table.generation, "revision": table.revision}
        else:
            content |= self._why()
        await _json(send, content, status=200 if offer is not None else 503)

    async def version(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The library's version, as plain text like MLflow's."""
        await respond(send, VERSION.encode(), content_type=b"text/plain; charset=utf-8")

    async def metrics(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """All that is counted."""
        self._ready()  # which generation answers is known without anybody asking a model
        await respond(send, self._metrics.text(), content_type=counted.CONTENT_TYPE.encode())

    async def openapi(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The OpenAPI document, made once for each offer."""
        offer = self._offers()
        if self._document is None or self._document[0] is not offer:
            self._document = offer, orjson.dumps(self._described(offer))
        await respond(send, self._document[1])

    async def server(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The Open Inference Protocol's server metadata."""
        content = {"name": NAME, "version": VERSION, "extensions": list(EXTENSIONS)}
        await _json(send, content)

    async def live(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Whether the server runs."""
        await _json(send, {"live": True})

    async def ready(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Whether models answer."""
        ready = self._ready() is not None
        content: dict[str, Any] = {"live": True, "ready": ready}
        await _json(send, content if ready else content | self._why(), status=200 if ready else 503)

    async def model(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """What a model takes and gives."""
        offer = self._offers()
        name, version = scope["path_params"]["model"], scope["path_params"].get("version")
        offered = offer.model(name, version)
        call_of(scope).model = name
        inputs = {} if offer.unit == REQUEST else {offer.unit: "string"}
        inputs |= {one: feature.dtype for one, feature in offered.features.items()}
        versions = offered.versions if version is None else (version,)
        contract = offer.contract(name, version)
        await _json(send, model_metadata(contract, inputs=inputs, versions=versions))

    async def model_ready(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Whether a model answers; of one that does not exist it is an error."""
        named = scope["path_params"]
        offer = self._offers()
        offer.model(named["model"], named.get("version"))
        call_of(scope).model = named["model"]
        await _json(send, {"name": named["model"], "ready": True})

    def _why(self) -> dict[str, str]:
        """Why nothing answers yet, where somebody knows."""
        said = None if self._unready is None else self._unready()
        return {} if said is None else {"why": said}

    def _ready(self) -> Offer | None:
        try:
            return self._offers()
        except Refused as refusal:
            if refusal.code is not RefusalCode.NOT_READY:
                raise
            return None


async def _json(send: Send, content: dict[str, Any], *, status: int = 200) -> None:
    await respond(send, orjson.dumps(content), status=status)
