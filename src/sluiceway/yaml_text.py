"""Text to values, by libyaml where it says the same as ruamel's own parser and by that elsewhere.

libyaml is four times as fast. It differs from ruamel's parser in a few corners (tabs, directives,
block scalars that begin oddly), and in messages that say less; a file that nests without end takes
the process with it. So it only reads text that has none of these, and what it refuses is read
again by the other, which has the last word and the better one.
"""

import re
from contextlib import suppress
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

_ODD: Final = re.compile(
    r"[\t\x85\u2028\u2029\ufeff]"  # whitespace and line ends that the two take differently
    r"|^%"  # directives
    # block scalars whose first line is empty, a comment or not indented
    r"|[|>][-+\d]* *(?:#|\r?(?:\Z|\n(?! )|\n *(?:\r?\n|#|\Z)))",
    re.MULTILINE,
)
_NESTING: Final = re.compile(r"[\[{?]|-(?=\s)|^ +", re.MULTILINE)
"""Whatever can begin something inside of something."""
_DEEPEST: Final = 200
"""How deep libyaml is let go; it has no limit but the stack's."""


def yaml_values(text: str) -> object:
    """What a YAML document says, in dicts, lists and scalars.

    Raises:
        ValueError: It is no YAML, names a key twice, has a value that cannot be, or nests too
            deeply; the message says where.
    """
    if not _ODD.search(text):
        # Whatever it says, the other parser says it better.
        with suppress(YAMLError, ValueError, TypeError):
            if not _is_deep(text):
                return _parser().load(text)
    try:
        return _parser(pure=True).load(text)
    except YAMLError as error:
        raise ValueError(_in_words(error)) from error
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
    except TypeError as error:
        raise ValueError(f"a key of it cannot be one: {error}") from error


def _in_words(error: YAMLError) -> str:
    """What is wrong and where, without the parser's advice to programmers."""
    if not isinstance(error, MarkedYAMLError) or error.problem is None:
        return " ".join(str(error).split())
    said = f"{_place(error.problem_mark)}{' '.join(error.problem.split())}"
    if error.context is None:
        return said
    return f"{said} ({error.context}{_place(error.context_mark, ', ', '')})"


def _place(mark: StringMark | None, before: str = "", after: str = ": ") -> str:
    at = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
    return f"{before}{at}{after}" if at else ""


def _is_deep(text: str) -> bool:
    """Whether it nests deeper than libyaml should follow; events are read without following."""
    if len(_NESTING.findall(text)) <= _DEEPEST:
        return False
    depth = 0
    for event in _parser().parse(text):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return True
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
    return False


def _parser(*, pure: bool = False) -> YAML:
    return YAML(typ="safe", pure=pure, plug_ins=[])  # looking for plug-ins takes longer than a file
