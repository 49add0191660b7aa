"""Ports that die at the k-th call, before or after it took effect, as under kill -9."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from sluiceway.steps.site import Site

WRITES = {
    "journal": ("append", "move_champion"),
    "registry": ("set_alias", "remove_alias", "set_tag"),
    "router": ("apply",),
    "predictions": ("write",),
}


class Killed(BaseException):
    """No exception that anything may catch: the process is gone."""


@dataclass
class Fuse:
    """Counts calls and blows once.

    Attributes:
        at: Which call, from 1; 0 never blows.
        after: Whether the call takes effect first.
        error: What is raised.
    """

    at: int = 0
    after: bool = False
    error: type[BaseException] = Killed
    calls: int = 0

    def around(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        blows = self.calls == self.at
        if blows and not self.after:
            raise self.error("blown before the call")
        answer = call()
        if blows:
            raise self.error("blown after the call")
        return answer


class Fused:
    """A port whose named calls go through a fuse."""

    def __init__(self, port: object, calls: Collection[str] | None, fuse: Fuse) -> None:
        self._port, self._calls, self._fuse = port, calls, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found) or (self._calls is not None and name not in self._calls):
            return found
        return lambda *args, **more: self._fuse.around(lambda: found(*args, **more))


def fused(site: Site, fuse: Fuse, ports: Collection[str] = tuple(WRITES)) -> Site:
    """The same world behind a fuse on every write of these ports."""
    parts = {name: Fused(getattr(site, name), WRITES[name], fuse) for name in ports}
    return replace(site, **parts)  # type: ignore[arg-type]
