"""Any field of any payload may hold anything: nothing raises, and nothing escapes its type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from responder.classify.areas import parse_areas
from responder.classify.match import classify
from responder.receive.alert import Alert
from responder.receive.source import NotUnderstood
from tests.receive.samples import NAMES, SOURCE, body, payload, resource

AREAS = parse_areas(
    YAML(typ="safe").load(
        (Path(__file__).parents[2] / "playbooks" / "areas.yaml").read_text(encoding="utf-8")
    )["areas"]
)
KEYS = ["values", "frames", "title", "url", "name", "event_id", "key", "value", "culprit"]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\0", "GET /", "?", "webpack://", "2026-13-45", "9" * 400]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every field of a payload is."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*at, index))


def with_field(content: dict[str, Any], at: tuple[Any, ...], value: object) -> dict[str, Any]:
    changed = deepcopy(content)
    target: Any = changed
    for part in at[:-1]:
        target = target[part]
    target[at[-1]] = value
    return changed


def go_all_the_way(resource_: str, content: dict[str, Any]) -> None:
    described = SOURCE.describe(
        {"sentry-hook-resource": resource_}, json.dumps(content).encode("utf-8")
    )
    assert described.resource == resource_
    assert described.key.startswith(f"sentry:{resource_}:")
    assert len(described.key) <= 200
    described.action.encode("utf-8")
    alert = SOURCE.normalise(resource_, content)
    well_formed(alert)
    match = classify(alert, AREAS)
    assert match.area in AREAS.root
    f"{match.path}{match.reason}".encode()


def well_formed(alert: Alert) -> None:
    for field in fields(Alert):
        value = getattr(alert, field.name)
        if field.type == "str":
            assert isinstance(value, str)
            assert "\0" not in value
            value.encode("utf-8")
    for key, value in alert.tags.items():
        assert isinstance(key, str)
        assert isinstance(value, str)
    for frame in alert.frames:
        assert isinstance(frame.path, str)
        frame.path.encode("utf-8")
    if alert.occurred_at is not None:
        assert isinstance(alert.occurred_at, datetime)
        assert alert.occurred_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_field_may_hold_anything(name: str, data: st.DataObject) -> None:
    content = payload(name)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(list(places(content))[1:]))
        content = with_field(content, at, data.draw(json_values))
    go_all_the_way(resource(name), content)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [None, True, 0, -1.5, "", "x", [], [[]], [None], {}, {"x": {}}])
def test_every_single_field_may_be_of_any_type(name: str, value: object) -> None:
    content = payload(name)
    for at in places(content):
        if at:
            go_all_the_way(resource(name), with_field(content, at, value))


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_may_pass_for_any_other_resource(name: str) -> None:
    for other in NAMES:
        go_all_the_way(resource(other), payload(name))


@given(content=st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_any_json_object_is_described(content: dict[str, Any]) -> None:
    go_all_the_way("event_alert", content)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"", "expected JSON; at line 1"),
        (b"payload=1", "expected JSON; at line 1"),
        (b'{"a": 1,\n}', "line 2"),
        (b'{"a": "\xff"}', "byte 8 is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[]", "expected a JSON object, got an array"),
        (b'"x"', "got a string"),
        (b"1.5", "got a number"),
        (b"true", "got true or false"),
        (b"null", "got null"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested less deeply"),
        (b"[" * 100_000, "nested less deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "numbers of a sane length"),
    ],
)
def test_what_is_no_json_object_is_not_understood(wrong: bytes, says: str) -> None:
    with pytest.raises(NotUnderstood, match=says):
        SOURCE.describe({}, wrong)


@given(st.binary())
def test_bytes_are_described_or_not_understood(raw: bytes) -> None:
    try:
        SOURCE.describe({"sentry-hook-resource": "issue"}, raw)
    except NotUnderstood as error:
        assert str(error).startswith("expected")  # noqa: PT017 (either outcome is right)


def test_headers_may_hold_anything() -> None:
    headers = {"sentry-hook-resource": "é\ud800" * 100, "idempotency-key": "\0ÿ" * 300}
    described = SOURCE.describe(headers, body("comment"))
    assert len(described.resource) == 60
    assert len(described.key) <= 200
    described.key.encode("utf-8")
