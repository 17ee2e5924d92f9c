"""/openapi.json, made from the declared operations."""

from __future__ import annotations

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from responder import __version__
from responder.web.api import OPERATIONS
from responder.web.operation import PREFIX, Operation

REFERENCE = "#/components/schemas/{model}"


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 description of /api/v1."""
    modes = {
        (model, mode)
        for operation in OPERATIONS
        for model, mode in ((operation.answer, "serialization"), (operation.body, "validation"))
        if model is not None
    }
    ordered = sorted(modes, key=lambda pair: (pair[0].__name__, pair[1]))
    references, definitions = models_json_schema(ordered, ref_template=REFERENCE)  # type: ignore[arg-type]
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        path = PREFIX + re.sub(r"\{(\w+)(:\w+)?\}", r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "responder", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {
                **definitions.get("$defs", {}),
                "Problem": {
                    "type": "object",
                    "required": ["title", "status", "detail"],
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                },
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, references: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.handler.__name__.strip("_"),
        "parameters": [
            _in_path(*found) for found in re.findall(r"\{(\w+):?(\w*)\}", operation.path)
        ]
        + [{"name": name, "in": "query", "schema": {"type": "string"}} for name in operation.query],
        "responses": {
            "200": {
                "description": "Done",
                "content": {
                    "application/json": {"schema": references[operation.answer, "serialization"]}
                },
            },
            **{status: _problem(text) for status, text in _troubles(operation).items()},
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "content": {"application/json": {"schema": references[operation.body, "validation"]}}
        }
    return described


def _in_path(name: str, kind: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0} if kind == "number" else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _troubles(operation: Operation) -> dict[str, str]:
    troubles = {"401": "No valid token"}
    if "{" in operation.path:
        troubles["404"] = "No such thing"
    if operation.method == "GET":
        troubles["304"] = "Not changed since If-None-Match"
    if operation.body is not None:
        troubles |= {"409": "Does not fit the present state"}
    if operation.body is not None or operation.query:
        troubles["422"] = "The request can't be used; detail says why"
    if operation.path == "/outcomes":
        troubles["503"] = "Not all of it could be stored; send it again with its Idempotency-Key"
    if operation.path.startswith("/switches") and operation.body is not None:
        troubles["502"] = "The hold is recorded, but the switch could not be read back"
    return troubles


def _problem(text: str) -> dict[str, Any]:
    if text.startswith("Not changed"):
        return {"description": text}
    return {
        "description": text,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
