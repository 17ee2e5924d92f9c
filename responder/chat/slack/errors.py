"""What Slack's errors mean, and how to mend them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from responder.chat.base import ChatError

_TOKEN = "set RESPONDER_SLACK_BOT_TOKEN to the Bot User OAuth Token (xoxb-…) of your Slack app"  # noqa: S105
_REPORT = "this is a fault of responder; please report it"

_MEND = {
    "not_in_channel": "the bot is not in {channel}: invite it there with /invite",
    "channel_not_found": (
        "Slack knows no channel {channel}: create it or mend RESPONDER_SLACK_CHANNEL; "
        "into a private channel the bot must be invited first"
    ),
    "is_archived": "{channel} is archived: unarchive it or set RESPONDER_SLACK_CHANNEL to another",
    "restricted_action": "the workspace's rules do not let the bot post in {channel}; ask an admin",
    "not_authed": f"no token was sent: {_TOKEN}",
    "invalid_auth": f"Slack does not know the token: {_TOKEN}",
    "token_revoked": f"the token was revoked: reinstall the Slack app, then {_TOKEN}",
    "token_expired": f"the token has expired: reinstall the Slack app, then {_TOKEN}",
    "account_inactive": f"the bot or its workspace was removed: reinstall the app, then {_TOKEN}",
    "missing_scope": (
        "the Slack app lacks the scope {needed}: add it under OAuth & Permissions and "
        "reinstall the app"
    ),
    "msg_too_long": f"the message is too long for Slack: {_REPORT}",
    "msg_blocks_too_long": f"the message is too long for Slack: {_REPORT}",
    "invalid_blocks": f"Slack refuses the message's blocks ({{details}}): {_REPORT}",
    "message_not_found": "the message is not in {channel} any more; somebody deleted it",
    "thread_not_found": "the thread is not in {channel} any more; somebody deleted its message",
    "cant_update_message": (
        "the message was posted by another app or bot: give responder the token it had then"
    ),
    "edit_window_closed": "the workspace's rules do not let a message this old be edited",
}

_PASSING = {
    "fatal_error": "Slack failed, maybe in the middle of it",
    "internal_error": "Slack failed",
    "service_unavailable": "Slack is not available at present",
    "request_timeout": "Slack did not get all of the request",
}


def explain(
    code: str,
    *,
    channel: str,
    needed: str = "",
    details: Sequence[str] = (),
    retry_after: float | None = None,
) -> ChatError:
    """One of Slack's error codes as an error that says what to mend.

    A code that is not known here counts as passing: a message may be late, but not lost.

    Args:
        needed: the scope that a `missing_scope` names.
        details: where `invalid_blocks` points to.
    """
    if code == "ratelimited":
        return ChatError("Slack asks us to slow down", retry_after=retry_after)
    if code in _MEND:
        text = _MEND[code].format(
            channel=channel, needed=needed or "(not named)", details="; ".join(details) or code
        )
        return ChatError(text, permanent=True, gone=code == "message_not_found")
    text = _PASSING.get(code, f"Slack answered {code}")
    return ChatError(text, retry_after=retry_after, maybe=True)
