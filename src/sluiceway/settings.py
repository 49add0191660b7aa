"""Where everything is: read from the environment, with a default that needs no server."""

import os
from collections.abc import Container, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

HOME = Path(".sluiceway")
"""Where things are kept by default, below the folder one is in."""
_OURS: Final = "sluiceway_"
_ALIKE: Final = 0.75
"""From which likeness on, 0 to 1, one name is taken for another that was misspelt."""
ELSEWHERE: Final = {"actor", "approver_keys", "gateway_tokens", "webhook_secret"}
"""Settings of ours that are read where they are needed, and are no fields of :class:`Settings`."""


def kept_lines(home: Path) -> Mapping[str, str]:
    """What ``settings.env`` in the home folder says, other programs' settings included."""
    return {name: value or "" for name, value in dotenv_values(_kept_in(home)).items()}


def place_of(setting: str) -> str | None:
    """File and line that say a setting; None where the environment does, or nobody.

    Args:
        setting: Its name without ours before it, such as ``database_url``.
    """
    variable, file = f"{_OURS}{setting}", _kept_in(_home())
    if variable in (name.lower() for name in os.environ) or not file.is_file():
        return None
    with file.open(encoding="utf-8") as lines:
        said = [b.original for b in parse_stream(lines) if (b.key or "").lower() == variable]
    # Blank lines before a statement are counted to it. Of two that say the same, the last holds.
    return f"{file}: line {said[-1].line + _blank(said[-1].string)}" if said else None


def _blank(statement: str) -> int:
    """How many blank lines a statement begins with."""
    return statement[: len(statement) - len(statement.lstrip())].count("\n")


def _home() -> Path:
    return Path(os.environ.get("SLUICEWAY_HOME", HOME))


def _kept_in(home: Path) -> Path:
    return home / "settings.env"


class _KeptSettings(DotEnvSettingsSource):
    """Those lines of the file that are :class:`Settings`; an unknown one of ours is a fault."""

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        found = super().__call__()
        return {name: found[name] for name in found if name in fields} | _unknown(found, fields)


class _EnvironmentSettings(EnvSettingsSource):
    """Those variables that are :class:`Settings`; one that is almost spelt so is a fault.

    Others are left alone: people name variables of theirs after us, and so does Kubernetes.
    """

    def __call__(self) -> dict[str, Any]:
        unknown = _unknown(self.env_vars, self.settings_cls.model_fields)
        misspelt = {name: unknown[name] for name in unknown if meant_by(name) is not None}
        return super().__call__() | misspelt


def _unknown(given: Iterable[str], fields: Container[str]) -> dict[str, str]:
    """Settings that look like ours and are none, and where they stand.

    What they say is not given: it may be a secret.
    """
    ours = (name.removeprefix(_OURS) for name in given if name.startswith(_OURS))
    wrong = (name for name in ours if name not in fields and name not in ELSEWHERE)
    return {name: place_of(name) or "the environment" for name in wrong}


def meant_by(name: str) -> str | None:
    """The setting that somebody may have meant by a name which is none; None where nobody knows."""
    known = [*Settings.model_fields, *ELSEWHERE]
    alike = get_close_matches(name.lower().removeprefix(_OURS), known, n=1, cutoff=_ALIKE)
    return f"SLUICEWAY_{alike[0].upper()}" if alike else None


class Settings(BaseSettings):
    """Settings of one environment; each is read from ``SLUICEWAY_<NAME>``.

    What the environment does not say is read from ``settings.env`` in the home folder, where there
    is one. Settings of other programs may stand there too: `sluiceway up` hands all to what it
    starts.

    Attributes:
        system: The system file.
        environment: Name of what is served, such as ``production``.
        home: Folder for all that Sluiceway keeps by default.
        data: What ``{data}`` stands for in the loaders of the system file.
        database_url: The journal's database: ``sqlite:///…``, or ``postgresql://…`` with the extra
            ``postgres``; may hold a password, so it is never shown.
        tracking_uri: The MLflow registry.
        served_at: Versions that servers which exist answer for, as JSON object:
            ``{"dep_delay@2": "mlflow+http://127.0.0.1:5001"}``. What they have loaded is not
            compared with what was verified.
        progress: Whether long operations draw a bar on standard error.
        hash_key: Secret of the hashes that the log keeps instead of units and inputs.
    """

    model_config = SettingsConfigDict(env_prefix="SLUICEWAY_", frozen=True, extra="forbid")

    system: Path = Path("system.yaml")
    environment: str = Field(default="production", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    home: Path = HOME
    data: Path | None = None
    database_url: str | None = Field(default=None, repr=False)
    tracking_uri: str | None = Field(default=None, repr=False)
    served_at: dict[str, str] = Field(default_factory=dict, repr=False)
    progress: bool = False
    hash_key: SecretStr | None = Field(default=None, repr=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - which passes over names
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - of a file fixed beforehand
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file in the home folder that these name."""
        kept = _KeptSettings(settings_cls, env_file=_kept_in(_home()))
        return init_settings, _EnvironmentSettings(settings_cls), kept, file_secret_settings

    @property
    def journal_url(self) -> str:
        """URL of the journal's database."""
        return self.database_url or f"sqlite:///{self._journal_file.absolute()}"

    @property
    def may_have_journal(self) -> bool:
        """Whether there may be a journal; asked without making one."""
        return self.database_url is not None or self._journal_file.exists()

    @property
    def _journal_file(self) -> Path:
        return self.home / "journal.db"

    @property
    def registry_uri(self) -> str:
        """URI of the MLflow tracking server or database."""
        return self.tracking_uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"

    @property
    def data_folder(self) -> Path:
        """The folder behind ``{data}``."""
        return self.data or self.home / "data"

    @property
    def folder(self) -> Path:
        """What belongs to this environment alone."""
        return self.home / self.environment

    @property
    def routing_file(self) -> Path:
        """The flag file that servers read."""
        return self.folder / "routing.json"

    @property
    def prediction_folder(self) -> Path:
        """Where live answers are logged."""
        return self.folder / "predictions"

    @property
    def serving_folder(self) -> Path:
        """What the gateway's processes share: log, labels, heartbeats."""
        return self.folder / "serving"

    @property
    def evidence_root(self) -> str | None:
        """Where MLflow keeps the rollouts' artifacts; None leaves it to its server."""
        served = self.registry_uri.startswith(("http://", "https://"))
        return None if served else (self.home / "mlartifacts").absolute().as_uri()

    @property
    def heartbeat_folder(self) -> Path:
        """Where each gateway says which table it follows."""
        return self.folder / "serving" / "gateways"

    def rollout_folder(self, rollout_id: str) -> Path:
        """Where a rollout keeps its own copy of the system file, and its report."""
        return self.folder / "rollouts" / rollout_id
