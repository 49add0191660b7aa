"""Starting services one after the other, and ending exactly those that were started."""

import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil
from cryptography.fernet import Fernet

from sluiceway.adapters.server_versions import strange_database
from sluiceway.errors import BadInput, Fault, SluicewayError
from sluiceway.services.declared import Service

_STARTS_WITHIN: Final = 180.0
"""Seconds a service may take to answer: a first start compiles and migrates."""
_ENDS_WITHIN: Final = 20.0
"""Seconds it may take to end by itself once it is asked to."""
_LOOKS_EVERY: Final = 1.0
"""Seconds between two looks at what was started."""
_LONGEST_PAUSE: Final = 60.0
"""Most seconds between two starts of a service that dies again and again."""
_STEADY_AFTER: Final = 120.0
"""Seconds after which a service that was started again counts as one that lives."""
_TAIL: Final = 2_000
"""Characters of a log that are told."""


class ServiceFailed(SluicewayError):
    """A service ended, or did not answer in time; what had been started was ended again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service that was started.

    Attributes:
        pid: Its process, which leads a group of its own.
        began: When that process began (s since the epoch), for an id may be given again.
        url: Where it listens; None where it does not.
    """

    name: str
    pid: int
    began: float
    url: str | None

    @property
    def lives(self) -> bool:
        """Whether that very process lives."""
        return _process(self) is not None


class ServiceBook:
    """Which services run, written down below the home folder.

    Args:
        folder: Where it keeps the book, and a log for each service.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "running.json"
        self._children: list[subprocess.Popen[bytes]] = []
        self._said_before: dict[str, int] = {}  # bytes of each log from before its service began

    def log(self, name: str) -> Path:
        """Where a service writes what it says."""
        return self._folder / f"{name}.log"

    def running(self) -> tuple[Running, ...]:
        """All that were started and not ended, in the order of their start.

        Raises:
            BadInput: The book cannot be read.
        """
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            return tuple(Running(**one) for one in content)
        except FileNotFoundError:
            return ()
        except (ValueError, TypeError) as error:
            what = (
                "cannot be read, so nobody knows what `sluiceway up` started; end what still "
                f"listens on its ports, and remove the file ({error})"
            )
            raise BadInput([Fault(where=str(self._file), what=what)]) from error

    def start(self, services: Sequence[Service], told: Callable[[str], None]) -> None:
        """Start services, each once the one before it answers.

        Args:
            told: Is told in words what happens.

        Raises:
            BadInput: Some run already, or a port is taken; nothing was started.
            ServiceFailed: One did not come up; all were ended again.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._turn():
            self._refuse(services)
            self._start(services, told)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Keep others from starting as well; whoever dies has had their turn.

        Raises:
            BadInput: Somebody else is about to start services.
        """
        with (self._folder / ".up.lock").open("w") as turn:
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                what = "another `sluiceway up` is under way; wait for it, or end it"
                raise BadInput([Fault(where=str(self._folder), what=what)]) from error
            yield

    def _start(self, services: Sequence[Service], told: Callable[[str], None]) -> None:
        begun: list[Running] = []
        try:
            for service in services:
                begun.append(self._begin(service))
                self._write(begun)
                self._await(service, begun[-1])
                for command in service.then:
                    self._run(service, command)
                told(f"{service.name} is up" + (f": {service.url}" if service.url else ""))
        except BaseException:
            self.end(lambda _: None)
            raise

    def keep(
        self, services: Sequence[Service], told: Callable[[str], None], goes_on: Callable[[], bool]
    ) -> None:
        """Start again what was started and has died, for as long as it is to go on.

        One that dies again and again is started ever more rarely. Nothing is started that was not
        up before, and nothing after `down`.
        """
        by_name = {service.name: service for service in services}
        due: dict[str, float] = {}
        pauses: dict[str, float] = {}
        while goes_on():
            time.sleep(_LOOKS_EVERY)
            for one in self.running():
                now = time.monotonic()
                if one.lives:
                    if now > due.get(one.name, 0.0) + _STEADY_AFTER:
                        pauses.pop(one.name, None)
                    continue
                if one.name not in by_name or now < due.get(one.name, 0.0):
                    continue
                pauses[one.name] = min(2 * pauses.get(one.name, 0.5), _LONGEST_PAUSE)
                due[one.name] = now + pauses[one.name]
                with suppress(OSError):  # a full disk, for one: the next look tries again
                    began = self._begin_again(one, by_name[one.name])
                    told(f"{one.name} had died and was started again, as process {began.pid}")
            for child in self._children:
                child.poll()  # what has died is this process's to bury

    def _begin_again(self, dead: Running, service: Service) -> Running:
        """Start a service that has died, and write it down: both or neither.

        Raises:
            OSError: It cannot be started, or nothing can be written.
        """
        if service.port is not None:  # flow runs of a worker go on without it
            _end_left(dead)
        began = self._begin(service)
        try:
            self._write([began if one.name == dead.name else one for one in self.running()])
        except OSError:
            _end(psutil.Process(began.pid), frozenset())
            raise
        return began

    def end(self, told: Callable[[str], None]) -> int:
        """End all that was started, the last one first.

        Returns:
            How many were still alive.
        """
        alive = 0
        known = frozenset(one.pid for one in self.running())
        for one in reversed(self.running()):
            process = _process(one)
            if process is not None:
                alive += 1
                _end(process, known - {one.pid})
                told(f"{one.name} has ended")
            _end_left(one)
        for child in self._children:
            child.wait()  # what this very process started is its to bury
        self._children.clear()
        self._file.unlink(missing_ok=True)
        return alive

    def _refuse(self, services: Sequence[Service]) -> None:
        faults = [
            Fault(
                where=one.name, what=f"runs already, as process {one.pid}; sluiceway down ends it"
            )
            for one in self.running()
            if one.lives
        ]
        if not faults:
            faults = [
                Fault(
                    where=one.name,
                    what=f"port {one.port} is taken by another program; "
                    "end that, or shift all ports: sluiceway up --shift 100",
                )
                for one in services
                if one.port is not None and _is_taken(one.port)
            ]
        if faults:
            raise BadInput(faults)

    def _begin(self, service: Service) -> Running:
        with self.log(service.name).open("ab") as log:
            self._said_before[service.name] = log.tell()
            process = subprocess.Popen(
                _found(service.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **service.environment},
            )
        self._children.append(process)
        return Running(
            name=service.name,
            pid=process.pid,
            began=psutil.Process(process.pid).create_time(),
            url=service.url,
        )

    def _await(self, service: Service, running: Running) -> None:
        until = time.monotonic() + _STARTS_WITHIN
        while running.lives:
            if service.ready is None:
                return
            with suppress(httpx.HTTPError):
                answer = httpx.get(service.ready, timeout=2, trust_env=False)
                if answer.status_code == httpx.codes.OK:
                    return
            if time.monotonic() > until:
                raise self._failed(service.name, f"does not answer within {_STARTS_WITHIN:g} s")
            time.sleep(0.1)
        raise self._failed(service.name, "ended by itself")

    def _run(self, service: Service, command: Sequence[str]) -> None:
        with self.log(service.name).open("ab") as log:
            done = subprocess.run(
                _found(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **service.environment},
                timeout=_STARTS_WITHIN,
                check=False,
            )
        if done.returncode:
            raise self._failed(service.name, f"{' '.join(command)} ended with {done.returncode}")

    def _failed(self, name: str, what: str) -> ServiceFailed:
        said = self.log(name).read_bytes()[self._said_before.get(name, 0) :]
        last = said.decode(errors="replace")[-_TAIL:]
        if (why := strange_database(last)) is not None:
            return ServiceFailed(f"{name} {what}: {why} ({self.log(name)})")
        return ServiceFailed(f"{name} {what}; its log ends so:\n{last}")

    def _write(self, running: Sequence[Running]) -> None:
        written = self._file.with_suffix(".tmp")
        written.write_text(json.dumps([asdict(one) for one in running], indent=1), "utf-8")
        written.replace(self._file)


def kept_secrets(folder: Path, names: Sequence[str]) -> Mapping[str, str]:
    """Secrets that are made at first use and kept, each in a file that only its owner may read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = {}
    for name in names:
        file = folder / name
        if not file.exists():
            made = Fernet.generate_key().decode() if "encryption" in name else secrets.token_hex(32)
            with suppress(FileExistsError):
                handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8") as written:
                    written.write(made)
        kept[name] = file.read_text(encoding="utf-8").strip()
    return kept


def _found(command: Sequence[str]) -> list[str]:
    """Programs of our own environment are taken from there, whatever the shell would find."""
    beside = Path(sys.executable).parent / command[0]  # an absolute path stays what it is
    return [str(beside) if beside.exists() else command[0], *command[1:]]


def _is_taken(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _process(running: Running) -> psutil.Process | None:
    """The very process that was started, if it lives."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(running.pid)
        same = abs(process.create_time() - running.began) < 1.0
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _end_left(running: Running) -> None:
    """End what is left of a service that has died: it may still listen where the next one is to.

    All that it started is in the session that it began. While any of that lives, its id is not
    given to another program; where another has it, nothing is left.
    """
    with suppress(psutil.NoSuchProcess):
        if abs(psutil.Process(running.pid).create_time() - running.began) >= 1.0:
            return
    left = []
    for one in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getsid(one.pid) == running.pid != one.pid:
                one.kill()
                left.append(one)
    psutil.wait_procs(left, timeout=_ENDS_WITHIN)


def _end(process: psutil.Process, others: frozenset[int]) -> None:
    """End a process and all it started: asked first, then forced.

    Args:
        others: Ids of services that have their own turn, though this one may have started them.
    """
    family = [*_children(process, others), process]
    process.terminate()
    _, left = psutil.wait_procs([process], timeout=_ENDS_WITHIN)
    for one in [*family, *(c for p in left for c in _children(p, others))]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(family, timeout=_ENDS_WITHIN)


def _children(process: psutil.Process, others: frozenset[int]) -> list[psutil.Process]:
    """All that a process started, and what these started, without other services."""
    found: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        for child in process.children():
            if child.pid not in others:
                found += [child, *_children(child, others)]
    return found
