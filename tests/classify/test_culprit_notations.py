"""One source file is written in dozens of ways; all of them lead to the same path."""

from __future__ import annotations

import pytest

from responder.classify.culprit import candidates, culprit_path, repository_path, route_path
from responder.receive.alert import Alert, Frame, Metric, Signal

FILES = [
    # webpack, with source maps
    ("./lib/credits/service.ts", "lib/credits/service.ts"),
    ("webpack://_N_E/./lib/credits/service.ts", "lib/credits/service.ts"),
    ("webpack:///./lib/credits/service.ts", "lib/credits/service.ts"),
    ("webpack://kulti/lib/credits/service.ts?4f1c", "lib/credits/service.ts"),
    ("./app/api/webhooks/hms/route.ts", "app/api/webhooks/hms/route.ts"),
    ("../../lib/auth/session.ts", "lib/auth/session.ts"),
    ("../../kulti/lib/auth/session.ts", "lib/auth/session.ts"),
    ("~/lib/auth/session.ts", "lib/auth/session.ts"),
    ("/~/lib/auth/session.ts", "lib/auth/session.ts"),
    ("@/lib/auth/session", "lib/auth/session"),
    ("src/lib/auth/session.ts", "lib/auth/session.ts"),
    ("lib/hms/../credits/service.ts", "lib/credits/service.ts"),
    ("lib/credits/service.ts:88:11", "lib/credits/service.ts"),
    ("async lib/credits/service.ts", "lib/credits/service.ts"),
    # Turbopack
    ("turbopack:///[project]/lib/credits/service.ts", "lib/credits/service.ts"),
    ("turbopack://[project]/lib/credits/service.ts", "lib/credits/service.ts"),
    ("[project]/lib/credits/service.ts", "lib/credits/service.ts"),
    ("[project]/apps/web/lib/credits/service.ts", "lib/credits/service.ts"),
    ("[project]/lib/hms/client.ts [app-rsc] (ecmascript)", "lib/hms/client.ts"),
    ("[project]/app/session/[id]/page.tsx", "app/session/[id]/page.tsx"),
    # development
    ("webpack-internal:///(rsc)/./lib/credits/service.ts", "lib/credits/service.ts"),
    ("webpack-internal:///(ssr)/./components/session/Room.tsx", "components/session/Room.tsx"),
    ("webpack-internal:///(app-pages-browser)/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack-internal:///./lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack://_N_E/(rsc)/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("rsc://React/Server/webpack-internal:///(rsc)/./lib/hms/a.ts?12", "lib/hms/a.ts"),
    ("about://React/Server/file:///home/me/kulti/lib/hms/a.ts", "lib/hms/a.ts"),
    ("file:///C:/Users/me/kulti/lib/auth/session.ts", "lib/auth/session.ts"),
    ("C:\\Users\\me\\kulti\\lib\\auth\\session.ts", "lib/auth/session.ts"),
    # somebody's machine, or a container
    ("/home/me/kulti/lib/auth/session.ts", "lib/auth/session.ts"),
    ("/app/lib/auth/session.ts", "lib/auth/session.ts"),
    ("/app/app/api/auth/login/route.ts", "app/api/auth/login/route.ts"),
    ("/usr/src/app/lib/auth/session.ts", "lib/auth/session.ts"),
    ("/vercel/path0/components/session/Room.tsx", "components/session/Room.tsx"),
    ("/home/me/kulti/src/lib/auth/session.ts", "lib/auth/session.ts"),
    # built files, of which only routes and pages tell their source
    ("app:///_next/server/app/api/webhooks/hms/route.js", "app/api/webhooks/hms/route"),
    ("/var/task/.next/server/app/api/credits/tip/route.js", "app/api/credits/tip/route"),
    ("/app/.next/server/app/page.js", "app/page"),
    ("/app/.next/standalone/.next/server/app/dashboard/page.js", "app/dashboard/page"),
    ("/home/me/kulti/.next/dev/server/app/dashboard/page.js", "app/dashboard/page"),
    (
        "app:///_next/static/chunks/app/session/[id]/page-0f3c9a1b2c3d4e5f.js",
        "app/session/[id]/page",
    ),
    ("app:///_next/static/chunks/app/session/%5Bid%5D/page-0f3c9a1b.js", "app/session/[id]/page"),
    ("https://kulti.example/_next/static/chunks/app/page-0f3c9a1b.js?dpl=1", "app/page"),
    ("chunks/app/session/[id]/page", "app/session/[id]/page"),
    ("app:///_next/static/chunks/app/(dashboard)/layout-0f3c9a1b.js", "app/(dashboard)/layout"),
    ("app:///_next/static/chunks/pages/about-0f3c9a1b2c3d.js", "pages/about"),
    ("app:///_next/server/pages/api/health.js", "pages/api/health"),
    ("app:///_next/server/middleware.js", "middleware"),
    # modules, as Sentry and the Node SDK name them
    ("lib/credits/service", "lib/credits/service"),
    ("lib.credits:service", "lib/credits/service"),
    # nothing of ours
    (".next.server.chunks:8421", None),
    ("@sentry.minimal.dist:index", None),
    ("app:///_next/server/chunks/8421.js", None),
    ("app:///_next/server/chunks/[root-of-the-server]__5980703f._.js", None),
    ("app:///_next/static/chunks/5123-8c1d0a7e.js", None),
    ("app:///_next/static/chunks/main-app-8c1d0a7e.js", None),
    ("/home/me/kulti/.next/static", None),
    ("8421.js", None),
    ("5123-8c1d0a7e.js", None),
    ("./node_modules/next/dist/server/base-server.js", None),
    ("../node_modules/.pnpm/react@19/index.js", None),
    ("/home/me/kulti/node_modules/lib/index.js", None),
    ("next/dist/compiled/next-server/app-route.runtime.prod", None),
    ("@supabase/postgrest-js/dist/index.js", None),
    ("webpack://_N_E/webpack/bootstrap", None),
    ("node:internal/process/task_queues", None),
    ("node:events", None),
    ("<anonymous>", None),
    ("<data:text/javascript>", None),
    ("data:text/javascript,lib", None),
    ("chrome-extension://abcdef/lib/credits/service.js", None),
    ("https://other.example/lib/credits/service.js", None),
    ("native", None),
    ("?", None),
    ("", None),
    ("   ", None),
    ("..", None),
    ("POST /api/credits/tip", None),
]

ROUTES = [
    ("POST /api/credits/tip", "app/api/credits/tip/route"),
    ("/api/credits/tip", "app/api/credits/tip/route"),
    ("/api/credits/tip/", "app/api/credits/tip/route"),
    ("PUT /api/session/[id]/join", "app/api/session/[id]/join/route"),
    ("POST /api/trpc/[trpc]", "app/api/trpc/[trpc]/route"),
    ("GET /docs/[[...slug]]", "app/docs/[[...slug]]/page"),
    ("GET /dashboard", "app/dashboard/page"),
    ("/dashboard", "app/dashboard/page"),
    ("/", "app/page"),
    ("/session/:id", "app/session/[id]/page"),
    ("/session/:id/beep/:two", "app/session/[id]/beep/[two]/page"),
    ("/docs/:slug*", "app/docs/[...slug]/page"),
    ("/docs/:slug*?", "app/docs/[[...slug]]/page"),
    ("/session/%5Bid%5D", "app/session/[id]/page"),
    ("Page Server Component (/dashboard)", "app/dashboard/page"),
    ("Layout Server Component (/dashboard)", "app/dashboard/layout"),
    ("Not-found Server Component (/dashboard)", "app/dashboard/not-found"),
    ("Page.generateMetadata (/session/[id])", "app/session/[id]/page"),
    ("handler (/api/health)", "app/api/health/route"),
    ("getServerSideProps (/about)", "pages/about"),
    ("middleware GET", "middleware"),
    ("middleware", "middleware"),
    ("/proxy", "proxy"),
    ("https://kulti.example/api/webhooks/hms?token=x#y", "app/api/webhooks/hms/route"),
    ("GET https://kulti.example/dashboard", "app/dashboard/page"),
    ("https://kulti.example", "app/page"),
    ("/dashboard/../api/credits/tip", "app/api/credits/tip/route"),
    ("app/api/credits/tip/route", "app/api/credits/tip/route"),
    ("serverAction/tipUser", None),
    ("GET /_error", None),
    ("GET /404", None),
    ("/_not-found", None),
    ("/_next/data/build/about.json", None),
    ("incomplete-app-router-transaction", None),
    ("NextServer.getRequestHandler", None),
    ("Test notification", None),
    ("addCredits(lib/credits/service)", None),
    ("?", None),
    ("", None),
]

CULPRITS = [
    ("addCredits(lib/credits/service)", "lib/credits/service"),
    ("?(lib/credits/service)", "lib/credits/service"),
    ("Object.fetch(index)", "index"),
    ("null.<anonymous>(trigger-exception)", "trigger-exception"),
    ("Page(chunks/app/(dashboard)/session/page)", "app/(dashboard)/session/page"),
    ("views.js in updateMember", "views.js"),
    ("lib/credits/service.ts in addCredits", "lib/credits/service.ts"),
    ("./lib/credits/service.ts in addCredits", "lib/credits/service.ts"),
    ("?(<anonymous>)", None),
    ("?(runner)", "runner"),
    ("addCredits(node_modules/x/index)", None),
    ("Page Server Component (/dashboard)", None),
    ("serverAction/tipUser", None),
    ("incomplete-app-router-transaction", None),
    ("Test notification", None),
    ("POST /api/credits/tip", None),
    ("", None),
]


@pytest.mark.parametrize(("raw", "path"), FILES)
def test_file_names(raw: str, path: str | None) -> None:
    assert repository_path(raw) == path


@pytest.mark.parametrize(("raw", "path"), ROUTES)
def test_routes(raw: str, path: str | None) -> None:
    assert route_path(raw) == path


@pytest.mark.parametrize(("raw", "path"), CULPRITS)
def test_culprits(raw: str, path: str | None) -> None:
    assert culprit_path(raw) == path


def test_candidates_come_best_evidence_first_and_once() -> None:
    alert = Alert(
        "sentry",
        "event_alert",
        "triggered",
        Signal.FIRING,
        culprit="POST /api/webhooks/hms",
        transaction="POST /api/webhooks/hms",
        location="./lib/credits/service.ts",
        route="/api/webhooks/hms",
        url="https://kulti.example/dashboard",
        frames=(
            Frame("./lib/supabase/server.ts", in_app=True),
            Frame("./node_modules/next/index.js", in_app=True),
            Frame("./lib/logger.ts", in_app=False),
            Frame("./lib/credits/service.ts", in_app=True),
            Frame("./lib/credits/service.ts", in_app=True),
        ),
    )
    assert [(place.found_in, place.path, place.sure) for place in candidates(alert)] == [
        ("frame", "lib/supabase/server.ts", True),
        ("frame", "lib/credits/service.ts", True),
        ("route", "app/api/webhooks/hms/route", False),
        ("url", "app/dashboard/page", False),
    ]


def test_frames_not_marked_as_ours_count_when_none_is() -> None:
    frames = (Frame("lib/auth/session.ts"), Frame("node:internal/timers"))
    alert = Alert("sentry", "event_alert", "triggered", Signal.FIRING, frames=frames)
    assert [place.path for place in candidates(alert)] == ["lib/auth/session.ts"]


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ('transaction:"POST /api/webhooks/hms"', ["app/api/webhooks/hms/route"]),
        ("transaction:/api/credits/*", ["app/api/credits/route"]),
        ("stack.filename:*lib/credits*", ["lib/credits/*"]),
        ('level:error stack.filename:"*lib/auth/session.ts"', ["lib/auth/session.ts"]),
        (
            'transaction:["POST /api/a", "GET /b"]',
            ["app/api/a/route", "app/b/page"],
        ),
        ('!transaction:"POST /api/webhooks/hms"', []),
        ("title:transaction", []),
        ("", []),
    ],
)
def test_what_a_metric_rule_asks_for(query: str, paths: list[str]) -> None:
    metric = Metric("1", "rule", query, "count()", "")
    alert = Alert("sentry", "metric_alert", "critical", Signal.FIRING, metric=metric)
    assert [place.path for place in candidates(alert)] == paths
