"""The pages show what is going on, and their forms carry an incident to its end."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from sqlmodel import Session

from responder.store.database import Store
from responder.store.tables import Incident, SwitchRecord
from tests.service import until
from tests.web.site import LEDGER, Site, forms, text_of

SWITCH = "credit-transactions"
UNREACHABLE = "postgresql://127.0.0.1:1/none"


def notice(page: httpx.Response, name: str) -> str:
    """What the region of that name says."""
    found = re.search(rf'<section[^>]* aria-label="{name}">(.*?)</section>', page.text, re.S)
    assert found, f"no {name!r} on {page.url}"
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[1]))


def step_of(page: httpx.Response, title: str) -> str:
    """What stands before a step's title, on its line."""
    found = re.search(rf'<span class="mark">(.*?)</span>\s*<h3>{title}</h3>', page.text, re.S)
    assert found, f"no step {title!r} on {page.url}"
    return re.sub(r"<[^>]+>", " ", found[1])


def test_an_empty_service_says_what_to_do_next(site: Site) -> None:
    visitor = site.visitor()
    home = visitor.get("/", follow_redirects=True)
    assert home.url.path == "/incidents"
    assert f"{site.url}/webhooks/sentry" in text_of(home)
    assert "responder demo" in text_of(home)
    assert "Nothing has arrived yet" in text_of(visitor.get("/deliveries"))
    assert "There is none yet" in text_of(visitor.get("/post-mortems"))
    assert "running" in text_of(visitor.get("/switches"))


def test_an_incident_from_alert_to_post_mortem(site: Site) -> None:
    incident = site.incident()
    steps = {step["id"]: step["step_id"] for step in site.settled(incident)["run"]["steps"]}
    visitor, here = site.visitor(), f"/incidents/{incident}"

    listed = text_of(visitor.get("/incidents"))
    assert LEDGER in listed
    assert "critical" in listed.lower()
    assert "Credit transactions: paused" in listed

    page = visitor.get(here)
    words = text_of(page)
    assert "Credit transactions: paused" in words
    assert site.get(here)["culprit"] in words
    assert "Nobody has acknowledged it yet" in words
    assert f"{here}/resolve" not in forms(page), "it keeps a hold"

    assert visitor.press(here, f"{here}/acknowledge").headers["location"] == here
    page = visitor.get(here)
    assert "acknowledged by Rosa Okafor" in text_of(page)
    assert f"{here}/acknowledge" not in forms(page)

    assert visitor.press(here, f"{here}/escalate", reason="I need a second pair").is_redirect
    assert "I need a second pair" in text_of(visitor.get(here))

    assert "the app obeys once it next asks for" in notice(page, "Paused now")
    assert "Read back" not in text_of(page), "nobody has"

    # No database of the app is configured, so the checks can't run: a person goes without.
    failed = [
        step
        for step in site.get(here)["run"]["steps"]
        if step["state"] == "failed" and step["id"] != "recent"
    ]
    assert failed
    retried = visitor.press(here, f"/steps/{failed[0]['step_id']}/retry")
    assert retried.headers["location"] == f"{here}#step-{failed[0]['step_id']}"
    site.step_in(incident, failed[0]["id"], "failed")
    for step in failed:
        skip = f"/steps/{step['step_id']}/skip"
        empty = visitor.press(here, skip, reason="  ")
        assert empty.status_code == 409
        assert "say why" in text_of(empty).lower()
        assert visitor.press(here, skip, reason="checked in psql").is_redirect
    assert "checked in psql" in text_of(visitor.get(here))

    tick = f"/steps/{steps['review']}/tick"
    boxes = forms(visitor.get(here))[tick].boxes
    assert visitor.press(here, tick, done=boxes[:1]).is_redirect
    assert forms(visitor.get(here))[tick].fields["done"] == boxes[:1]
    assert visitor.press(here, tick, done=boxes).is_redirect

    resume = f"/steps/{steps['resume']}/decide"
    until(lambda: forms(visitor.get(here)), lambda found: resume in found)
    assert "On approval: Release this incident&#39;s hold on credit-transactions" in text_of(
        visitor.get(here)
    )
    assert visitor.press(here, resume, decision="approve", reason="all checked").is_redirect
    site.step_in(incident, "resume", "succeeded")

    until(lambda: site.get(here)["state"], lambda state: state == "mitigated")
    page = visitor.get(here)
    assert "paused" not in text_of(page).split("Timeline")[0].split("Facts")[0].split("Stop")[0]
    released = notice(page, "Released")
    assert "Every hold of this incident is released" in released
    assert "Credit transactions: running again" in released
    assert visitor.press(here, f"{here}/resolve").is_redirect
    page = visitor.get(here)
    assert "Read its post-mortem" in text_of(page)
    assert "write" not in text_of(page).split("Timeline")[0], "it can't be edited yet"
    assert list(forms(page)) == ["/sign-out"], "a resolved incident has no buttons"
    assert 'href="/post-mortems/1"' in page.text

    record = visitor.get("/post-mortems/1")
    assert f"<h1>{LEDGER}</h1>" in record.text
    assert "<table>" in record.text
    assert "I need a second pair" in text_of(record)
    assert LEDGER in text_of(visitor.get("/post-mortems"))


def test_a_pause_that_is_not_confirmed_is_no_pause(tmp_path: Path) -> None:
    with Site(f"sqlite:///{tmp_path / 'r.db'}", KULTI_DATABASE_URL=UNREACHABLE) as site:
        incident = site.incident()
        here, visitor = f"/incidents/{incident}", site.visitor()
        step = until(
            lambda: site.step(incident, "stop"),
            lambda step: step["attempts"] == 2 and step["state"] == "pending",
        )
        attempt = f"attempt 3 of {step['attempts_allowed']}"
        page = visitor.get(here)
        words = notice(page, "Pause not confirmed")
        assert "NOT CONFIRMED: Credit transactions may still pass" in words
        assert "database kulti" in words, "why, in the driver's words"
        assert "?." not in words
        assert "Paused now" not in page.text
        assert "NOT CONFIRMED" in text_of(visitor.get("/incidents"))

        waiting = text_of(page).split("What it waits for")[1]
        assert "This step failed before, and is tried again without you" in waiting
        assert f"Stop transactions: {attempt}" in waiting
        assert f"trying again, {attempt}" in waiting
        assert "The playbook is at work" not in waiting
        assert step_of(page, "Stop transactions").split()[:2] == ["↻", "again"]


def test_a_switch_that_another_hold_keeps_paused_is_not_called_running(site: Site) -> None:
    visitor = site.visitor()
    visitor.press("/switches", f"/switches/{SWITCH}/hold", reason="odd balances")
    incident = site.incident()
    site.settled(incident)
    assert f"Release #{incident}’s hold…" in text_of(visitor.get("/switches")), "fits a phone"
    site.post(f"/switches/{SWITCH}/release", reason="test", incident=incident).raise_for_status()
    store = Store(site.database_url)
    with Session(store.engine) as session, session.begin():
        session.get_one(Incident, incident).state = "mitigated"
    store.close()
    released = notice(visitor.get(f"/incidents/{incident}"), "Released")
    assert "Credit transactions: still paused, for another hold stands" in released


def test_a_reading_from_before_the_hold_confirms_nothing(site: Site) -> None:
    """As after a crash between the hold and the pause."""
    visitor = site.visitor()
    visitor.press("/switches", f"/switches/{SWITCH}/hold", reason="odd balances")
    store = Store(site.database_url)
    with Session(store.engine) as session, session.begin():
        record = session.get_one(SwitchRecord, SWITCH)
        record.state, record.confirmed, record.detail = "running", True, "it runs"
    store.close()
    found = site.get(f"/switches/{SWITCH}")
    assert (found["state"], found["confirmed"]) == ("paused", False)
    assert "it runs" not in found["detail"]
    assert "NOT CONFIRMED" in text_of(visitor.get("/incidents"))


def test_all_failed_checks_are_retried_with_one_press(site: Site) -> None:
    incident = site.incident()
    before = {step["id"]: step for step in site.settled(incident)["run"]["steps"]}
    failed = [name for name, step in before.items() if step["state"] == "failed"]
    visitor, here = site.visitor(), f"/incidents/{incident}"
    assert f"Retry all {len(failed)} failed checks" in text_of(visitor.get(here))
    assert visitor.press(here, f"{here}/retry").headers["location"] == here
    entries = [one for one in site.get(here)["timeline"] if one["kind"] == "retried"]
    assert len(entries) == len(failed) > 2
    assert {one["actor"] for one in entries} == {"Rosa Okafor"}

    site.settled(incident)
    stale = forms(visitor.get(here))[f"{here}/retry"]
    for name in failed[1:]:
        visitor.press(here, f"/steps/{before[name]['step_id']}/skip", reason="not needed")
    page = visitor.get(here)
    assert f"{here}/retry" not in forms(page), "one has a button of its own"
    visitor.press(here, f"/steps/{before[failed[0]]['step_id']}/skip", reason="not needed")
    late = visitor.post(f"{here}/retry", data=stale.fields)
    assert late.status_code == 409
    assert "No check has failed any more" in text_of(late)


def test_an_act_that_is_too_late_says_so_on_the_page(site: Site) -> None:
    incident = site.incident()
    site.settled(incident)
    here = f"/incidents/{incident}"
    slow, quick = site.visitor("Slow"), site.visitor("Quick")
    stale = forms(slow.get(here))
    step = next(action for action in stale if action.endswith("/skip"))
    assert quick.press(here, step, reason="looked at it").is_redirect
    late = slow.post(step, data=stale[step].fields | {"reason": ["me too"]})
    assert late.status_code == 409
    assert 'role="alert"' in late.text
    assert "can&#39;t be skipped" in late.text
    assert LEDGER in text_of(late), "the page it was done on is shown again"


def test_denying_leaves_the_switch_paused(site: Site) -> None:
    incident = site.incident()
    site.settled(incident)
    visitor, here = site.visitor(), f"/incidents/{incident}"
    for step in site.get(here)["run"]["steps"]:
        if step["state"] == "failed":
            visitor.press(here, f"/steps/{step['step_id']}/skip", reason="not needed")
    tick = next(action for action in forms(visitor.get(here)) if action.endswith("/tick"))
    visitor.press(here, tick, done=forms(visitor.get(here))[tick].boxes)
    step = site.step_in(incident, "resume", "waiting")
    decide = f"/steps/{step['step_id']}/decide"
    assert visitor.press(here, decide, decision="deny", reason="the cause is unknown").is_redirect
    page = text_of(visitor.get(here))
    assert "denied by Rosa Okafor: the cause is unknown" in page
    assert "Credit transactions: paused" in page


def test_a_switch_is_held_and_released_by_hand(site: Site) -> None:
    visitor = site.visitor()
    held = visitor.press("/switches", f"/switches/{SWITCH}/hold", reason="odd balances")
    assert held.headers["location"] == f"/switches#switch-{SWITCH}"
    page = text_of(visitor.get("/switches"))
    assert "odd balances" in page
    assert "by Rosa Okafor" in page
    assert "1 hold" in page
    assert "Credit transactions: paused" in text_of(visitor.get("/incidents"))
    assert site.get(f"/switches/{SWITCH}")["state"] == "paused"
    released = visitor.press("/switches", f"/switches/{SWITCH}/release", reason="they add up")
    assert released.is_redirect
    assert site.get(f"/switches/{SWITCH}")["state"] == "running"
    assert "odd balances" not in visitor.get("/switches").text


def test_deliveries_tell_what_was_decided_and_can_be_replayed(site: Site) -> None:
    incident = site.incident()
    visitor = site.visitor()
    page = visitor.get("/deliveries")
    assert f'href="/incidents/{incident}"' in page.text
    assert "opened" in text_of(page)
    replayed = visitor.press("/deliveries", "/deliveries/1/replay")
    assert replayed.headers["location"] == "/deliveries/2"
    site.decision(2)
    assert 'href="/deliveries/1"' in visitor.get("/deliveries").text


def test_lists_go_on_with_older_ones_and_filter_by_state(site: Site) -> None:
    sent = [site.send("installation", {"action": "created", "data": {"n": n}}) for n in range(51)]
    assert {answer.status_code for answer in sent} == {202}
    visitor = site.visitor()
    first = visitor.get("/deliveries")
    assert 'id="delivery-51"' in first.text
    assert 'id="delivery-1"' not in first.text
    second = visitor.get("/deliveries?cursor=2")
    assert 'href="?cursor=2"' in first.text
    assert 'id="delivery-1"' in second.text

    site.incident()
    assert LEDGER in visitor.get("/incidents?state=open").text
    resolved = visitor.get("/incidents?state=resolved")
    assert LEDGER not in resolved.text
    assert "No incident is resolved now" in text_of(resolved)


def test_static_files_change_their_address_with_their_content(quiet_site: Site) -> None:
    page = quiet_site.visitor().get("/incidents")
    href = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    style = quiet_site.stranger().get(href)
    assert style.headers["content-type"].startswith("text/css")
    assert "?v=" in href
