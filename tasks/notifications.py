"""The task that tells people what happened."""

from datetime import UTC, datetime

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from sluiceway.adapters.notifier import AppriseNotifier
from sluiceway.adapters.told_beside import ToldBeside
from sluiceway.journal import JournalUnavailable
from sluiceway.notices import CameTo
from sluiceway.settings import Settings
from sluiceway.steps import chain, notifying
from sluiceway.wiring import opened
from tasks.retrying import side_effect


@side_effect("tell people")
def tell_people(settings: Settings, as_of: datetime | None) -> None:
    """Send what is due. No channel that fails, and no journal that is away, stops a rollout."""
    try:
        with opened(settings) as site:
            came = notifying.tell_people(
                site, AppriseNotifier(block=_secret), now=as_of or datetime.now(UTC)
            )
    except JournalUnavailable as error:
        get_run_logger().warning("nobody was told anything, the next run does: %s", error)
        return
    for one in came:
        if one.came_to is CameTo.FAILED:
            get_run_logger().warning("%s was not told of %s: %s", one.channel, one.title, one.fault)


@side_effect("check the journal")
def check_journal(settings: Settings) -> None:
    """Refuse to go on by a journal that is not what was written; everybody is told, once.

    Raises:
        JournalAltered: Rows were changed or are missing.
    """
    with opened(settings) as site:
        faults = chain.altered(site)
        if not faults:
            return
        altered, send = chain.JournalAltered(faults), AppriseNotifier(block=_secret)
        told = ToldBeside(settings.folder / "told-beside-the-journal.json")
        try:
            notifying.tell_altered(site, send, told, altered, now=datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - that nobody can be told hides nothing
            get_run_logger().warning("nobody could be told: %s", error)
    raise altered


def _secret(name: str) -> str | None:
    """What a Secret block of the server holds; None where there is no such block or no server."""
    if get_current_settings().api.url is None:
        return None
    with get_client(sync_client=True) as client:
        try:
            document = client.read_block_document_by_name(name, "secret")
        except ObjectNotFound:
            return None
    value = document.data.get("value")
    return value if isinstance(value, str) else None
