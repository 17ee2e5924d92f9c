"""Pages show what others wrote as text, and act only for those who may and who meant it."""

from __future__ import annotations

import re

import pytest
from sqlmodel import Session

from responder.people.roles import Role
from responder.store.database import Store
from responder.store.tables import Incident, PostMortem
from tests.web.site import CREDITS, Site, Visitor, forms, text_of

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(2)>'
HIDDEN = "pay\u202eelas\u200b \x1b[31mnow"


def acts_on(incident: int, visitor: Visitor) -> dict[str, str]:
    """Every form that acts, and a page it is on."""
    found: dict[str, str] = {}
    for page in (f"/incidents/{incident}", "/switches", "/deliveries", "/noise"):
        found |= dict.fromkeys(forms(visitor.get(page)), page)
    assert found.pop("/sign-out")
    return found


def test_a_form_without_its_token_does_nothing(site: Site) -> None:
    incident = site.incident()
    before = site.settled(incident)
    visitor, other = site.visitor(), site.visitor("Eve")
    stolen = forms(other.get("/switches"))["/sign-out"].fields["csrf"][0]
    acts = acts_on(incident, visitor)
    assert len(acts) > 6
    for action, page in (acts | {"/sign-out": "/switches"}).items():
        fields = forms(visitor.get(page))[action].fields
        for token in ({}, {"csrf": stolen}):
            sent = {name: value for name, value in fields.items() if name != "csrf"} | token
            refused = visitor.post(action, data=sent)
            assert refused.status_code == 403, action
            assert "nothing was done" in text_of(refused)
    for token in ({"csrf": ""}, {"csrf": "x"}, {"csrf": "ü"}, {"csrf": "x" * 10_000}):
        assert visitor.post(f"/incidents/{incident}/acknowledge", data=token).status_code == 403
    after = site.get(f"/incidents/{incident}")
    assert (after["state"], after["timeline"]) == (before["state"], before["timeline"])
    assert len(site.get("/deliveries")["items"]) == 1
    assert visitor.get("/incidents").status_code == 200, "still signed in"


def test_a_viewer_sees_everything_and_can_do_nothing(site: Site) -> None:
    incident = site.incident()
    site.settled(incident)
    viewer, responder = site.visitor("Vera", Role.VIEWER), site.visitor()
    acts = acts_on(incident, responder)
    for action, page in acts.items():
        shown = viewer.get(page)
        assert list(forms(shown)) == ["/sign-out"], page
        fields = forms(responder.get(page))[action].fields
        fields |= {"reason": ["because"], "decision": ["approve"]}
        fields["csrf"] = forms(shown)["/sign-out"].fields["csrf"]
        refused = viewer.post(action, data=fields)
        assert refused.status_code == 403, action
        assert "this takes a responder" in text_of(refused)
    assert site.get(f"/incidents/{incident}")["state"] == "open"


def test_what_comes_from_outside_stays_text(site: Site) -> None:
    incident = site.incident(
        title=f"Bad: {SCRIPT}{BREAKOUT}{HIDDEN}",
        frames=((f"./lib/{BREAKOUT}.ts", SCRIPT, 1), *CREDITS),
        culprit=SCRIPT,
        transaction=BREAKOUT,
        web_url="javascript:alert(3)",
    )
    site.settled(incident)
    visitor = site.visitor(f"Eve {SCRIPT}{BREAKOUT}")
    here = f"/incidents/{incident}"
    assert visitor.press(here, f"{here}/acknowledge").status_code == 303
    assert visitor.press(here, f"{here}/escalate", reason=f"{SCRIPT}{BREAKOUT}").status_code == 303
    held = visitor.press("/switches", "/switches/credit-transactions/hold", reason=SCRIPT)
    assert held.status_code == 303
    site.post("/switches/credit-transactions/release", reason=SCRIPT, incident=incident)
    assert site.post(f"{here}/resolve").is_success
    for path in (
        "/incidents",
        here,
        "/switches",
        "/deliveries",
        "/deliveries/1",
        "/noise",
        "/post-mortems",
        "/post-mortems/1",
    ):
        page = visitor.get(path)
        assert page.status_code == 200
        assert "<script" not in page.text, path
        assert "<img src=x" not in page.text, path
        assert not re.search(r"=.?\s*javascript:", page.text), path
        assert not re.search(r"[\u202e\u200b\x1b]", page.text), path
        assert not re.search(r"<[^>]+ (style|on\w+)=", page.text), "no inline script or style"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in visitor.get(here).text


def test_even_what_reached_the_store_can_not_run(site: Site) -> None:
    incident = site.incident()
    site.settled(incident)
    site.post("/switches/credit-transactions/release", reason="test", incident=incident)
    assert site.post(f"/incidents/{incident}/resolve").is_success
    store = Store(site.database_url)
    with Session(store.engine) as session, session.begin():
        session.get_one(Incident, incident).issue_url = "javascript:alert(1)"
        record = session.get_one(PostMortem, 1)
        record.body = f"# T\n\n{SCRIPT} {BREAKOUT}\n\n{SCRIPT}\n\n[a](javascript:alert(2))\n"
    store.close()
    visitor = site.visitor()
    for path in (f"/incidents/{incident}", "/post-mortems/1"):
        page = visitor.get(path)
        assert "<script" not in page.text
        assert "<img src=x" not in page.text
        assert not re.search(r"(href|src)=.javascript:", page.text)
    assert "&lt;script&gt;" in page.text


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/incidents/999", f"/incidents/{2**70}", "/post-mortems/999", "/static/none.css"],
)
def test_what_is_not_there_is_said_kindly(quiet_site: Site, path: str) -> None:
    page = quiet_site.visitor().get(path)
    assert page.status_code == 404
    assert "Not found" in text_of(page)
    assert "Traceback" not in page.text
    assert 'href="/"' in page.text


def test_damaged_requests_are_answered_with_a_page(quiet_site: Site) -> None:
    visitor = quiet_site.visitor()
    csrf = forms(visitor.get("/switches"))["/sign-out"].fields["csrf"][0]
    for path, data, status in (
        ("/steps/1/tick", {"shown": "many"}, 422),
        ("/steps/1/tick", {"shown": "1", "incident": "1"}, 404),
        ("/steps/1/decide", {"decision": "perhaps"}, 422),
        ("/incidents/999/acknowledge", {}, 404),
        (f"/deliveries/{2**70}/replay", {}, 404),
        ("/switches/none/hold", {"reason": "x"}, 404),
        ("/switches/credit-transactions/hold", {"reason": "  "}, 422),
        ("/switches/credit-transactions/hold", {"reason": "x" * 2001}, 422),
        ("/switches/credit-transactions/release", {"reason": "x", "incident": "x"}, 422),
    ):
        answer = visitor.post(path, data={"csrf": csrf} | data)
        assert answer.status_code == status, (path, data, text_of(answer))
        assert "</html>" in answer.text
    assert visitor.post("/sign-out", content=b"csrf=" + b"x" * 300_000).status_code == 413
    assert visitor.get("/incidents?cursor=abc").status_code == 422
    assert visitor.get("/switches").text.count("sw-paused") == 0


def test_pages_are_not_kept_by_browsers_and_run_no_foreign_code(quiet_site: Site) -> None:
    page = quiet_site.visitor().get("/incidents")
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
