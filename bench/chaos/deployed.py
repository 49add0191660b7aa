"""What runs while it is broken: everything that `sluiceway up` starts, and a proxy before MLflow.

Services and deployments are those of the repository's files, with what the sweep needs changed:
shorter schedules, fewer flow runs at once, flows behind the seam, and a way to MLflow that
can be broken.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import yaml

from sluiceway.settings import Settings

REPOSITORY: Final = Path(__file__).parents[2]
_SCHEDULES: Final = {"reconcile": 20, "reap": 60, "evaluate-canaries": 120}
"""Seconds between two runs; the shipped ones are 60, 120 and 300."""
_PORTS: Final = (4200, 5000, 5900, 8080, 8787)
"""Of the services, and of the proxy."""


def free_shift() -> int:
    """What to add to every port so that nobody listens there."""
    for shift in range(7_500, 20_000, 250):
        if not any(_is_taken(port + shift) for port in _PORTS):
            return shift
    raise RuntimeError("every port is taken")


def _is_taken(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


class Deployed:
    """The services, by name, and what can be asked of them."""

    def __init__(self, folder: Path, settings: Settings, shift: int) -> None:
        self.folder, self.settings, self._shift = folder, settings, shift
        self.seam = folder / "seam"
        self.proxy_port = 5900 + shift
        self.mlflow_url = f"http://127.0.0.1:{5000 + shift}"
        self.prefect_api = f"http://127.0.0.1:{4200 + shift}/api"
        self.gateway_url = f"http://127.0.0.1:{8080 + shift}"

    def write(self) -> None:
        """Write services and deployments."""
        self.seam.mkdir(parents=True, exist_ok=True)
        declared = yaml.safe_load((REPOSITORY / "deployments/services.yaml").read_text("utf-8"))
        proxy = f"http://127.0.0.1:{self.proxy_port}"
        declared["environment"] |= {"MLFLOW_TRACKING_URI": proxy, "SLUICEWAY_TRACKING_URI": proxy}
        declared["environment"] |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
        services = declared["services"]
        deployments = self.folder / "prefect.yaml"
        services["prefect"]["then"] = [
            services["prefect"]["then"][0],
            ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(deployments)],
        ]
        services["keeper"]["command"] += ["--services", str(self._services)]
        self._services.write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")
        deployments.write_text(yaml.safe_dump(self._deployments(), sort_keys=False), "utf-8")

    @property
    def _services(self) -> Path:
        return self.folder / "services.yaml"

    def _deployments(self) -> dict[str, Any]:
        made: dict[str, Any] = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text("utf-8"))
        # Else Prefect copies the whole folder for each run that has a command of its own.
        stays = "prefect.deployments.steps.set_working_directory"
        made["pull"] = [{stays: {"directory": str(REPOSITORY)}}]
        command = shlex.join([sys.executable, "-m", "bench.chaos.seam", str(self.seam)])
        for one in made["deployments"]:
            one["work_pool"] = {**one["work_pool"], "job_variables": {"command": command}}
            if one["name"] in _SCHEDULES:
                one["schedules"] = [{"interval": _SCHEDULES[one["name"]]}]
        return made

    def ran(self, *arguments: str, check: bool = True) -> str:
        """Run a command of `sluiceway`."""
        done = subprocess.run(
            [sys.executable, "-m", "sluiceway", *arguments],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"sluiceway {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def up(self) -> Iterator[None]:
        """Start everything, and end it."""
        self.write()
        try:
            shift = str(self._shift)
            self.ran("up", "--json", "--shift", shift, "--services", str(self._services))
            yield
        finally:
            self.ran("down", check=False)

    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """What there is to know of each service, by name."""
        said = self.settings.home / "services" / "running.json"
        return {one["name"]: one for one in json.loads(said.read_text("utf-8"))}

    def kill(self, service: str, *, whole: bool) -> int:
        """End a service at once.

        Args:
            whole: Also what listens for it, where that is another process, as with MLflow's.

        Returns:
            The id of its process.
        """
        pid = int(self.services()[service]["pid"])
        family = [psutil.Process(pid)]
        if whole and service == "mlflow":
            family += family[0].children(recursive=True)
        for one in family:
            one.send_signal(signal.SIGKILL)
        return pid

    def serves(self, service: str, *, beside: int) -> bool:
        """Whether another process of a service lives, and answers."""
        found = self.services()[service]
        if found["pid"] == beside or not psutil.pid_exists(int(found["pid"])):
            return False
        paths = {
            "mlflow": "/health",
            "prefect": "/api/health",
            "receiver": "/health",
            "gateway": "/v2/health/ready",
        }
        if service not in paths:
            return True
        try:
            answer = httpx.get(f"{found['url']}{paths[service]}", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.is_success


def environment_of(deployed: Deployed) -> dict[str, str]:
    """What commands and clients of the sweep find in their environment."""
    settings = deployed.settings
    return {
        "SLUICEWAY_SYSTEM": str(settings.system),
        "SLUICEWAY_HOME": str(settings.home),
        "SLUICEWAY_ENVIRONMENT": settings.environment,
        "SLUICEWAY_ACTOR": "chaos",
        "SLUICEWAY_TRACKING_URI": deployed.mlflow_url,
        "PREFECT_API_URL": deployed.prefect_api,
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)]),
    }
