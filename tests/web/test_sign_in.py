"""People get in by a link that works once, and only where they meant to go."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import httpx
import pytest
from sqlmodel import Session, select

from responder.store.database import Store
from responder.store.tables import WebSession
from responder.web.doors import local
from tests.web.site import Site, forms, text_of


def session_cookie(answer: httpx.Response) -> Morsel[str]:
    return SimpleCookie(answer.headers["set-cookie"])["responder_session"]


def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(quiet_site: Site) -> None:
    link, first, second = quiet_site.link(), quiet_site.stranger(), quiet_site.stranger()
    for _ in range(3):  # a chat that previews the link
        assert "set-cookie" not in first.get(link).headers

    entered = first.press(link, "/sign-in")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert first.get("/incidents").status_code == 200

    refused = second.press(link, "/sign-in")
    assert refused.status_code == 403
    words = text_of(refused)
    assert "was made for another database: responder sign-in was run in the wrong folder" in words
    assert "prints one, run where the service runs" in words
    assert second.get("/incidents").status_code == 303


def test_links_and_sessions_end_with_time(quiet_site: Site) -> None:
    late = quiet_site.stranger()
    assert late.press(quiet_site.link(age=timedelta(minutes=31)), "/sign-in").status_code == 403
    assert late.get("/incidents").status_code == 303

    visitor = quiet_site.visitor("Late")
    store = Store(quiet_site.database_url)
    with Session(store.engine) as session, session.begin():
        row = session.exec(select(WebSession).where(WebSession.person == "Late")).one()
        row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
        session.add(row)
    store.close()
    assert visitor.get("/incidents").headers["location"] == "/sign-in?next=/incidents"


def test_the_cookie_is_kept_from_scripts_and_other_sites(quiet_site: Site) -> None:
    cookie = session_cookie(quiet_site.stranger().press(quiet_site.link(), "/sign-in"))
    assert cookie["httponly"] is True
    assert cookie["samesite"].lower() == "lax"
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""
    assert not cookie["secure"], "over plain http on loopback it would never come back"


def test_the_cookie_is_secure_behind_https(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with Site(
        f"sqlite:///{tmp_path / 'responder.db'}",
        RESPONDER_PORT=port,
        RESPONDER_PUBLIC_URL="https://responder.example",
    ) as site:
        site.url = f"http://127.0.0.1:{port}"
        cookie = session_cookie(site.stranger().press(site.link(), "/sign-in"))
    assert cookie["secure"] is True


def test_signing_out_ends_the_session_everywhere(quiet_site: Site) -> None:
    visitor = quiet_site.visitor()
    stolen = dict(visitor.cookies)
    left = visitor.press("/incidents", "/sign-out")
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    thief = quiet_site.stranger()
    thief.cookies.update(stolen)
    assert thief.get("/incidents").status_code == 303


def test_every_page_wants_a_session_and_comes_back_to_itself(quiet_site: Site) -> None:
    stranger = quiet_site.stranger()
    for path in ("/", "/incidents?state=open", "/incidents/1", "/switches", "/post-mortems/1"):
        sent = stranger.get(path)
        assert sent.status_code == 303
        to = httpx.URL(sent.headers["location"])
        assert (to.path, to.params["next"]) == ("/sign-in", path)

    page = f"{quiet_site.link()}&next=/incidents%3Fstate%3Dopen"
    entered = stranger.press(page, "/sign-in")
    assert entered.headers["location"] == "/incidents?state=open"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "evil.example",
        "",
    ],
)
def test_next_leads_nowhere_else(elsewhere: str) -> None:
    assert local(elsewhere) == "/"


def test_next_is_checked_where_it_is_used(quiet_site: Site) -> None:
    for elsewhere in ("//evil.example", "/\\evil.example", "https://evil.example"):
        stranger = quiet_site.stranger()
        entered = stranger.post(
            "/sign-in",
            data=forms(stranger.get(quiet_site.link()))["/sign-in"].fields | {"next": elsewhere},
        )
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        # Somebody who is in already is sent on by a plain link.
        sent = stranger.get("/sign-in", params={"next": elsewhere})
        assert sent.headers["location"] == "/"


def test_another_site_can_not_sign_its_visitor_in(quiet_site: Site) -> None:
    stranger = quiet_site.stranger()
    fields = forms(stranger.get(quiet_site.link()))["/sign-in"].fields
    forged = stranger.post("/sign-in", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403
    assert "set-cookie" not in forged.headers


def test_without_a_link_the_page_says_how_to_get_one(quiet_site: Site) -> None:
    page = quiet_site.stranger().get("/sign-in")
    assert page.status_code == 200
    words = text_of(page)
    assert "docker exec responder responder sign-in" in words
    assert "fly ssh console" in words
    assert "make run" not in words, "nobody restarts a service to sign in"
    assert "/sign-in" not in forms(page), "a button that can't work"
