"""Where Slack's requests come in: verified, carried out, and answered in time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from responder.app import Responder
from responder.chat.slack.interactions import Interaction, parse
from responder.chat.slack.verify import slack_signature_ok
from responder.people.roles import Person, Role
from responder.receive.source import NotUnderstood, json_object
from responder.web.problems import EXPECTED, problem

log = structlog.get_logger()

LARGEST_BODY = 1024 * 1024
ANSWER_SECONDS = 1.5
SIGNATURE_LIFE = timedelta(minutes=11)  # five minutes to either side, and one to spare


class _Seen:
    """Signatures of the last minutes. Slack never sends the same press twice; a thief might."""

    def __init__(self) -> None:
        self._at: OrderedDict[str, datetime] = OrderedDict()

    def is_new(self, signature: str, now: datetime) -> bool:
        """Whether it was not seen while Slack's timestamp would still let it pass."""
        while self._at and now - next(iter(self._at.values())) > SIGNATURE_LIFE:
            self._at.popitem(last=False)
        if signature in self._at:
            return False
        self._at[signature] = now
        return True


def routes(responder: Responder) -> list[Route]:
    """Slack's interactivity address."""
    seen = _Seen()
    under_way: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    async def interactions(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_BODY:
                return problem(413, "too large")
        secret = responder.settings.slack_signing_secret
        if secret is None or not slack_signature_ok(
            secret.get_secret_value(),
            request.headers.get("x-slack-request-timestamp"),
            request.headers.get("x-slack-signature"),
            body,
            responder.now(),
        ):
            log.warning("slack.refused", path=request.url.path)
            return problem(401, "not signed by Slack for this app")
        if not seen.is_new(request.headers["x-slack-signature"], responder.now()):
            log.warning("slack.replayed", path=request.url.path)
            return Response(status_code=200)  # what it asks for was done the first time
        try:
            interaction = parse(json_object(parse_qs(body)[b"payload"][0]))
        except (KeyError, ValueError, NotUnderstood) as error:
            log.warning("slack.not_understood", error=str(error))
            return problem(400, "not an interaction this service knows")
        # Done before it is answered, so that a press we confirmed is on disk; but Slack shows
        # an error after three seconds, so if something is slow it is answered first.
        work = asyncio.create_task(_carry_out(responder, interaction))
        under_way.add(work)
        work.add_done_callback(under_way.discard)
        await asyncio.wait({work}, timeout=ANSWER_SECONDS)
        return Response(status_code=200)

    return [Route("/slack/interactions", interactions, methods=["POST"])]


async def _carry_out(responder: Responder, interaction: Interaction) -> None:
    if interaction.command is None:
        return
    name = interaction.user_name or interaction.user_id
    person = Person(name, Role.RESPONDER, f"slack:{interaction.user_id}")
    try:
        await responder.desk.carry_out(interaction.command, person)
    except EXPECTED as error:
        await _whisper(responder, interaction, str(error).strip("'\""))
    except Exception:
        log.exception("slack.press_failed", command=str(interaction.command))
        await _whisper(responder, interaction, "That did not work; it was not recorded. Try again.")


async def _whisper(responder: Responder, interaction: Interaction, text: str) -> None:
    """Tell only the one who pressed why nothing happened."""
    if not interaction.response_url:
        return
    try:
        await responder.http.post(
            interaction.response_url,
            json={"response_type": "ephemeral", "replace_original": False, "text": text},
        )
    except Exception as error:
        log.warning("slack.whisper_failed", error=str(error))
