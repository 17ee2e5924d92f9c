"""The Slack client against a stand-in: what arrives, what is found again, what errors say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.chat.base import Chat, ChatError, ChecklistItem
from responder.chat.slack.client import SlackChat
from tests.chat.messages import card, checklist, note
from tests.stand_ins.process import SlackStandIn

SINCE = datetime.now(UTC) - timedelta(minutes=10)


@pytest.fixture(scope="module")
def server() -> Iterator[SlackStandIn]:
    with SlackStandIn() as running:
        yield running


@pytest.fixture
def slack(server: SlackStandIn) -> SlackStandIn:
    server.reset()
    return server


def chat(slack: SlackStandIn, channel: str = "#incidents", **options: Any) -> SlackChat:
    return SlackChat(options.pop("token", slack.token), channel, slack.api_url, **options)


def test_it_is_a_chat() -> None:
    seam: Chat = SlackChat("xoxb", "#incidents")
    assert seam.name == "slack"


async def test_a_posted_message_is_in_the_channel(slack: SlackStandIn) -> None:
    ref = await chat(slack).post("card:3", card(), None)
    (message,) = slack.messages()
    assert ref == {"channel": message["channel"], "ts": message["ts"]}
    assert message["channel_name"] == "incidents"
    assert message["key"] == "card:3"
    assert message["unfurl_links"] is False
    assert message["text"].startswith("◆ CRITICAL credits")


async def test_only_messages_for_the_thread_go_there(slack: SlackStandIn) -> None:
    client = chat(slack)
    top = await client.post("card:3", card(), None)
    reply = await client.post("note:3:a", note(), top)
    assert reply["thread_ts"] == top["ts"]
    await client.post("note:3:b", note(), reply)
    await client.post("card:4", card(incident_id=4), top)
    threads = {message["key"]: message["thread_ts"] for message in slack.messages()}
    assert threads == {
        "card:3": None,
        "note:3:a": top["ts"],
        "note:3:b": top["ts"],
        "card:4": None,
    }


async def test_an_update_takes_the_place_of_what_was_there(slack: SlackStandIn) -> None:
    client = chat(slack)
    ref = await client.post("card:3", card(), None)
    await client.update(ref, card(state="resolved"))
    message = slack.message("card:3")
    assert [version["method"] for version in message["versions"]] == [
        "chat.postMessage",
        "chat.update",
    ]
    assert message["text"].startswith("✓ Resolved")


async def test_a_message_whose_answer_was_lost_is_sent_once_and_found(slack: SlackStandIn) -> None:
    client = chat(slack)
    slack.fail("chat.postMessage", "lost")
    with pytest.raises(ChatError) as caught:
        await client.post("card:3", card(), None)
    assert not caught.value.permanent
    assert len(slack.calls("chat.postMessage")) == 1
    (message,) = slack.messages()
    found = await chat(slack).find("card:3", SINCE)
    assert found == {"channel": message["channel"], "ts": message["ts"]}
    await client.update(found, card(state="resolved"))


async def test_a_lost_reply_is_found_in_its_thread(slack: SlackStandIn) -> None:
    client = chat(slack)
    top = await client.post("card:3", card(), None)
    slack.fail("chat.postMessage", "lost")
    with pytest.raises(ChatError):
        await client.post("note:3:a", note(), top)
    found = await client.find("note:3:a", SINCE, top)
    assert found == {"channel": top["channel"], "ts": slack.messages()[1]["ts"]} | {
        "thread_ts": top["ts"]
    }
    assert await client.find("card:3", SINCE, top) == top


async def test_what_never_arrived_or_is_older_is_not_found(slack: SlackStandIn) -> None:
    client = chat(slack)
    top = await client.post("card:3", card(), None)
    assert await client.find("card:4", SINCE, top) is None
    assert await client.find("card:3", datetime.now(UTC) + timedelta(minutes=1)) is None


async def test_a_message_is_found_among_many(slack: SlackStandIn) -> None:
    client = chat(slack)
    ref = await client.post("first", note(), None)
    for n in range(220):
        await client.post(f"note:{n}", note(), None)
    assert await client.find("first", SINCE) == ref
    assert len(slack.calls("conversations.history")) == 2


async def test_a_channel_given_by_its_id_is_not_looked_up(slack: SlackStandIn) -> None:
    by_name = await chat(slack).post("card:3", card(), None)
    client = chat(slack, by_name["channel"])
    assert await client.find("card:3", SINCE) == by_name
    assert slack.calls("users.conversations") == []


@pytest.mark.parametrize(
    ("error", "details", "says", "permanent"),
    [
        ("not_in_channel", {}, "invite it there with /invite", True),
        ("channel_not_found", {}, "mend RESPONDER_SLACK_CHANNEL", True),
        ("is_archived", {}, "#incidents is archived", True),
        ("not_authed", {}, "set RESPONDER_SLACK_BOT_TOKEN", True),
        ("invalid_auth", {}, "set RESPONDER_SLACK_BOT_TOKEN", True),
        ("token_revoked", {}, "revoked: reinstall the Slack app", True),
        ("token_expired", {}, "expired: reinstall the Slack app", True),
        ("account_inactive", {}, "the bot or its workspace was removed", True),
        ("missing_scope", {"needed": "chat:write"}, "lacks the scope chat:write", True),
        ("msg_too_long", {}, "too long for Slack", True),
        ("msg_blocks_too_long", {}, "too long for Slack", True),
        (
            "invalid_blocks",
            {"response_metadata": {"messages": ["[ERROR] too long [json-pointer:/blocks/0]"]}},
            r"json-pointer:/blocks/0",
            True,
        ),
        ("cant_update_message", {}, "posted by another app or bot", True),
        ("edit_window_closed", {}, "do not let a message this old be edited", True),
        ("fatal_error", {}, "Slack failed", False),
        ("internal_error", {}, "Slack failed", False),
        ("something_new", {}, "Slack answered something_new", False),
    ],
)
async def test_an_error_says_what_to_mend(
    slack: SlackStandIn, error: str, details: dict[str, Any], says: str, permanent: bool
) -> None:
    slack.fail("chat.postMessage", "error", error=error, **details)
    with pytest.raises(ChatError, match=says) as caught:
        await chat(slack).post("card:3", card(), None)
    assert caught.value.permanent is permanent
    assert slack.messages() == []


async def test_a_wrong_token_is_refused_and_not_repeated_in_the_error(slack: SlackStandIn) -> None:
    with pytest.raises(ChatError, match="Slack does not know the token") as caught:
        await chat(slack, token="xoxb-wrong").check()
    assert "xoxb-wrong" not in str(caught.value)


async def test_a_deleted_message_can_not_be_updated(slack: SlackStandIn) -> None:
    client = chat(slack)
    ref = await client.post("card:3", card(), None)
    with pytest.raises(ChatError, match="somebody deleted it") as caught:
        await client.update(ref | {"ts": "1.000000"}, card())
    assert caught.value.permanent


async def test_a_rate_limit_says_how_long_to_wait(slack: SlackStandIn) -> None:
    client = chat(slack)
    slack.limit("chat.postMessage", calls=1, seconds=30)
    await client.post("card:3", card(), None)
    with pytest.raises(ChatError, match="slow down") as caught:
        await client.post("card:4", card(), None)
    assert caught.value.retry_after is not None
    assert 28 <= caught.value.retry_after <= 30
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("hang", "did not answer within 1 second"),
        ("http", "HTTP 500"),
        ("garbled", "HTTP 200 with no reason"),
    ],
)
async def test_an_outage_may_pass(slack: SlackStandIn, kind: str, says: str) -> None:
    slack.fail("chat.postMessage", kind)
    with pytest.raises(ChatError, match=says) as caught:
        await chat(slack, timeout=1).post("card:3", card(), None)
    assert not caught.value.permanent


async def test_nobody_listening_may_pass() -> None:
    with pytest.raises(ChatError, match="Slack can't be reached") as caught:
        await SlackChat("xoxb", "#incidents", "http://127.0.0.1:1/api/").check()
    assert not caught.value.permanent


async def test_the_check_names_bot_channel_and_workspace(slack: SlackStandIn) -> None:
    assert await chat(slack).check() == "Slack: responder posts to #incidents of Stand-in"


async def test_the_check_finds_a_bot_that_was_not_invited(slack: SlackStandIn) -> None:
    slack.channel("incidents", is_member=False)
    with pytest.raises(ChatError, match="invite it there") as caught:
        await chat(slack).check()
    assert caught.value.permanent


async def test_the_check_finds_that_history_may_not_be_read(slack: SlackStandIn) -> None:
    slack.fail("conversations.history", "error", error="missing_scope", needed="channels:history")
    with pytest.raises(ChatError, match="lacks the scope channels:history"):
        await chat(slack).check()


async def test_the_stand_in_can_only_press_what_is_shown(slack: SlackStandIn) -> None:
    await chat(slack).post("checklist:7", checklist(ChecklistItem(1, "Check logs")), None)
    with pytest.raises(LookupError, match="action_id approve"):
        slack.press("approve", key="checklist:7")
    with pytest.raises(LookupError, match="no options"):
        slack.press("tick:7:0", key="checklist:7", selected=[2])
