"""The Prefect project that a new system begins with: the very files this project runs itself.

The wheel carries them beside the library; in a checkout they are where they always are.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from sluiceway.errors import BadInput, Fault

PARTS: Final = ("flows", "tasks", "deployments", "prefect.yaml")
"""What a project takes over as it is."""


def project_files() -> dict[str, str]:
    """Text of every file a project takes over, by its relative path.

    Raises:
        FileNotFoundError: This installation lacks them.
    """
    bundled = Path(str(files("sluiceway") / "project"))
    origin = bundled if bundled.is_dir() else Path(__file__).parents[3]
    found = {
        path.relative_to(origin).as_posix(): path.read_text(encoding="utf-8")
        for part in PARTS
        for path in _files_below(origin / part)
    }
    if "prefect.yaml" not in found:
        raise FileNotFoundError(f"this installation has no project files at {origin}")
    return found


def _files_below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for one in sorted(path.rglob("*")):
        if one.is_file() and "__pycache__" not in one.parts:
            yield one


def write_project(folder: Path, texts: Mapping[str, str]) -> None:
    """Write a project's files into a folder.

    Raises:
        BadInput: Some are there already; then nothing is written.
    """
    there = [name for name in sorted(texts) if (folder / name).exists()]
    if folder.exists() and not folder.is_dir():
        raise BadInput([Fault(where=str(folder), what="is a file; name a folder")])
    if there:
        what = "is there already; nothing is overwritten, so name an empty folder"
        raise BadInput([Fault(where=str(folder / name), what=what) for name in there])
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
