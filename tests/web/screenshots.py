"""Pictures of every page: `python -m tests.web.screenshots OUTDIR [LARGEST_HEIGHT]`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psycopg
from playwright.sync_api import Browser, FloatRect, StorageState
from sqlmodel import Session

from responder.cli.events import event_alert, issue_created, metric_alert
from responder.store.database import Store
from tests.conftest import CREDITS
from tests.postgres.server import server
from tests.web.figures import lived_in
from tests.web.scene import browser, prepare, site_with
from tests.web.site import Site, forms

WIDTHS = {"desktop": 1280, "phone": 390}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


def main(folder: Path, height: int) -> None:
    """Build a scene and take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with _credits() as credits_url, tempfile.TemporaryDirectory() as data, browser() as chrome:
        prepare(credits_url, broken=True)
        with site_with(f"sqlite:///{data}/responder.db", credits_url) as site:
            _shoot(
                chrome, site, folder, height, {"sign-in": site.link(), "sign-in-used": "/sign-in"}
            )
            entry = chrome.new_page(base_url=site.url)
            entry.goto(site.link())
            entry.get_by_role("button", name="Sign in").click()
            state = entry.context.storage_state()
            _shoot(chrome, site, folder, height, {"empty": "/incidents"}, state)
            _past(site)
            pages = {
                "incidents": "/incidents",
                "incident": f"/incidents/{_present(site)}",
                "incident-resolved": "/incidents/1",
                "post-mortems": "/post-mortems",
                "post-mortem": "/post-mortems/1",
                "switches": "/switches",
                "deliveries": "/deliveries",
                "delivery": "/deliveries/1",
                "noise": "/noise",
                "quarantine": "/quarantine",
                "not-found": "/nowhere",
            }
            _shoot(chrome, site, folder, height, pages, state)
            _measured(site)
            _shoot(chrome, site, folder, height, {"objectives": "/objectives"}, state)


def _past(site: Site) -> None:
    """An incident that is over, one that nobody has taken, and some noise."""
    rosa, now = site.visitor(), datetime.now(UTC)
    slow = metric_alert("Supabase errors", "supabase", "count()", "61 errors", now=now)
    first = _opened(site, "metric_alert", slow)
    here = f"/incidents/{first}"
    site.settled(first)
    rosa.press(here, f"{here}/acknowledge")
    tick = next(action for action in forms(rosa.get(here)) if action.endswith("/tick"))
    rosa.press(here, tick, done=forms(rosa.get(here))[tick].boxes)
    site.settled(first)
    rosa.press(here, f"{here}/resolve")

    video = metric_alert("100ms connections failing", "lib/hms", "count()", "34", now=now)
    _opened(site, "metric_alert", video)
    site.send("issue", issue_created("TypeError: x is undefined", "components/toast.tsx", now=now))
    for title in ("TypeError: Failed to fetch", "Can't find variable: gtag"):
        site.send("event_alert", event_alert(title, "GET /discover", now=now))
    quiet = {"area": "webhooks", "for": "4h", "reason": "the provider has an outage"}
    site.post("/snoozes", by="Rosa Okafor", **quiet).raise_for_status()
    forged = {"Sentry-Hook-Signature": "f" * 64}
    site.send("issue", issue_created("TypeError: y", "lib/credits/x", now=now), **forged)
    site.send("installation", {"action": "created", "data": {"installation": {}}})


def _measured(site: Site) -> None:
    """Figures of a week. They come last, for they are very many deliveries."""
    store = Store(site.database_url)
    with Session(store.engine) as session, session.begin():
        lived_in(session, datetime.now(UTC))
    store.close()


def _present(site: Site) -> int:
    """A credits incident in the middle of its playbook."""
    incident = site.incident()
    for _ in range(3):
        site.incident()
    site.settled(incident)
    rosa, here = site.visitor(), f"/incidents/{incident}"
    rosa.press(here, f"{here}/acknowledge")
    tick = next(action for action in forms(rosa.get(here)) if action.endswith("/tick"))
    rosa.press(here, tick, done=forms(rosa.get(here))[tick].boxes[:1])
    return incident


def _opened(site: Site, resource: str, payload: dict[str, Any]) -> int:
    delivery = site.send(resource, payload).json()["id"]
    return int(site.decision(delivery)["incident_id"])


def _shoot(
    chrome: Browser,
    site: Site,
    folder: Path,
    height: int,
    pages: dict[str, str],
    state: StorageState | None = None,
) -> None:
    for scheme in SCHEMES:
        for size, width in WIDTHS.items():
            context = chrome.new_context(
                color_scheme=scheme,
                viewport={"width": width, "height": 844},
                base_url=site.url,
                storage_state=state,
            )
            page = context.new_page()
            for name, path in pages.items():
                page.goto(path)
                file = folder / f"{name}-{size}-{scheme}.png"
                tall = min(page.evaluate("document.documentElement.scrollHeight"), height)
                area: FloatRect = {"x": 0, "y": 0, "width": width, "height": tall}
                page.screenshot(path=file, full_page=True, clip=area)
                print(file)
            context.close()


@contextmanager
def _credits() -> Iterator[str]:
    with contextmanager(server)() as postgres:
        url = postgres.fresh_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(CREDITS.read_text(encoding="utf-8").encode())
        yield url


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
