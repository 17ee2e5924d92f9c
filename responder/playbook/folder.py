"""The playbooks folder as one configuration, used only when all of it is right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from responder import registry
from responder.actions.base import Refers
from responder.classify.areas import Areas, parse_areas
from responder.classify.noise import Ignore, Maintenance, Noise
from responder.classify.objectives import Objective
from responder.classify.owners import Owners, parse_owners
from responder.classify.verdict import Rules
from responder.classify.words import Name, Root
from responder.playbook.model import Contact, DatabaseSpec, Playbook, StepSpec, SwitchSpec
from responder.playbook.source import ConfigurationError, Problem, Source, read

OWNERS = "CODEOWNERS"
FILE = "file:"  # a text field that starts so is read from that file in the folder


@dataclass(frozen=True, slots=True)
class Pinned:
    """A playbook with the exact text a run will keep."""

    playbook: Playbook
    source: str
    digest: str


@dataclass(frozen=True)
class Configuration:
    """Everything that stands in the folder."""

    folder: Path
    areas: Areas
    playbooks: Mapping[str, Pinned] = field(default_factory=dict)
    switches: Mapping[str, SwitchSpec] = field(default_factory=dict)
    databases: Mapping[str, DatabaseSpec] = field(default_factory=dict)
    contacts: tuple[Contact, ...] = ()
    noise: Noise = field(default_factory=Noise)
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    owners: Owners = field(default_factory=Owners)
    roots: tuple[str, ...] = ()

    @cached_property
    def rules(self) -> Rules:
        """What decides about alerts."""
        return Rules(
            areas=self.areas,
            noise=self.noise,
            objectives=self.objectives,
            roots=self.roots,
            severities={
                pinned.playbook.area: pinned.playbook.severity
                for pinned in self.playbooks.values()
                if pinned.playbook.area and pinned.playbook.severity
            },
        )

    def playbook_for(self, area: str) -> Pinned | None:
        """The playbook that answers trouble in that area."""
        for pinned in self.playbooks.values():
            if pinned.playbook.area == area:
                return pinned
        return None

    def contacts_for(self, area: str) -> tuple[Contact, ...]:
        """Whom to turn to about that area."""
        return tuple(
            contact for contact in self.contacts if not contact.areas or area in contact.areas
        )


def load(folder: Path) -> Configuration:
    """Read and check the whole folder.

    Raises:
        ConfigurationError: with every problem found, not only the first.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            [Problem(str(folder), 1, 1, "no such folder; set RESPONDER_PLAYBOOKS to yours")]
        )
    return _Reader(folder).configuration()


class _Reader:
    """Collects problems while reading, so that one pass shows them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.parts: dict[str, tuple[Source, Any]] = {}
        self.playbooks: dict[str, tuple[Source, Pinned]] = {}
        self.unread: set[str] = set()  # what some file has or may have, but wrongly

    def configuration(self) -> Configuration:
        for path in sorted(self.folder.glob("*.y*ml")):
            try:
                self._file(read(path))
            except ConfigurationError as error:
                self.problems += error.problems
                self.unread |= {"areas", *_PARTS}
        if "areas" not in self.parts and "areas" not in self.unread:
            self._say(None, (), "no file has `areas:`; without areas no alert can be classified")
        self._check_together()
        owners = self._owners()
        if self.problems:
            raise ConfigurationError(self.problems)
        return Configuration(
            folder=self.folder,
            areas=self.parts["areas"][1],
            playbooks={name: pinned for name, (_, pinned) in self.playbooks.items()},
            switches=self._part("switches", {}),
            databases=self._part("databases", {}),
            contacts=tuple(self._part("contacts", ())),
            noise=Noise(self._part("ignore", {}), self._part("maintenance", {})),
            objectives=self._part("objectives", {}),
            owners=owners,
            roots=tuple(self._part("roots", ())),
        )

    def _owners(self) -> Owners:
        path = self.folder / OWNERS
        try:
            return parse_owners(path.read_text(encoding="utf-8")) if path.exists() else Owners()
        except (OSError, ValueError) as error:
            self.problems.append(Problem(OWNERS, 1, 1, str(error)))
            return Owners()

    def _file(self, source: Source) -> None:
        content = dict(source.content)
        if "playbook" in content:
            self._playbook(source, content)
            return
        for key, value in content.items():
            if key in self.parts:
                first = self.parts[key][0].file
                self._say(source, (key,), f"`{key}:` stands in {first} already; keep one")
            elif key == "areas":
                self._keep(source, key, lambda: parse_areas(value))  # noqa: B023 (called at once)
            elif key in _PARTS:
                self._keep(source, key, lambda: _PARTS[key].validate_python(value))  # noqa: B023
            else:
                known = ", ".join(["playbook", "areas", *_PARTS])
                self._say(source, (key,), f"unknown `{key}:`; a file holds one of: {known}")

    def _keep(self, source: Source, key: str, parse: Any) -> None:
        try:
            self.parts[key] = (source, parse())
        except ValidationError as error:
            self._say_all(source, (key,), error)
            self.unread.add(key)

    def _playbook(self, source: Source, content: dict[str, Any]) -> None:
        included = list(self._include(source, content))
        try:
            playbook = Playbook.model_validate(content)
        except ValidationError as error:
            self._say_all(source, (), error)
            return
        if playbook.playbook in self.playbooks:
            other = self.playbooks[playbook.playbook][0].file
            self._say(source, ("playbook",), f"{other} has this name already; rename one")
            return
        text = "\n".join([source.text, *included])
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.playbooks[playbook.playbook] = (source, Pinned(playbook, source.text, digest))

    def _include(self, source: Source, content: dict[str, Any]) -> Iterator[str]:
        """Put the text of each `file:` field in its place, and give it for the digest."""
        steps = content.get("steps")
        for index, step in enumerate(steps if isinstance(steps, list) else []):
            for key, value in step.items() if isinstance(step, dict) else ():
                if isinstance(value, str) and value.startswith(FILE):
                    try:
                        step[key] = self._text(value.removeprefix(FILE))
                    except (OSError, ValueError) as error:
                        self._say(source, ("steps", index, key), f"{value} can't be read: {error}")
                    else:
                        yield step[key]

    def _text(self, name: str) -> str:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            raise ValueError("there is no such file in this folder")
        return path.read_text(encoding="utf-8")

    def _check_together(self) -> None:
        answered: dict[str, str] = {}
        for source, pinned in self.playbooks.values():
            playbook = pinned.playbook
            if playbook.area is not None:
                self._check_area(source, playbook.area, answered)
            for location, text in playbook.mistakes():
                self._say(source, location, text)
            for index, step in enumerate(playbook.steps):
                self._check_step(source, index, step)
            self._check_releases(source, playbook)
        for name, spec in self._part("switches", {}).items():
            self._check_switch(name, spec)
        for part in ("ignore", "maintenance"):
            for name, rule in self._part(part, {}).items():
                self._check_areas(part, (name, "areas"), rule.areas)
        for name, objective in self._part("objectives", {}).items():
            self._check_areas("objectives", (name, "area"), (objective.area,))
        for index, contact in enumerate(self._part("contacts", ())):
            self._check_areas("contacts", (index, "areas"), contact.areas)

    def _check_areas(
        self, part: str, location: tuple[str | int, ...], areas: tuple[str, ...]
    ) -> None:
        """What stands in a part may name only areas that there are."""
        for area in areas:
            if "areas" in self.parts and area not in self.parts["areas"][1].root:
                known = ", ".join(sorted(self.parts["areas"][1].root))
                text = f"there is no area {area}; there are: {known}"
                self._say(self.parts[part][0], (part, *location), text)

    def _check_area(self, source: Source, area: str, answered: dict[str, str]) -> None:
        if "areas" in self.parts and area not in self.parts["areas"][1].root:
            known = ", ".join(sorted(self.parts["areas"][1].root))
            self._say(source, ("area",), f"there is no area {area}; there are: {known}")
        if area in answered:
            self._say(source, ("area",), f"{answered[area]} answers {area} already")
        answered[area] = source.file

    def _check_step(self, source: Source, index: int, step: StepSpec) -> None:
        action = registry.find("actions").get(step.action)
        if action is None:
            known = ", ".join(sorted(registry.find("actions")))
            self._say(
                source, ("steps", index, "action"), f"no action {step.action}; there are: {known}"
            )
            return
        try:
            params = action.Params.model_validate(step.params)
        except ValidationError as error:
            self._say_all(source, ("steps", index), error)
            return
        for key, target in _references(params):
            if target.to == "switch":
                self._check_known(source, ("steps", index, key), "switches", getattr(params, key))
            else:
                self._check_known(source, ("steps", index, key), "databases", getattr(params, key))

    def _check_known(
        self, source: Source, location: tuple[str | int, ...], part: str, name: str
    ) -> None:
        if self._known(part) and name not in self._part(part, {}):
            known = ", ".join(sorted(self._part(part, {}))) or "none"
            self._say(source, location, f"{name} is not in {part}.yaml, which has: {known}")

    def _check_releases(self, source: Source, playbook: Playbook) -> None:
        released = [
            step.params.get("switch") for step in playbook.steps if step.action == "switch.release"
        ]
        for index, step in enumerate(playbook.steps):
            if step.action == "switch.hold" and step.params.get("switch") not in released:
                self._say(
                    source,
                    ("steps", index),
                    f"nothing releases {step.params.get('switch')} again; "
                    "add a switch.release step with an approval",
                )

    def _check_switch(self, name: str, spec: SwitchSpec) -> None:
        source = self.parts["switches"][0]
        driver = registry.find("switches").get(spec.driver)
        if driver is None:
            known = ", ".join(sorted(registry.find("switches")))
            self._say(
                source,
                ("switches", name, "driver"),
                f"no driver {spec.driver}; there are: {known}",
            )
            return
        try:
            driver.Options.model_validate(spec.options)
        except ValidationError as error:
            self._say_all(source, ("switches", name), error)
            return
        if "database" in spec.options:
            location = ("switches", name, "database")
            self._check_known(source, location, "databases", spec.options["database"])

    def _known(self, part: str) -> bool:
        """Whether what is not in the part is missing, and not only in a file that is broken."""
        return part in self.parts or part not in self.unread

    def _part(self, key: str, empty: Any) -> Any:
        return self.parts[key][1] if key in self.parts else empty

    def _say(self, source: Source | None, location: tuple[str | int, ...], text: str) -> None:
        if source is None:
            self.problems.append(Problem(str(self.folder), 1, 1, text))
        else:
            self.problems.append(source.problem(location, text))

    def _say_all(
        self, source: Source, prefix: tuple[str | int, ...], error: ValidationError
    ) -> None:
        found = error.errors(include_url=False)
        for wrong in found:
            if wrong["type"] == "too_short" and any(
                len(wrong["loc"]) < len(other["loc"]) for other in found
            ):
                continue  # pydantic counts only items that are right
            location = (*prefix, *wrong["loc"])
            field_name = ".".join(str(part) for part in wrong["loc"])
            text = wrong["msg"].removeprefix("Value error, ")
            if wrong["type"] == "extra_forbidden":
                text = "no such field here; check its spelling"
            elif wrong["type"] == "missing":
                text = "is missing"
            self._say(source, location, f"{field_name}: {text}" if field_name else text)


def _references(params: BaseModel) -> Iterator[tuple[str, Refers]]:
    for name, info in type(params).model_fields.items():
        for mark in info.metadata:
            if isinstance(mark, Refers):
                yield name, mark


_PARTS: dict[str, TypeAdapter[Any]] = {
    "switches": TypeAdapter(dict[str, SwitchSpec]),
    "databases": TypeAdapter(dict[str, DatabaseSpec]),
    "contacts": TypeAdapter(list[Contact]),
    "roots": TypeAdapter(list[Root]),
    "ignore": TypeAdapter(dict[Name, Ignore]),
    "maintenance": TypeAdapter(dict[Name, Maintenance]),
    "objectives": TypeAdapter(dict[Name, Objective]),
}
