"""Edits of a file of YAML that leave all the rest of its text as somebody wrote it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

from accord.errors import AccordError
from accord.onboarding.written import in_yaml


@dataclass(frozen=True)
class Edit:
    """Text that takes the place of what stands from `begin` to `end`."""

    begin: int
    end: int
    text: str


def applied(text: str, edits: Iterable[Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: edit.begin, reverse=True):
        text = text[: edit.begin] + edit.text + text[edit.end :]
    return text


def section(text: str, name: str) -> MappingNode:
    """The mapping below a key of the file. Raises AccordError if there is none."""
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in _entries(top):
        if key == name and isinstance(value, MappingNode):
            return value
    raise AccordError(f"the file has no mapping '{name}' of its own, which could be edited; edit it by hand")


def with_keys(text: str, mapping: MappingNode, name: str, keys: Mapping[str, Any]) -> list[Edit]:
    """The entry of this name, with these keys of its own set to other values, added or, for None, taken out."""
    entry = dict(_entries(mapping)).get(name)
    if not isinstance(entry, MappingNode):
        raise AccordError(f"{name} is no mapping of the file's own, which could be edited; edit it by hand")
    found = dict(_entries(entry))
    dropped = [key for key, value in keys.items() if value is None and key in found]
    keys = {key: value for key, value in keys.items() if value is not None}
    if dropped and entry.flow_style:
        left = {
            key: yaml.safe_load(text[node.start_mark.index : node.end_mark.index])
            for key, node in found.items()
        }
        kept = {key: value for key, value in {**left, **keys}.items() if key not in dropped}
        return [Edit(entry.start_mark.index, entry.end_mark.index, in_yaml(kept))]
    edits = [without(text, entry, key) for key in dropped]
    edits += [
        Edit(found[key].start_mark.index, found[key].end_mark.index, in_yaml(value))
        for key, value in keys.items()
        if key in found
    ]
    more = {key: in_yaml(value) for key, value in keys.items() if key not in found}
    if not more:
        return edits
    if entry.flow_style:
        at = len(text[: entry.end_mark.index - 1].rstrip())
        added = ", ".join(f"{key}: {value}" for key, value in more.items())
        return [*edits, Edit(at, at, f"{', ' if found else ''}{added}")]
    indent = " " * entry.value[0][0].start_mark.column
    return [*edits, _after(text, entry, "".join(f"{indent}{key}: {value}\n" for key, value in more.items()))]


def with_entry(text: str, mapping: MappingNode, line: str) -> Edit:
    """A line behind the last entry."""
    indent = " " * mapping.value[0][0].start_mark.column
    return _after(text, mapping, f"{indent}{line}\n")


def without(text: str, mapping: MappingNode, name: str) -> Edit:
    """The entry of this name gone, with the comment behind it."""
    for key, value in mapping.value:
        if key.value == name:
            begin = text.rfind("\n", 0, key.start_mark.index) + 1
            return Edit(begin, _line_end(text, _last(value)), "")
    raise AccordError(f"the file has no entry '{name}' of its own; edit it by hand")


def without_words(text: str, names: Iterable[str], words: Iterable[str]) -> list[Edit]:
    """The lists below these keys of the file, without these words."""
    top = dict(_entries(yaml.compose(text, Loader=yaml.SafeLoader)))
    found = []
    for name in names:
        node = top.get(name)
        if isinstance(node, SequenceNode) and node.flow_style:
            listed = [one.value for one in node.value]
            left = [word for word in listed if word not in words]
            if left != listed:
                found.append(Edit(node.start_mark.index, node.end_mark.index, in_yaml(left)))
    return found


def _after(text: str, mapping: MappingNode, lines: str) -> Edit:
    end = _line_end(text, _last(mapping))
    return Edit(end, end, lines if text[:end].endswith("\n") else f"\n{lines}")


def _line_end(text: str, node: Node) -> int:
    """Where the line behind the node begins."""
    end = text.find("\n", node.end_mark.index)
    return len(text) if end < 0 else end + 1


def _last(node: Node) -> Node:
    """The last node within that is written on the lines that it ends on: a mapping or list in blocks ends where the next one begins."""
    while isinstance(node, CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


def _entries(node: Node | None) -> list[tuple[str, Node]]:
    return [(key.value, value) for key, value in node.value] if isinstance(node, MappingNode) else []
