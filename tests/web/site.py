"""The running service as its visitors see it: pages with forms, and people who press them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
from sqlmodel import Session

from responder.cli.events import event_alert
from responder.people.roles import Person, Role
from responder.store.database import Store
from responder.web.auth import SignIn
from tests.service import PLAYBOOKS, Service, until

KEY = "the-test-key"
LEDGER = "LedgerError: balance_after does not follow from the ledger"
CREDITS = (
    ("./node_modules/next/dist/server/app-route.js", "AppRouteRouteModule.do", 5),
    ("./app/api/credits/tip/route.ts", "POST", 41),
    ("./lib/credits/service.ts", "tipUser", 88),
)


@dataclass
class Form:
    """A form on a page, with what it sends if nobody changes anything."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    boxes: list[str] = field(default_factory=list)  # the values of checkboxes


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert values["method"] == "post"
            self.forms.append(Form(values["action"]))
        elif tag == "textarea":
            self.forms[-1].fields[values["name"]] = [""]
        elif tag == "select":
            self._select = values["name"]
        elif tag == "option":
            if "selected" in values or self._select not in self.forms[-1].fields:
                self.forms[-1].fields[self._select] = [values["value"]]
        elif tag == "input":
            fields = self.forms[-1].fields
            if values["type"] == "checkbox":
                self.forms[-1].boxes.append(values["value"])
                if "checked" not in values:
                    return
            fields.setdefault(values["name"], []).append(values.get("value", ""))


def forms(page: httpx.Response) -> dict[str, Form]:
    """The forms of a page by where they go. One that is there twice keeps its first."""
    parser = _Forms()
    parser.feed(page.text)
    return {form.action: form for form in reversed(parser.forms)}


class Visitor(httpx.Client):
    """A person with a browser."""

    def press(self, page: str, action: str, **changed: str | list[str]) -> httpx.Response:
        """Open a page and send one of its forms, with some fields filled in."""
        form = forms(self.get(page).raise_for_status())[action]
        return self.post(action, data=form.fields | changed)


class Site(Service):
    """The service, with ways in that need no mail and no Slack."""

    def __init__(self, database_url: str, **environment: str) -> None:
        self.database_url = database_url
        super().__init__(database_url, playbooks=PLAYBOOKS, **environment)

    def link(
        self,
        name: str = "Rosa Okafor",
        role: Role = Role.RESPONDER,
        *,
        age: timedelta = timedelta(0),
    ) -> str:
        """The path of a one-time link made so long ago."""
        store, signing = Store(self.database_url), SignIn(KEY)
        with Session(store.engine) as session, session.begin():
            token = signing.new_link(session, Person(name, role), now=datetime.now(UTC) - age)
        store.close()
        return f"/sign-in?token={token}"

    def stranger(self) -> Visitor:
        """Somebody with a browser and no session."""
        return Visitor(base_url=self.url, timeout=15, trust_env=False)

    def visitor(self, name: str = "Rosa Okafor", role: Role = Role.RESPONDER) -> Visitor:
        """Somebody signed in."""
        visitor = self.stranger()
        assert visitor.press(self.link(name, role), "/sign-in").status_code == 303
        return visitor

    def incident(
        self,
        title: str = LEDGER,
        transaction: str = "POST /api/credits/tip",
        frames: tuple[tuple[str, str, int], ...] = CREDITS,
        **changed: Any,
    ) -> int:
        """The incident that an alert opens or joins; `changed` overwrites the event's fields."""
        payload = event_alert(title, transaction, now=datetime.now(UTC), frames=frames)
        payload["data"]["event"].update(changed)
        stored = self.send("event_alert", payload)
        assert stored.status_code == 202, stored.text
        decision = self.decision(stored.json()["id"])
        assert decision["incident_id"], decision
        return int(decision["incident_id"])

    def settled(self, incident: int) -> Any:
        """The incident once its playbook can't go on without people."""
        return until(
            lambda: self.get(f"/incidents/{incident}"),
            lambda found: found["run"]["state"] != "running",
        )


def text_of(page: httpx.Response) -> str:
    """What a reader sees: the page's words with tags and runs of space gone."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))
