"""What the gateway counts, for Prometheus.

Children of labels are kept, so that counting an answer is a few dictionary reads; every label comes
from the system, the releases or our own codes, never from a client.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sluiceway.gateway.watching import HardRule
from sluiceway.serving.breaker import Breaker, BreakerState
from sluiceway.serving.protocols.offer import Offer
from sluiceway.serving.served import Version
from sluiceway.serving.values import ArmAnswers, Reply

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

MIXED: Final = "mixed"
"""Stands for the arm of a request whose rows several arms answered."""

_BUCKETS: Final = (
    *(0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
    *(0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentsSeen:
    """What is resident here at one moment, and what should be.

    Attributes:
        versions: ``loaded``, ``loading`` or ``failed`` by version that is wanted or here.
        failed_generation: The champion's generation that is wanted and cannot be loaded; else 0.
        alarm: What a person should look at; None where there is nothing.
    """

    versions: Mapping[Version, str]
    failed_generation: int
    alarm: str | None


class Metrics:
    """Everything that is counted; other parts of the gateway call what concerns them.

    Implements :class:`sluiceway.gateway.watching.Observer`.

    Attributes:
        registry: Of prometheus_client; others may register more.
    """

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._requests = Counter(
            "sluiceway_requests",
            "Requests for a model's answer, by what became of them; code is ok or a refusal's.",
            ("model", "version", "arm", "code"),
            registry=registry,
        )
        self._rows = Counter(
            "sluiceway_rows",
            "Rows that were answered.",
            ("model", "version", "arm"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "sluiceway_request_seconds",
            "From the headers' arrival to the answer, of requests that were answered.",
            ("model", "arm"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._model_seconds = Histogram(
            "sluiceway_model_seconds",
            "Of one model on the way to an answer.",
            ("model", "version", "arm"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._fallbacks = Counter(
            "sluiceway_fallbacks",
            "Rows in which something stood in for a model's own answer.",
            ("model", "version", "arm", "reason"),
            registry=registry,
        )
        self._withheld = Counter(
            "sluiceway_withheld",
            "Rows that are no evidence for a rollout: they lack what the version demands of them, "
            "or a flag pins it.",
            ("model", "version", "because"),
            registry=registry,
        )
        self._refused = Counter(
            "sluiceway_refused", "Requests that were refused.", ("code",), registry=registry
        )
        self._forced = Counter(
            "sluiceway_forced_arms",
            "Requests of testers who chose the arm.",
            ("model", "arm"),
            registry=registry,
        )
        self._mirror_dropped = Counter(
            "sluiceway_mirror_dropped",
            "Rows that the other arm was to answer too, and did not for want of time.",
            registry=registry,
        )
        self._log_queue = Gauge(
            "sluiceway_log_queue", "Answers that wait to be written down.", registry=registry
        )
        self._log_lost = Counter(
            "sluiceway_log_lost", "Answers that were not written down.", registry=registry
        )
        self._breaker = Gauge(
            "sluiceway_breaker_state",
            "0 closed, 1 trying, 2 open; of every version that may be asked.",
            ("model", "version"),
            registry=registry,
        )
        self._halted = Counter(
            "sluiceway_halted",
            "Candidates that lost their traffic by a hard rule.",
            ("model", "version", "rule"),
            registry=registry,
        )
        self._generation = Gauge(
            "sluiceway_loaded_generation", "The champion's generation.", registry=registry
        )
        self._revision = Gauge(
            "sluiceway_routing_revision",
            "Revision of the routing table that is followed.",
            registry=registry,
        )
        self._flags_broken = Gauge(
            "sluiceway_flags_broken",
            "1 while the flag file cannot be read and the last good one is followed.",
            registry=registry,
        )
        self._versions = Gauge(
            "sluiceway_version_state",
            "1 for what a version that is wanted here is: loaded, loading or failed.",
            ("model", "version", "state"),
            registry=registry,
        )
        self._failed_generation = Gauge(
            "sluiceway_failed_generation",
            "The champion's generation that is wanted and cannot be loaded; 0 where all is well.",
            registry=registry,
        )
        self._alarm = Gauge(
            "sluiceway_alarm",
            "1 while something waits for a person; `sluiceway gateways` says what.",
            registry=registry,
        )
        self._looks: list[Callable[[], None]] = []
        self._answered: dict[tuple[str, str, str], Counter] = {}
        self._answered_rows: dict[tuple[str, str, str], Counter] = {}
        self._took: dict[tuple[str, str], Histogram] = {}
        self._model_took: dict[tuple[str, str, str], Histogram] = {}

    def answered(self, reply: Reply, offer: Offer, *, seconds: float) -> None:
        """Count an answer.

        Args:
            offer: What was offered when it was asked; knows the versions of its releases.
            seconds: Wall time of the whole request.
        """
        model = reply.question.model
        several = len(reply.arms) > 1
        for arm in reply.arms:
            name = arm.arm.value
            version = reply.question.version or offer.version_of(model, arm.release)
            key = model, version, name
            rows = self._answered_rows.get(key)
            if rows is None:
                rows = self._answered_rows[key] = self._rows.labels(*key)
            rows.inc(len(arm.rows))
            if (kept := arm.withheld) is not None:
                why = (kept.model, kept.version, kept.because.value)
                self._withheld.labels(*why).inc(len(arm.rows))
            self._chain(arm, name, offer)
        overall = MIXED if several else name
        key = model, "" if several else version, overall
        requests = self._answered.get(key)
        if requests is None:
            requests = self._answered[key] = self._requests.labels(*key, "ok")
        requests.inc()
        took = self._took.get((model, overall))
        if took is None:
            took = self._took[model, overall] = self._request_seconds.labels(model, overall)
        took.observe(seconds)

    def refused(self, code: str, *, model: str | None = None) -> None:
        """Count a refusal.

        Args:
            code: Of :class:`~sluiceway.serving.refusals.RefusalCode`.
            model: A model of the system that was asked; None where it is none or none was.
        """
        self._refused.labels(code).inc()
        if model is not None:
            self._requests.labels(model, "", "", code).inc()

    def forced(self, model: str, arm: str) -> None:
        """Count a request whose arm a tester chose."""
        self._forced.labels(model, arm).inc()

    def mirror_dropped(self, rows: int) -> None:
        """Count rows that the mirror let go."""
        self._mirror_dropped.inc(rows)

    def log_queue(self, waiting: int) -> None:
        """Say how many answers wait for the prediction log."""
        self._log_queue.set(waiting)

    def log_lost(self, rows: int) -> None:
        """Count answers that the prediction log will not hold."""
        self._log_lost.inc(rows)

    def breaker_moved(self, version: Version, state: BreakerState) -> None:
        """Say how a version's breaker stands."""
        self._breaker.labels(*version).set(_STATES[state])

    def halted(self, rule: HardRule) -> None:
        """Count a candidate that lost its traffic by a hard rule."""
        self._halted.labels(rule.model, rule.version, rule.code).inc()

    def serves(self, *, generation: int, revision: int) -> None:
        """Say which generation and which revision of the routing table answer now."""
        self._generation.set(generation)
        self._revision.set(revision)

    def flags_broken(self, broken: Callable[[], bool]) -> None:
        """Say who knows whether the flag file is broken; asked whenever somebody reads."""
        self._flags_broken.set_function(lambda: float(broken()))

    def breakers(self, now: Callable[[], Mapping[Version, Breaker]]) -> None:
        """Say who knows how the breakers of all versions stand; asked whenever somebody reads."""

        def look() -> None:
            self._breaker.clear()
            for version, breaker in now().items():
                self._breaker.labels(*version).set(_STATES[breaker.state])

        self._looks.append(look)

    def residents(self, now: Callable[[], ResidentsSeen]) -> None:
        """Say who knows what is resident and what is not; asked whenever somebody reads."""

        def look() -> None:
            seen = now()
            self._versions.clear()
            for version, state in seen.versions.items():
                self._versions.labels(*version, state).set(1)
            self._failed_generation.set(seen.failed_generation)
            self._alarm.set(seen.alarm is not None)

        self._looks.append(look)

    def text(self) -> bytes:
        """All of it, as :data:`CONTENT_TYPE` says."""
        for look in self._looks:
            look()
        return generate_latest(self.registry)

    def _chain(self, arm: ArmAnswers, name: str, offer: Offer) -> None:
        """What each model on the way took, and where something stood in for it."""
        for model, seconds in arm.seconds.items():
            version = offer.version_of(model, arm.release)
            took = self._model_took.get((model, version, name))
            if took is None:
                took = self._model_seconds.labels(model, version, name)
                self._model_took[model, version, name] = took
            took.observe(seconds)
        for model, reasons in arm.stand_ins.items():
            counts: dict[str, int] = {}
            for reason in reasons.tolist():
                if reason:
                    counts[str(reason)] = counts.get(str(reason), 0) + 1
            version = offer.version_of(model, arm.release)
            for reason, count in counts.items():
                self._fallbacks.labels(model, version, name, reason).inc(count)


_STATES: Final[Mapping[BreakerState, int]] = {
    BreakerState.CLOSED: 0,
    BreakerState.TRYING: 1,
    BreakerState.OPEN: 2,
}
