"""A stand-in for Slack: the part of its Web API we use, and somebody to press our buttons.

Run it by hand with `python -m tests.stand_ins.slack --port 4010`. It prints its port, then
serves `http://127.0.0.1:PORT/api/`. Under `/_control/` stand what a test needs:

    GET  messages   every message in order, each with all its versions
    GET  calls      every API call in order
    GET  replies    what was sent to response_urls
    POST press      press a button or tick boxes; answers with the responder's answer
    POST fail       make coming calls fail, hang or lose their answer
    POST limits     limit a method's rate
    POST channels   add or change a channel
    POST responder  where presses are sent
    POST reset      forget everything
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import math
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.stand_ins import block_kit
from tests.stand_ins.faults import Faults, broken, delivered, serve

Json = Any

TEAM = {"id": "T0STANDIN", "domain": "stand-in"}
BOT = {"user_id": "U0RESPONDER", "bot_id": "B0RESPONDER", "app_id": "A0RESPONDER"}
PRESS_SECONDS = 3.0
TRIGGER_SECONDS = 3.0


class Refused(Exception):
    """An error as Slack's API words it."""

    def __init__(self, error: str, **extra: Json) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **extra}


@dataclass
class Message:
    channel: str
    ts: str
    thread_ts: str | None
    metadata: Json
    unfurl_links: Json
    versions: list[dict[str, Json]] = field(default_factory=list)

    @property
    def key(self) -> str | None:
        """The key that responder sent along."""
        payload = (self.metadata or {}).get("event_payload") or {}
        return payload.get("key")

    def shown(self, *, metadata: bool) -> dict[str, Json]:
        """The message as Slack hands it out."""
        last = self.versions[-1]
        shown = {"type": "message", "user": BOT["user_id"], "bot_id": BOT["bot_id"]}
        shown |= {"app_id": BOT["app_id"], "team": TEAM["id"], "ts": self.ts}
        shown |= {"text": last["text"], "blocks": last["blocks"]}
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if metadata and self.metadata:
            shown["metadata"] = self.metadata
        return shown


@dataclass
class Limit:
    calls: int
    seconds: float
    taken: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Seconds until a call is allowed; one that is allowed now is counted."""
        while self.taken and self.taken[0] <= now - self.seconds:
            self.taken.popleft()
        if len(self.taken) < self.calls:
            self.taken.append(now)
            return 0.0
        return self.taken[0] + self.seconds - now


class Slack:
    """The workspace: one bot, its channels and their messages."""

    def __init__(self, token: str, signing_secret: str, responder: str) -> None:
        self.token = token
        self.signing_secret = signing_secret
        self.responder = responder
        self.base_url = ""
        self.reset()

    def reset(self) -> None:
        """Forget everything but the token, the secret and the responder's address."""
        self.channels: dict[str, dict[str, Json]] = {}
        self.messages: list[Message] = []
        self.calls: list[dict[str, Json]] = []
        self.faults = Faults()
        self.limits: dict[str, Limit] = {}
        self.replies: list[dict[str, Json]] = []
        self.triggers: dict[str, float] = {}
        self.uses: dict[str, int] = defaultdict(int)
        self.changes = 0
        self.last_ts = 0.0
        self.add_channel("incidents")

    def add_channel(
        self, name: str, *, is_archived: bool = False, is_member: bool = True
    ) -> dict[str, Json]:
        """Add a channel, or change the one of that name."""
        known = next((one for one in self.channels.values() if one["name"] == name), None)
        channel_id = known["id"] if known else f"C0{len(self.channels):08d}"
        self.channels[channel_id] = {
            "id": channel_id,
            "name": name,
            "is_channel": True,
            "is_private": False,
            "is_archived": is_archived,
            "is_member": is_member,
        }
        return self.channels[channel_id]

    # The API's methods. Each takes the call's arguments and returns its answer without `ok`.

    def auth_test(self, args: dict[str, Json]) -> dict[str, Json]:
        return {
            "url": "https://stand-in.slack.com/",
            "team": "Stand-in",
            "team_id": TEAM["id"],
            "user": "responder",
            "user_id": BOT["user_id"],
            "bot_id": BOT["bot_id"],
        }

    def conversations_list(self, args: dict[str, Json]) -> dict[str, Json]:
        return _page("channels", list(self.channels.values()), args, 100)

    def users_conversations(self, args: dict[str, Json]) -> dict[str, Json]:
        joined = [one for one in self.channels.values() if one["is_member"]]
        return _page("channels", joined, args, 100)

    def chat_post_message(self, args: dict[str, Json]) -> dict[str, Json]:
        channel = self._channel(args, by_name=True)
        if channel["is_archived"]:
            raise Refused("is_archived")
        if not channel["is_member"]:
            raise Refused("not_in_channel")
        version = self._version(args, "chat.postMessage")
        root = args.get("thread_ts")
        if root is not None and self._find(channel["id"], root) is None:
            raise Refused("thread_not_found")
        message = Message(
            channel["id"], self._ts(), root, _metadata(args), args.get("unfurl_links"), [version]
        )
        self.messages.append(message)
        shown = message.shown(metadata=True)
        return {"channel": message.channel, "ts": message.ts, "message": shown}

    def chat_update(self, args: dict[str, Json]) -> dict[str, Json]:
        channel = self._channel(args)
        message = self._find(channel["id"], args.get("ts"))
        if message is None:
            raise Refused("message_not_found")
        if channel["is_archived"]:
            raise Refused("is_archived")
        message.versions.append(self._version(args, "chat.update"))
        message.metadata = _metadata(args) or message.metadata
        shown = message.shown(metadata=False)
        return {"channel": message.channel, "ts": message.ts, "text": shown["text"]}

    def conversations_history(self, args: dict[str, Json]) -> dict[str, Json]:
        channel = self._channel(args)
        if not channel["is_member"]:
            raise Refused("not_in_channel")
        top = [
            message
            for message in reversed(self.messages)
            if message.channel == channel["id"]
            and not message.thread_ts
            and _within(message.ts, args)
        ]
        return self._read(top, args)

    def conversations_replies(self, args: dict[str, Json]) -> dict[str, Json]:
        channel = self._channel(args)
        root = self._find(channel["id"], args.get("ts"))
        if root is None:
            raise Refused("thread_not_found")
        replies = [
            message
            for message in self.messages
            if message.thread_ts == root.ts and _within(message.ts, args)
        ]
        return self._read([root, *replies], args)

    def views_open(self, args: dict[str, Json]) -> dict[str, Json]:
        issued = self.triggers.pop(str(args.get("trigger_id")), None)
        if issued is None:
            raise Refused("invalid_trigger_id")
        if time.monotonic() - issued > TRIGGER_SECONDS:
            raise Refused("expired_trigger_id")
        view = _json(args.get("view"))
        if not isinstance(view, dict):
            raise Refused("invalid_arguments")
        wrong = block_kit.problems(view.get("blocks"), surface="modal")
        title = (view.get("title") or {}).get("text") or ""
        if not 0 < len(title) <= 24:
            wrong.append("[ERROR] must be 1 to 24 characters [json-pointer:/view/title/text]")
        if len(view.get("private_metadata") or "") > 3000:
            wrong.append("[ERROR] must be 3000 or less [json-pointer:/view/private_metadata]")
        if wrong:
            raise Refused("invalid_arguments", response_metadata={"messages": wrong})
        return {"view": {**view, "id": f"V{secrets.token_hex(5).upper()}", "team_id": TEAM["id"]}}

    def _channel(self, args: dict[str, Json], *, by_name: bool = False) -> dict[str, Json]:
        wanted = str(args.get("channel"))
        for channel in self.channels.values():
            if channel["id"] == wanted or (by_name and channel["name"] == wanted.lstrip("#")):
                return channel
        raise Refused("channel_not_found")

    def _find(self, channel: str, ts: Json) -> Message | None:
        for message in self.messages:
            if message.channel == channel and message.ts == ts:
                return message
        return None

    def _version(self, args: dict[str, Json], method: str) -> dict[str, Json]:
        text, blocks = args.get("text") or "", _json(args.get("blocks"))
        if not text and not blocks:
            raise Refused("no_text")
        if len(text) > 40_000:
            raise Refused("msg_too_long")
        if blocks is not None:
            if wrong := block_kit.problems(blocks):
                raise Refused("invalid_blocks", response_metadata={"messages": wrong})
            if block_kit.text_size(blocks) > block_kit.ALL_TEXT:
                raise Refused("msg_blocks_too_long")
            for block in blocks:
                block.setdefault("block_id", secrets.token_urlsafe(4))
        self.changes += 1
        return {
            "text": text,
            "blocks": blocks or [],
            "method": method,
            "at": time.time(),
            "order": self.changes,
        }

    def _read(self, messages: list[Message], args: dict[str, Json]) -> dict[str, Json]:
        metadata = str(args.get("include_all_metadata", "")).lower() in ("1", "true")
        shown = [message.shown(metadata=metadata) for message in messages]
        return _page("messages", shown, args, 100)

    def _ts(self) -> str:
        self.last_ts = max(time.time(), self.last_ts + 0.000_001)
        return f"{self.last_ts:.6f}"

    # What goes to the responder.

    def press(self, request: dict[str, Json]) -> tuple[str, bytes, dict[str, str]]:
        """Where a press goes, its body and its headers, signed as Slack does.

        Raises:
            LookupError: there is no such message, button or option.
        """
        message = self._pressed(request)
        block, element = _element(message, request["action_id"])
        payload = self._payload(message, block, element, request)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        timestamp = str(int(time.time() - float(request.get("age", 0))))
        secret = str(request.get("secret", self.signing_secret)).encode()
        signed = b"v0:" + timestamp.encode() + b":" + body
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": "v0=" + hmac.new(secret, signed, hashlib.sha256).hexdigest(),
        }
        url = request.get("url") or self.responder
        if not url:
            raise LookupError("no responder is set: POST its address to /_control/responder")
        return url, body, headers

    def _pressed(self, request: dict[str, Json]) -> Message:
        for message in self.messages:
            if request.get("ts") == message.ts or (request.get("key") or "") == message.key:
                return message
        raise LookupError(f"there is no message {request.get('ts') or request.get('key')}")

    def _payload(
        self,
        message: Message,
        block: dict[str, Json],
        element: dict[str, Json],
        request: dict[str, Json],
    ) -> dict[str, Json]:
        user = {"id": "U0PERSON", "name": "ann"} | (request.get("user") or {})
        trigger, reply = secrets.token_hex(8), secrets.token_hex(8)
        self.triggers[trigger] = time.monotonic()
        self.uses[reply] = 5
        chosen = _chosen(element, request.get("selected"))
        action = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "action_ts": f"{time.time():.6f}",
        }
        action |= {"selected_options": chosen} if element["type"] == "checkboxes" else {}
        action |= {name: element[name] for name in ("text", "value", "style") if name in element}
        return {
            "type": "block_actions",
            "api_app_id": BOT["app_id"],
            "user": {**user, "username": user["name"], "team_id": TEAM["id"]},
            "team": TEAM,
            "enterprise": None,
            "is_enterprise_install": False,
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": False,
            },
            "channel": {
                "id": message.channel,
                "name": self.channels[message.channel]["name"],
            },
            "message": message.shown(metadata=False),
            "state": {"values": _state(message, element["action_id"], chosen)},
            "trigger_id": trigger,
            "response_url": f"{self.base_url}/_response/{reply}",
            "actions": [action],
        }


# The server


def create(slack: Slack) -> Starlette:
    """The stand-in as an application."""
    methods: dict[str, Callable[[dict[str, Json]], dict[str, Json]]] = {
        "auth.test": slack.auth_test,
        "chat.postMessage": slack.chat_post_message,
        "chat.update": slack.chat_update,
        "conversations.history": slack.conversations_history,
        "conversations.list": slack.conversations_list,
        "conversations.replies": slack.conversations_replies,
        "users.conversations": slack.users_conversations,
        "views.open": slack.views_open,
    }

    async def api(request: Request) -> Response:
        name = request.path_params["method"]
        args = await _arguments(request)
        authorization = request.headers.get("authorization", "")
        token = authorization.removeprefix("Bearer ") or args.get("token")
        slack.calls.append({"method": name, "at": time.time(), "channel": args.get("channel")})
        if not token:
            return JSONResponse({"ok": False, "error": "not_authed"})
        if token != slack.token:
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        limit = slack.limits.get(name)
        if limit and (wait := limit.wait(time.monotonic())):
            headers = {"Retry-After": str(math.ceil(wait))}
            return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers)
        fault = slack.faults.next(name)
        if fault is not None and fault.kind == "error":
            return JSONResponse({"ok": False, **fault.details})
        if fault is not None and not fault.is_done:
            return await broken(fault, request)
        try:
            if name not in methods:
                raise Refused("unknown_method", req_method=name)
            answer = {"ok": True, **methods[name](args)}
        except Refused as refused:
            answer = refused.answer
        return await delivered(fault, JSONResponse(answer))

    async def messages(request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "channel": message.channel,
                    "channel_name": slack.channels[message.channel]["name"],
                    "ts": message.ts,
                    "thread_ts": message.thread_ts,
                    "key": message.key,
                    "unfurl_links": message.unfurl_links,
                    "text": message.versions[-1]["text"],
                    "blocks": message.versions[-1]["blocks"],
                    "versions": message.versions,
                }
                for message in slack.messages
            ]
        )

    async def calls(request: Request) -> Response:
        return JSONResponse(slack.calls)

    async def replies(request: Request) -> Response:
        return JSONResponse(slack.replies)

    async def press(request: Request) -> Response:
        try:
            url, body, headers = slack.press(await request.json())
        except LookupError as error:
            return JSONResponse({"error": str(error.args[0])}, 404)
        started = time.monotonic()
        try:
            async with httpx.AsyncClient(timeout=PRESS_SECONDS, trust_env=False) as client:
                answer = await client.post(url, content=body, headers=headers)
            outcome = {"status": answer.status_code, "body": answer.text}
        except httpx.HTTPError as error:
            outcome = {"status": None, "body": f"{type(error).__name__}: {error}"}
        return JSONResponse({**outcome, "seconds": time.monotonic() - started})

    async def fail(request: Request) -> Response:
        slack.faults.add(**await request.json())
        return JSONResponse({})

    async def limits(request: Request) -> Response:
        asked = await request.json()
        slack.limits[asked["method"]] = Limit(asked["calls"], asked["seconds"])
        return JSONResponse({})

    async def channels(request: Request) -> Response:
        return JSONResponse(slack.add_channel(**await request.json()))

    async def responder(request: Request) -> Response:
        slack.responder = (await request.json())["url"]
        return JSONResponse({})

    async def reset(request: Request) -> Response:
        slack.reset()
        return JSONResponse({})

    async def response_url(request: Request) -> Response:
        reply = request.path_params["reply"]
        if slack.uses[reply] < 1:
            return JSONResponse({"ok": False, "error": "used_url"}, 404)
        slack.uses[reply] -= 1
        slack.replies.append(await request.json())
        return JSONResponse({"ok": True})

    control = {"messages": messages, "calls": calls, "replies": replies}
    acts = [press, fail, limits, channels, responder, reset]
    return Starlette(
        routes=[
            Route("/api/{method}", api, methods=["GET", "POST"]),
            Route("/_response/{reply}", response_url, methods=["POST"]),
            *(Route(f"/_control/{name}", view) for name, view in control.items()),
            *(Route(f"/_control/{act.__name__}", act, methods=["POST"]) for act in acts),
        ]
    )


async def _arguments(request: Request) -> dict[str, Json]:
    arguments: dict[str, Json] = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        arguments |= await request.json()
    elif kind.startswith("application/x-www-form-urlencoded"):
        arguments |= dict(await request.form())
    return arguments


def _page(name: str, items: list[Json], args: dict[str, Json], limit: int) -> dict[str, Json]:
    start = int(args.get("cursor") or 0)
    end = start + int(args.get("limit") or limit)
    cursor = str(end) if end < len(items) else ""
    more = {"has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}
    return {name: items[start:end], **more}


def _within(ts: str, args: dict[str, Json]) -> bool:
    oldest, latest = float(args.get("oldest") or 0), float(args.get("latest") or math.inf)
    return oldest < float(ts) < latest


def _json(value: Json) -> Json:
    return json.loads(value) if isinstance(value, str) else value


def _metadata(args: dict[str, Json]) -> Json:
    metadata = _json(args.get("metadata"))
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise Refused("invalid_metadata_format")
    if len(json.dumps(metadata)) > 4000:
        raise Refused("metadata_too_large")
    return metadata


def _element(message: Message, action_id: str) -> tuple[dict[str, Json], dict[str, Json]]:
    for block in message.versions[-1]["blocks"]:
        for element in _elements(block):
            if element.get("action_id") == action_id:
                return block, element
    raise LookupError(f"message {message.key} shows nothing with the action_id {action_id}")


def _elements(block: dict[str, Json]) -> list[dict[str, Json]]:
    elements = block.get("elements", []) if block["type"] == "actions" else []
    return [*elements, *([block["accessory"]] if "accessory" in block else [])]


def _chosen(element: dict[str, Json], selected: Json) -> list[dict[str, Json]]:
    options = {option["value"]: option for option in element.get("options", [])}
    values = list(options) if selected == "all" else [str(value) for value in selected or []]
    if strange := [value for value in values if value not in options]:
        raise LookupError(f"{element['action_id']} has no options {strange}")
    return [options[value] for value in values]


def _state(message: Message, action_id: str, chosen: list[dict[str, Json]]) -> Json:
    values: dict[str, Json] = {}
    for block in message.versions[-1]["blocks"]:
        for element in _elements(block):
            if element["type"] == "checkboxes":
                mine = element["action_id"] == action_id
                ticked = chosen if mine else element.get("initial_options", [])
                entry = {"type": "checkboxes", "selected_options": ticked}
                values.setdefault(block["block_id"], {})[element["action_id"]] = entry
    return values


def main() -> None:
    """Serve until killed. The first line of output is the port."""
    parser = argparse.ArgumentParser(description="A stand-in for Slack's Web API.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="xoxb-test")
    parser.add_argument("--signing-secret", default="signing-secret")
    parser.add_argument("--responder", default="", help="where presses go: …/slack/interactions")
    options = parser.parse_args()

    def application(base_url: str) -> Starlette:
        slack = Slack(options.token, options.signing_secret, options.responder)
        slack.base_url = base_url
        return create(slack)

    serve(options.port, application)


if __name__ == "__main__":
    main()
