"""Slack as a chat."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from responder.chat.base import ChatError, Message, Ref
from responder.chat.slack.blocks import render
from responder.chat.slack.errors import explain
from responder.chat.words import utc

EVENT = "responder_message"  # the type of the metadata by which a message is found again
PAGE = 200

_UNREADABLE = "Slack's answer can't be read; is a proxy in between?"

_CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{7,}")  # names are lower case


class SlackChat:
    """Posts to one channel of Slack.

    Nothing is sent twice by itself: when an answer is lost the message may be there, and only
    `find` can tell.

    Args:
        token: the bot's, `xoxb-…`.
        channel: a name, with or without `#`, or an id.
        base_url: ends in `/api/`.
        timeout: seconds for one whole call.
    """

    name = "slack"

    def __init__(
        self,
        token: str,
        channel: str,
        base_url: str = "https://slack.com/api/",
        *,
        timeout: int = 10,
    ) -> None:
        self._slack = AsyncWebClient(token, base_url, timeout, retry_handlers=[])
        self._timeout = timeout
        self._channel = channel
        self._channel_id = channel if _CHANNEL_ID.fullmatch(channel) else None

    async def post(self, key: str, message: Message, thread: Ref | None) -> Ref:
        """Post a message; its key goes with it, unseen by readers."""
        rendered = render(message)
        parent = thread if message.in_thread else None
        root = _root(parent) if parent else None
        answer = await self._ask(
            self._slack.chat_postMessage(
                channel=parent["channel"] if parent else self._channel_id or self._channel,
                text=rendered.text,
                blocks=rendered.blocks,
                unfurl_links=False,
                metadata={"event_type": EVENT, "event_payload": {"key": key}},
                thread_ts=root,
            )
        )
        if parent is None:
            self._channel_id = str(answer["channel"])
        return _ref(str(answer["channel"]), str(answer["ts"]), root)

    async def update(self, ref: Ref, message: Message) -> None:
        """Put the message's present content in place of the old."""
        rendered = render(message)
        await self._ask(
            self._slack.chat_update(
                channel=ref["channel"], ts=ref["ts"], text=rendered.text, blocks=rendered.blocks
            )
        )

    async def find(self, key: str, since: datetime, thread: Ref | None = None) -> Ref | None:
        """Look for a message by its key, in the channel and in the thread if one is given."""
        oldest = f"{utc(since).timestamp():.6f}"
        channel = thread["channel"] if thread else await self._find_channel()

        def history(cursor: str | None) -> Awaitable[AsyncSlackResponse]:
            return self._slack.conversations_history(
                channel=channel,
                oldest=oldest,
                include_all_metadata=True,
                limit=PAGE,
                cursor=cursor,
            )

        if ts := await self._search(history, key):
            return _ref(channel, ts)
        if thread is None:
            return None
        root = _root(thread)

        def replies(cursor: str | None) -> Awaitable[AsyncSlackResponse]:
            return self._slack.conversations_replies(
                channel=channel,
                ts=root,
                oldest=oldest,
                include_all_metadata=True,
                limit=PAGE,
                cursor=cursor,
            )

        ts = await self._search(replies, key)
        return _ref(channel, ts, root) if ts else None

    async def check(self) -> str:
        """Who we are to Slack, having read the channel as `find` would."""
        me = await self._ask(self._slack.auth_test())
        channel = await self._find_channel()
        await self._ask(self._slack.conversations_history(channel=channel, limit=1))
        return f"Slack: {me.get('user')} posts to {self._channel} of {me.get('team')}"

    async def close(self) -> None:
        """Nothing to do: each call has a connection of its own."""

    async def _find_channel(self) -> str:
        """The channel's id, which reading needs; posting takes names too."""
        if self._channel_id is None:
            self._channel_id = await self._look_up(self._channel.lstrip("#"))
        return self._channel_id

    async def _look_up(self, name: str) -> str:
        def joined(cursor: str | None) -> Awaitable[AsyncSlackResponse]:
            return self._slack.users_conversations(
                types="public_channel", limit=PAGE, cursor=cursor
            )

        async for channel in self._items(joined, "channels"):
            if channel.get("name") == name:
                return str(channel["id"])
        raise ChatError(
            f"the bot is in no public channel {name}: invite it there with /invite; for a "
            "private channel set RESPONDER_SLACK_CHANNEL to the channel's ID",
            permanent=True,
        )

    async def _search(
        self, page: Callable[[str | None], Awaitable[AsyncSlackResponse]], key: str
    ) -> str | None:
        async for message in self._items(page, "messages"):
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            if metadata.get("event_type") == EVENT and payload.get("key") == key:
                return str(message["ts"])
        return None

    async def _items(
        self, page: Callable[[str | None], Awaitable[AsyncSlackResponse]], name: str
    ) -> AsyncIterator[dict[str, Any]]:
        cursor = None
        while True:
            answer = await self._ask(page(cursor))
            for item in answer.get(name) or []:
                yield item
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return

    async def _ask(self, call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
        try:
            answer = (await call).data
        except SlackApiError as error:
            raise self._explained(error) from error
        except TimeoutError as error:
            text = f"Slack did not answer within {self._timeout} seconds"
            raise ChatError(text, maybe=True) from error
        except aiohttp.ClientConnectorError as error:
            raise ChatError(f"Slack can't be reached: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ChatError(f"the connection to Slack broke: {reason}", maybe=True) from error
        except (SlackClientError, ValueError, TypeError, AttributeError) as error:
            raise ChatError(_UNREADABLE, maybe=True) from error
        if not isinstance(answer, dict):
            raise ChatError(_UNREADABLE, maybe=True)
        return answer

    def _explained(self, error: SlackApiError) -> ChatError:
        # The SDK hands over its own response, or aiohttp's when there was no JSON in it.
        response = error.response
        data = getattr(response, "data", None)
        status = getattr(response, "status_code", None) or getattr(response, "status", "?")
        retry_after = _seconds((getattr(response, "headers", None) or {}).get("Retry-After"))
        if not isinstance(data, dict) or not isinstance(data.get("error"), str):
            code = "ratelimited" if status == 429 else f"HTTP {status} with no reason given"
            return explain(code, channel=self._channel, retry_after=retry_after)
        details = (data.get("response_metadata") or {}).get("messages") or []
        return explain(
            data["error"],
            channel=self._channel,
            needed=str(data.get("needed") or ""),
            details=[str(detail) for detail in details][:5],
            retry_after=retry_after,
        )


def _ref(channel: str, ts: str, root: str | None = None) -> Ref:
    return {"channel": channel, "ts": ts} | ({"thread_ts": root} if root else {})


def _root(thread: Ref) -> str:
    """A reply's thread is its parent's; Slack has no threads within threads."""
    return str(thread.get("thread_ts") or thread["ts"])


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
