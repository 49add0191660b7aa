"""Reading reports as a browser without a network would."""

import re
from html.parser import HTMLParser
from pathlib import Path

_FETCHES = {"src", "srcset", "data", "poster", "background"}
_LINKING_TAGS = {"link", "use", "image", "script"}


class _References(HTMLParser):
    """Everything that opening the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            links = name in ("href", "xlink:href") and tag in _LINKING_TAGS
            if value and (name in _FETCHES or links) and not value.startswith(("data:", "#")):
                self.fetched.append(f"<{tag} {name}={value!r}>")


def read_self_contained(path: Path) -> str:
    """The page's text, after seeing that it needs nothing but itself and shows pictures."""
    page = path.read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html"), page[:80]
    assert page.rstrip().endswith("</html>")
    references = _References()
    references.feed(page)
    assert references.fetched == []
    styles = re.findall(r"url\(\s*['\"]?(?!data:|#)[^)]+\)|@import[^;]+;", page)
    assert styles == []
    assert references.tags & {"svg", "img"}
    return page
