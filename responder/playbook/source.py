"""YAML files with their positions, so that a mistake is told by line and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in the folder, where it is and how to mend it. Lines count from 1."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


class ConfigurationError(Exception):
    """The folder can't be used as it is; `problems` lists everything wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file: its plain content, and the nodes that remember positions."""

    file: str
    text: str
    content: dict[str, Any]
    _nodes: CommentedMap

    def problem(self, location: Sequence[str | int], text: str) -> Problem:
        """A problem at the innermost part of `location` that the file has."""
        line, column = 0, 0
        node: Any = self._nodes
        for part in location:
            try:
                if isinstance(node, CommentedMap) and part in node:
                    line, column = node.lc.key(part)
                elif isinstance(node, CommentedSeq) and isinstance(part, int):
                    line, column = node.lc.item(part)
                else:
                    break
                node = node[part]
            except (KeyError, IndexError):
                break
        return Problem(self.file, line + 1, column + 1, text)


def read(path: Path) -> Source:
    """Parse one file.

    Raises:
        ConfigurationError: it can't be read, is not YAML, or is not a mapping.
    """

    def wrong(text: str, line: int = 0, column: int = 0) -> ConfigurationError:
        return ConfigurationError([Problem(path.name, line + 1, column + 1, text)])

    try:
        text = path.read_text(encoding="utf-8")
        nodes = YAML(typ="rt", pure=True).load(text)
        content = _plain(nodes)
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"can't be read: {error}") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        said = (error.problem or "not YAML").splitlines()[0]
        raise wrong(
            f"not YAML: {said}", mark.line if mark else 0, mark.column if mark else 0
        ) from error
    except YAMLError as error:
        raise wrong(f"not YAML: {error}") from error
    except (RecursionError, TypeError) as error:
        raise wrong("nested too deeply, or within itself") from error
    if not isinstance(nodes, CommentedMap):
        raise wrong("expected `key: value` lines; see the shipped playbooks for the shape")
    return Source(path.name, text, content, nodes)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
