"""The JSON Schema of the playbooks folder, for editors to complete and check as one types."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, create_model

from responder import registry
from responder.classify.areas import Areas
from responder.classify.noise import Ignore, Maintenance
from responder.classify.objectives import Objective
from responder.classify.words import Root
from responder.playbook.model import Contact, DatabaseSpec, Playbook, SwitchSpec


class _Parts(BaseModel):
    """What the files beside the playbooks may hold."""

    areas: Areas | None = None
    switches: dict[str, SwitchSpec] | None = None
    databases: dict[str, DatabaseSpec] | None = None
    contacts: list[Contact] | None = None
    roots: list[Root] | None = None
    ignore: dict[str, Ignore] | None = None
    maintenance: dict[str, Maintenance] | None = None
    objectives: dict[str, Objective] | None = None


def schema() -> dict[str, Any]:
    """One schema for every file in the folder, with the fields of every registered action."""
    playbook = _definition(Playbook)
    parts = _definition(_Parts)
    definitions: dict[str, Any] = {**parts.pop("$defs"), **playbook.pop("$defs")}
    definitions["StepSpec"]["properties"]["action"]["enum"] = sorted(registry.find("actions"))
    definitions["StepSpec"]["allOf"] = _choices(registry.find("actions"), "Params", definitions)
    definitions["StepSpec"].pop("additionalProperties", None)
    drivers = registry.find("switches")
    definitions["SwitchSpec"]["properties"]["driver"]["enum"] = sorted(drivers)
    definitions["SwitchSpec"]["allOf"] = _choices(drivers, "Options", definitions)
    definitions["SwitchSpec"].pop("additionalProperties", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A file of responder's playbooks folder",
        "if": {"required": ["playbook"]},
        "then": playbook,
        "else": {**parts, "additionalProperties": False},
        "$defs": definitions,
    }


def _definition(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(ref_template="#/$defs/{model}")


def _choices(kinds: dict[str, Any], attribute: str, definitions: dict[str, Any]) -> list[Any]:
    """For each kind: if it is named, its own fields apply."""
    field = "action" if attribute == "Params" else "driver"
    choices = []
    for name, kind in sorted(kinds.items()):
        model: type[BaseModel] = getattr(kind, attribute)
        described = _definition(create_model(name, __base__=model))
        definitions.update(described.pop("$defs", {}))
        choices.append(
            {
                "if": {"properties": {field: {"const": name}}},
                "then": {
                    "properties": described.get("properties", {}),
                    "required": described.get("required", []),
                },
            }
        )
    return choices
