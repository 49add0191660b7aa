"""Markdown as the pages that other programs show need it: tables, and text that opens no markup."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(cell(one) for one in row)} |" for row in rows),
    ]


def cell(text: str) -> str:
    """One line that ends no cell and opens no markup."""
    plain = " ".join(text.split())
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
