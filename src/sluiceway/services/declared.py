"""Reading the file that says which services there are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import Field

from sluiceway.errors import BadInput, Fault
from sluiceway.yaml_file import Shape, parse_shape, read_yaml

_PLACE: Final = re.compile(r"\{([^{}]*)\}")


class ServiceShape(Shape):
    """One service as the file has it."""

    command: list[str] = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65_535)
    ready: str | None = Field(default=None, pattern=r"^/")
    environment: dict[str, str] = {}
    defaults: dict[str, str] = {}
    then: list[list[str]] = []


class ServicesShape(Shape):
    """The whole file."""

    environment: dict[str, str] = {}
    defaults: dict[str, str] = {}
    services: dict[str, ServiceShape] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process that is started and ended.

    Attributes:
        command: Program and arguments, with nothing left to fill in.
        environment: What it finds in its environment beside that of who starts it.
        port: Where it listens on this machine; None where it listens nowhere.
        ready: URL that answers once it can be used; None where being alive is all there is to see.
        then: Commands that are run once it answers, each to its end.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int | None
    ready: str | None
    then: tuple[tuple[str, ...], ...]

    @property
    def url(self) -> str | None:
        """Where people find it; None where it listens nowhere."""
        return None if self.port is None else f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What the file's placeholders stand for.

    Attributes:
        home: Where Sluiceway keeps things.
        shift: Added to every port, so that two sets can run on one machine.
        secrets: By name; what is not in it is asked for by :func:`secrets_named`.
        given: What the environment of who starts them says already; no default stands against it.
        added: What services find in theirs beside that, unless the file says otherwise.
    """

    home: Path
    shift: int
    secrets: Mapping[str, str]
    given: frozenset[str] = frozenset()
    added: Mapping[str, str] = field(default_factory=dict)


def read_services(file: Path) -> ServicesShape:
    """Read the file.

    Raises:
        BadInput: With all that is wrong in it.
    """
    faults: list[Fault] = []
    shape = parse_shape(ServicesShape, read_yaml(file), where=f"{file.name}:", faults=faults)
    if shape is None:
        raise BadInput(faults)
    ports: dict[int, str] = {}
    for name, service in shape.services.items():
        where = f"{file.name}: services.{name}"
        if service.port is not None and ports.setdefault(service.port, name) != name:
            what = f"listens where {ports[service.port]} does: {service.port}"
            faults.append(Fault(where=f"{where}.port", what=what))
        if service.ready is not None and service.port is None:
            faults.append(Fault(where=f"{where}.ready", what="is a path, and there is no port"))
    faults += _unknown_places(shape, file.name)
    if faults:
        raise BadInput(faults)
    return shape


def secrets_named(shape: ServicesShape) -> tuple[str, ...]:
    """Names of the secrets that the file speaks of, sorted."""
    found = {
        name.removeprefix("secret.")
        for text in _texts(shape)
        for name in _PLACE.findall(text)
        if name.startswith("secret.")
    }
    return tuple(sorted(found))


def services_of(shape: ServicesShape, places: Places) -> tuple[Service, ...]:
    """The services in the order in which they are started.

    Raises:
        KeyError: A secret is not given.
    """
    ports = {
        name: service.port + places.shift
        for name, service in shape.services.items()
        if service.port is not None
    }
    known = {
        "home": str(places.home.absolute()),
        "shift": str(places.shift),
        **{f"{name}.url": f"http://127.0.0.1:{port}" for name, port in ports.items()},
        **{f"secret.{name}": value for name, value in places.secrets.items()},
    }
    return tuple(_service(name, shape, ports.get(name), known, places) for name in shape.services)


def _service(
    name: str, shape: ServicesShape, port: int | None, known: Mapping[str, str], places: Places
) -> Service:
    service = shape.services[name]
    own = known if port is None else {**known, "port": str(port)}

    def filled(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(_PLACE.sub(lambda found: own[found[1]], text) for text in texts)

    defaults = {**shape.defaults, **service.defaults}
    standing = {key: text for key, text in defaults.items() if key not in places.given}
    ours = {**standing, **shape.environment, **service.environment}
    told = {key: text for key, text in places.added.items() if key not in ours}
    return Service(
        name=name,
        command=filled(service.command),
        environment={**told, **dict(zip(ours, filled(list(ours.values())), strict=True))},
        port=port,
        ready=None if service.ready is None else f"http://127.0.0.1:{port}{service.ready}",
        then=tuple(filled(one) for one in service.then),
    )


def _unknown_places(shape: ServicesShape, file: str) -> list[Fault]:
    listening = {f"{name}.url" for name, one in shape.services.items() if one.port is not None}
    known = {"home", "shift", *listening}
    faults = []
    for where, texts, has_port in _places(shape):
        for text in texts:
            for name in _PLACE.findall(text):
                if name in known or name.startswith("secret.") or (has_port and name == "port"):
                    continue
                right = ", ".join(sorted(known | ({"port"} if has_port else set())))
                what = f"{{{name}}} stands for nothing here; there are: {right}, secret.NAME"
                faults.append(Fault(where=f"{file}: {where}", what=what))
    return faults


def _places(shape: ServicesShape) -> list[tuple[str, list[str], bool]]:
    found: list[tuple[str, list[str], bool]] = [
        ("environment", list(shape.environment.values()), False),
        ("defaults", list(shape.defaults.values()), False),
    ]
    for name, one in shape.services.items():
        has_port, where = one.port is not None, f"services.{name}"
        found.append((f"{where}.command", one.command, has_port))
        found.append((f"{where}.environment", list(one.environment.values()), has_port))
        found.append((f"{where}.defaults", list(one.defaults.values()), has_port))
        found += [(f"{where}.then[{n}]", command, has_port) for n, command in enumerate(one.then)]
    return found


def _texts(shape: ServicesShape) -> list[str]:
    return [text for _, texts, _ in _places(shape) for text in texts]
