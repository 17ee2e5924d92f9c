"""What a page shows of a payload holds nobody's data and no secret, and has an end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.receive import redact
from tests.receive.samples import NAMES, body

PLAIN = st.text(st.characters(categories=("L", "Zs")), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
SECRET = st.text("abcdef0123456789", min_size=16, max_size=40).map("hush".__add__)

NAMED = [
    *("cookie", "Set-Cookie", "Authorization", "proxy-authorization", "X-Api-Key", "apiKey"),
    *("password", "user_password", "access_token", "refreshToken", "client_secret", "csrfToken"),
]


@st.composite
def cards(draw: st.DrawFn) -> str:
    """Fifteen digits and the one that makes them a card's number."""
    digits = draw(st.text("123456789", min_size=15, max_size=15))
    double = [int(d) * 2 if at % 2 == 0 else int(d) for at, d in enumerate(digits)]
    number = digits + str(-sum(n - 9 if n > 9 else n for n in double) % 10)
    between = draw(st.sampled_from(["", " ", "-"]))
    return between.join(number[at : at + 4] for at in range(0, 16, 4))


def around(draw: st.DrawFn, found: Any) -> Any:
    """Somewhere deep in a payload: under any key, in a list, a pair or a text."""
    for _ in range(draw(st.integers(0, 4))):
        match draw(st.integers(0, 2)):
            case 0:
                found = {draw(st.sampled_from(["data", "vars", "x", "event", "url"])): found}
            case 1:
                found = [draw(JSON), found]
            case 2:
                found = {**draw(st.dictionaries(st.text(max_size=8), JSON, max_size=2)), "k": found}
    return found


@st.composite
def hidden_in_words(draw: st.DrawFn) -> tuple[Any, str]:
    """Something private amid other words."""
    private = draw(
        st.one_of(
            st.emails(),
            st.ip_addresses(v=4).map(str),
            st.ip_addresses(v=6).map(str).filter(lambda address: address != "::"),
            cards(),
        )
    )
    before, after = draw(PLAIN), draw(PLAIN)
    text = f"{before} {private} {after}"
    quoted = draw(st.sampled_from(["{}", '"{}"', "({})", "<{}>", "{}.", "{},", "got={}", "{}:"]))
    text = draw(st.sampled_from([text, quoted.format(private), private]))
    return around(draw, text), private


@st.composite
def hidden_under_a_name(draw: st.DrawFn) -> tuple[Any, str]:
    """A secret under a key, in a header, a tag or a line of text that names it."""
    name = draw(st.sampled_from(NAMED))
    secret = draw(SECRET)
    kind = draw(st.sampled_from(["Bearer ", "Basic ", "token ", "sid=", ""]))
    value = kind + secret if "oo" in name or "oriz" in name else secret
    shape: Any = draw(
        st.sampled_from(
            [
                {name: value},
                {name: [value]},
                {name: {"x": value}},
                [name, value],
                ["Host", "kulti.club", name, value],
                {"key": name, "value": value},
                {"name": name, "value": value},
                f"{name}: {value}",
                f"GET / HTTP/1.1\r\n{name}: {value}\r\nHost: kulti.club",
                json.dumps({name: value}),
                json.dumps(json.dumps({name: value})),
                repr({name: value}),
            ]
        )
    )
    return around(draw, shape), secret


@given(hidden_in_words())
@settings(max_examples=300, deadline=None)
def test_no_address_and_no_card_survives(hidden: tuple[Any, str]) -> None:
    value, private = hidden
    shown = redact.payload(value).value
    assert private not in json.dumps(shown, ensure_ascii=False), shown


@given(hidden_under_a_name())
@settings(max_examples=300, deadline=None)
def test_no_secret_survives_that_something_names(hidden: tuple[Any, str]) -> None:
    value, secret = hidden
    redacted = redact.payload(value)
    assert secret not in json.dumps(redacted.value), redacted.value


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_whatever_it_is_can_be_sent_and_shown(value: Any) -> None:
    shown = redact.payload(value).value
    json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()
    assert redact.payload(shown).value is not None or shown is None


def test_what_is_nobody_s_is_shown_whatever_it_is_called() -> None:
    value = {
        "flux_capacitor": {"charge": 1.21, "on": True, "of": None, "tags": [["release", "v1.2.3"]]},
        "path": "node_modules/.pnpm/next@14.2.3/node_modules/next/dist/server.js",
        "issue": {"id": "6000000001", "title": "std::vector failed at 12:34:56"},
        "at": "2026-01-02T03:04:05.123456Z",
        "installation": {"uuid": "5b0f6c1e-7a43-4a0e-9d55-2f6c1d0b8e11"},
    }
    assert redact.payload(value) == redact.Redacted(value)


def test_of_a_user_only_the_id_is_shown() -> None:
    user = {"id": "usr_1", "username": "ann", "name": "Ann A.", "geo": {"city": "Berlin"}, "x": ""}
    shown = redact.payload({"user": user, "tags": [["user", "username:ann"], ["user.name", "A"]]})
    assert shown.value == {
        "user": {"id": "usr_1", "username": R, "name": R, "geo": R, "x": ""},
        "tags": [["user", R], ["user.name", R]],
    }
    assert shown.notes == ("5 values were removed",)


R = redact.REMOVED


def test_keys_that_are_named_are_removed_however_they_are_written() -> None:
    value = {"inviteCode": "abc", "invite-code": ["abc"], "x": {"INVITE_CODE": 7}, "invite": "yes"}
    shown = redact.payload(value, ("invite_code", " ")).value
    assert shown == {"inviteCode": R, "invite-code": R, "x": {"INVITE_CODE": R}, "invite": "yes"}
    assert redact.payload(value).value == value


def test_what_is_long_is_cut_and_says_so() -> None:
    deep: Any = "bottom"
    for _ in range(50):
        deep = [deep]
    value = {"text": "x" * 5_000, "frames": list(range(300)), "deep": deep}
    shown = redact.payload(value)
    found: Any = shown.value
    assert found["text"] == "x" * redact.LONGEST + " [cut; 5,000 characters]"
    assert found["frames"][:2] + found["frames"][49:52] + found["frames"][-1:] == [
        *(0, 1, 49, "[200 more]", 250, 299)
    ]
    assert "[nested deeper than is shown]" in json.dumps(found["deep"])
    assert any("was cut" in note for note in shown.notes)


@pytest.mark.parametrize("at", range(1900, 2010, 7))
def test_an_address_that_is_cut_in_two_is_not_shown_in_part(at: int) -> None:
    for much in (1, 3_000):
        text = "x " * (at // 2) + "ann.margaret@kulti.club" + " y" * much
        assert "margaret" not in json.dumps(redact.payload([text, " " * 1990 + text]).value)


@pytest.mark.parametrize(
    "value",
    [
        [{f"k{at}": "/" * 1_000} for at in range(2_000)],
        ["a@" * 50_000, "a." * 50_000, "1:" * 50_000, "token" * 20_000, "1 " * 50_000],
        [[[[]] * 90] * 90] * 90,
        {f"key {at}": {"n": at} for at in range(100_000)},
        ["x" * 10_000_000] * 3,
    ],
    ids=["slashes", "words", "lists", "keys", "long"],
)
def test_a_payload_made_to_be_slow_is_shown_soon_and_short(value: Any) -> None:
    began = time.process_time()
    shown = redact.payload(value)
    assert time.process_time() - began < 2
    assert len(json.dumps(shown.value, indent=2)) < 3 * redact.ENOUGH
    assert shown.notes


def test_a_body_that_is_no_json_is_shown_as_text() -> None:
    shown = redact.body(b"\xff{ Cookie: sid=1; ann@kulti.club")
    assert shown.value == "\ufffd{ Cookie: [removed]"
    assert "not UTF-8" in shown.notes[-1]
    assert redact.body(b'{"a": NaN, "b": "\\ud800"}').value == {"a": "nan", "b": "?"}


@pytest.mark.parametrize("name", NAMES)
def test_what_sentry_sends_is_shown_without_whose_it_was(name: str) -> None:
    found = redact.body(body(name)).value
    shown = json.dumps(found)
    content = json.loads(body(name))
    assert isinstance(found, dict)
    assert set(found) == set(content)
    assert "@example" not in shown
    user = content.get("data", {}).get("event", {}).get("user") or {}
    for key, value in user.items():
        if key != "id" and value:
            assert str(value) not in shown
