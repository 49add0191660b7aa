"""The command line: parses, calls, renders, returns a code.

0 is yes, 1 is no, 2 is wrong usage or bad input, 3 is cannot tell.
"""

import os
import re
import sys
import traceback

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError
from rich.console import Console
from rich.text import Text

from sluiceway.cli import (  # register their commands
    label_commands,  # noqa: F401
    ownership_commands,  # noqa: F401
    receive_command,  # noqa: F401
    serve_command,  # noqa: F401
    serving_commands,  # noqa: F401
    up_commands,  # noqa: F401
)
from sluiceway.cli.commands import app
from sluiceway.errors import BadInput, SluicewayError
from sluiceway.journal import JournalUnavailable
from sluiceway.ports import RegistryUnavailable
from sluiceway.settings import Settings, meant_by, place_of

_ERRORS = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; errors of ours are told in words, never as a traceback.

    Whatever else goes wrong is 3, for Python's own 1 would say "no".
    """
    # MLflow tells each table it makes as news; it reads this when it is imported, which is later.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        app(prog_name="sluiceway")
    except Exception as error:  # noqa: BLE001 - the last place where an error can be told
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    """Say what went wrong; give the code."""
    match error:
        case ExceptionGroup():
            return min(_told(one) for one in error.exceptions)
        case BadInput():
            for fault in error.faults:
                _say(str(fault))
            return 2
        case ValidationError() if error.title == "Settings":
            for wrong in error.errors():
                _say(_mistaken(wrong))
            return 2
        case SettingsError():
            _say(_unparsed(error))
            return 2
        case JournalUnavailable():
            _say(f"{error} (SLUICEWAY_DATABASE_URL says where the journal is)")
            return 3
        case RegistryUnavailable():
            _say(f"{error} (SLUICEWAY_TRACKING_URI says where the registry is)")
            return 3
        case SluicewayError() | LookupError() | OSError():
            _say(str(error.args[0] if isinstance(error, KeyError) and error.args else error))
            return 3
    traceback.print_exception(error)
    return 3


def _mistaken(wrong: ErrorDetails) -> str:
    """Which setting is wrong, where, and why; what it says only where that is no secret."""
    field = str(wrong["loc"][0])
    name = _named(field)
    if field in Settings.model_fields:
        is_shown = Settings.model_fields[field].repr
        return f"{name}: {wrong['msg']}" + (f", it is {wrong['input']!r}" if is_shown else "")
    meant = meant_by(field)
    return f"{name}: there is no such setting; " + (
        f"is {meant} meant?" if meant else "see docs/operating.md for those there are"
    )


def _unparsed(error: SettingsError) -> str:
    """Which setting is no JSON; its value may be a secret and is not told."""
    named = re.search(r'field "(\w+)"', str(error))
    setting = _named(named[1]) if named else "a setting"
    return f"{setting}: is no JSON; {error.__cause__ or error}"


def _named(setting: str) -> str:
    """The variable of a setting, after the place in the file where it was read from one."""
    place, variable = place_of(setting), f"SLUICEWAY_{setting.upper()}"
    return f"{place}: {variable}" if place else variable


def _say(text: str) -> None:
    """Faults quote what people wrote, brackets included, so they are no markup."""
    _ERRORS.print(Text.assemble(("✗ ", "red"), text))
