"""A press in Slack, sent over HTTP as Slack sends it, is verified and understood."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from responder.chat.base import Acknowledge, ChecklistItem, Decide, Tick
from responder.chat.slack.client import SlackChat
from responder.chat.slack.interactions import Interaction, parse
from responder.chat.slack.verify import slack_signature_ok
from tests.chat.messages import approval, card, checklist
from tests.stand_ins.process import SlackStandIn

SECRET = "signing-secret"

heard: list[Interaction] = []


class Listener(BaseHTTPRequestHandler):
    """As much of the responder as a press meets first."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        stamp = self.headers["x-slack-request-timestamp"]
        signature = self.headers["x-slack-signature"]
        believed = slack_signature_ok(SECRET, stamp, signature, body, datetime.now(UTC))
        if believed:
            heard.append(parse(json.loads(parse_qs(body.decode())["payload"][0])))
        self.send_response(200 if believed else 401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    listener = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    with SlackStandIn(signing_secret=SECRET) as running:
        running.send_presses_to(f"http://127.0.0.1:{listener.server_port}/slack/interactions")
        yield running
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture(autouse=True)
def _empty(slack: SlackStandIn) -> None:
    slack.reset()
    heard.clear()


def chat(slack: SlackStandIn) -> SlackChat:
    return SlackChat(slack.token, "#incidents", slack.api_url)


async def test_buttons_and_boxes_are_understood(slack: SlackStandIn) -> None:
    client = chat(slack)
    top = await client.post("card:3", card(), None)
    items = (ChecklistItem(11, "Check logs"), ChecklistItem(12, "Check balances"))
    await client.post("checklist:7", checklist(*items), top)
    await client.post("approval:9", approval(), top)
    for answer in (
        slack.press("acknowledge", key="card:3", user=("U2", "bea")),
        slack.press("tick:7:0", key="checklist:7", selected=[12]),
        slack.press("tick:7:0", key="checklist:7", selected="all"),
        slack.press("deny", key="approval:9"),
    ):
        assert answer["status"] == 200
    assert [interaction.command for interaction in heard] == [
        Acknowledge(3),
        Tick(7, (11, 12), (12,)),
        Tick(7, (11, 12), (11, 12)),
        Decide(9, approve=False),
    ]
    assert (heard[0].user_id, heard[0].user_name) == ("U2", "bea")


async def test_a_link_is_heard_but_asks_for_nothing(slack: SlackStandIn) -> None:
    await chat(slack).post("card:3", card(), None)
    assert slack.press("open_page", key="card:3")["status"] == 200
    assert heard[0].command is None


async def test_a_forged_or_old_press_is_refused(slack: SlackStandIn) -> None:
    await chat(slack).post("card:3", card(), None)
    assert slack.press("acknowledge", key="card:3", secret="guessed")["status"] == 401
    assert slack.press("acknowledge", key="card:3", age=301)["status"] == 401
    assert heard == []
