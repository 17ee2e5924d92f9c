"""One source file is written in dozens of ways; all of them lead to the same path.

Each row names who writes it so, what is written, and the path it leads to (None: it names no
place in the app). A table's comment says how such a path was found, and how sure it is.
"""

from __future__ import annotations

from typing import Any

import pytest

from responder.classify.culprit import Candidate, candidates, culprit_path
from responder.classify.files import repository_path
from responder.classify.paths import PathPatterns
from responder.classify.routes import route_path
from responder.receive.alert import Alert, Frame, Metric, Signal

# File names of stack frames and locations: found in a frame, and sure.
FILES = [
    ("webpack, source maps", "./lib/credits/service.ts", "lib/credits/service.ts"),
    ("webpack, Next.js' namespace", "webpack://_N_E/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack, no namespace", "webpack:///./lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack, one slash", "webpack:/lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack, hashed module", "webpack://kulti/lib/hms/a.ts?4f1c", "lib/hms/a.ts"),
    ("webpack, encoded query", "webpack://_N_E/./lib/hms/a.ts%3F4f1c", "lib/hms/a.ts"),
    ("webpack, scoped package", "webpack://@kulti/web/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack, layer in a build", "webpack://_N_E/(rsc)/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack, scheme lost", "_N_E/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("webpack, handler", "./app/api/webhooks/hms/route.ts", "app/api/webhooks/hms/route.ts"),
    ("webpack, group", "./app/(dashboard)/home/page.tsx", "app/(dashboard)/home/page.tsx"),
    ("webpack, group first", "./(dashboard)/home/page.tsx", "(dashboard)/home/page.tsx"),
    ("webpack, encoded folder", "./app/session/%5Bid%5D/page.tsx", "app/session/[id]/page.tsx"),
    ("webpack, root of a monorepo", "../../lib/auth/session.ts", "lib/auth/session.ts"),
    ("webpack, outside its root", "../../kulti/lib/auth/a.ts", "lib/auth/a.ts"),
    (
        "webpack, neighbouring package",
        "webpack-internal:///(rsc)/../../packages/ledger/src/a.ts",
        "packages/ledger/src/a.ts",
    ),
    ("symbolicator, tilde", "~/lib/auth/session.ts", "lib/auth/session.ts"),
    ("symbolicator, tilde in a URL", "/~/lib/auth/session.ts", "lib/auth/session.ts"),
    ("symbolicator, module", "lib/credits/service", "lib/credits/service"),
    ("symbolicator, chunk's module", "chunks/app/session/[id]/page", "app/session/[id]/page"),
    ("symbolicator, turbopack fixup", "lib/credits/ledger.ts", "lib/credits/ledger.ts"),
    ("TypeScript, path alias", "@/lib/auth/session", "lib/auth/session"),
    ("TypeScript, src", "src/lib/auth/session.ts", "lib/auth/session.ts"),
    ("TypeScript, ES module", "lib/auth/session.mts", "lib/auth/session.mts"),
    ("source map, not resolved", "lib/hms/../credits/a.ts", "lib/credits/a.ts"),
    ("V8, position", "lib/credits/service.ts:88:11", "lib/credits/service.ts"),
    ("V8, position of a module", "lib/credits/service:88:11", "lib/credits/service"),
    ("V8, async", "async lib/credits/service.ts", "lib/credits/service.ts"),
    ("Turbopack", "turbopack:///[project]/lib/credits/a.ts", "lib/credits/a.ts"),
    ("Turbopack, two slashes", "turbopack://[project]/lib/credits/a.ts", "lib/credits/a.ts"),
    ("Turbopack, older source maps", "/turbopack/[project]/lib/credits/a.ts", "lib/credits/a.ts"),
    ("Turbopack, unresolved", "[project]/lib/credits/a.ts", "lib/credits/a.ts"),
    ("Turbopack, workspace", "[project]/apps/web/lib/credits/a.ts", "lib/credits/a.ts"),
    ("Turbopack, package", "[project]/packages/ledger/src/a.ts", "packages/ledger/src/a.ts"),
    ("Turbopack, dynamic", "[project]/app/session/[id]/page.tsx", "app/session/[id]/page.tsx"),
    ("Turbopack, module", "[project]/lib/hms/a.ts [app-rsc] (ecmascript)", "lib/hms/a.ts"),
    (
        "Turbopack, part of a module",
        "[project]/lib/hms/a.ts [app-client] (ecmascript, async loader) <export a>",
        "lib/hms/a.ts",
    ),
    ("Next.js dev, rsc", "webpack-internal:///(rsc)/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("Next.js dev, ssr", "webpack-internal:///(ssr)/./lib/hms/a.ts", "lib/hms/a.ts"),
    ("Next.js dev, browser", "webpack-internal:///(app-pages-browser)/./lib/a.ts", "lib/a.ts"),
    ("Next.js dev, actions", "webpack-internal:///(action-browser)/./lib/a.ts", "lib/a.ts"),
    ("Next.js dev, instrument", "webpack-internal:///(instrument)/./lib/a.ts", "lib/a.ts"),
    ("Next.js dev, middleware", "webpack-internal:///(middleware)/./proxy.ts", "proxy.ts"),
    ("Next.js dev, pages", "webpack-internal:///(pages-dir-node)/./pages/a.tsx", "pages/a.tsx"),
    ("Next.js dev, older", "webpack-internal:///(sc_server)/./app/page.tsx", "app/page.tsx"),
    ("Next.js dev, no layer", "webpack-internal:///./lib/hms/a.ts", "lib/hms/a.ts"),
    ("Next.js dev, symbolicated", "components/session/Room.tsx", "components/session/Room.tsx"),
    ("Next.js dev, module", "(app-pages-browser)/./lib/hms/a", "lib/hms/a"),
    (
        "React, server frame in the browser",
        "rsc://React/Server/webpack-internal:///(rsc)/./lib/hms/a.ts?12",
        "lib/hms/a.ts",
    ),
    (
        "React, prerendered with Turbopack",
        "rsc://React/Prerender/turbopack:///[project]/lib/hms/a.ts?5",
        "lib/hms/a.ts",
    ),
    ("React 19", "about://React/Server/file:///home/me/kulti/lib/a.ts", "lib/a.ts"),
    ("React 19, encoded", "about://React/Server/%5Bproject%5D/lib/a.ts?1", "lib/a.ts"),
    ("Windows, file URL", "file:///C:/Users/me/kulti/lib/auth/a.ts", "lib/auth/a.ts"),
    ("Windows", "C:\\Users\\me\\kulti\\lib\\auth\\a.ts", "lib/auth/a.ts"),
    ("Windows, slashes", "c:/users/me/kulti/lib/auth/a.ts", "lib/auth/a.ts"),
    ("Windows, share", "\\\\server\\share\\kulti\\lib\\auth\\a.ts", "lib/auth/a.ts"),
    ("Windows, webpack", "webpack-internal:///(rsc)/.\\lib\\auth\\a.ts", "lib/auth/a.ts"),
    ("Windows, built", "D:\\a\\kulti\\kulti\\.next\\server\\app\\page.js", "app/page"),
    ("a home", "/home/me/kulti/lib/auth/session.ts", "lib/auth/session.ts"),
    ("a home, src", "/home/me/kulti/src/lib/auth/session.ts", "lib/auth/session.ts"),
    ("a home, repositories in src", "/Users/me/src/kulti/lib/auth/a.ts", "lib/auth/a.ts"),
    ("a home, repositories in lib", "/home/me/lib/kulti/lib/auth/a.ts", "lib/auth/a.ts"),
    ("a home, repository called app", "/home/me/app/components/A.tsx", "components/A.tsx"),
    ("a home, lib inside app", "/home/me/kulti/app/lib/credits/a.ts", "app/lib/credits/a.ts"),
    ("a home, no known folder", "/home/me/kulti/features/a.ts", "features/a.ts"),
    ("root's home", "/root/kulti/features/a.ts", "features/a.ts"),
    ("a container", "/app/lib/auth/session.ts", "lib/auth/session.ts"),
    ("a container, app in app", "/app/app/api/auth/route.ts", "app/api/auth/route.ts"),
    ("a container, src", "/app/src/features/lib/a.ts", "features/lib/a.ts"),
    ("a container, home", "/home/app/lib/credits/a.ts", "lib/credits/a.ts"),
    ("a container, Node's home", "/home/node/app/lib/credits/a.ts", "lib/credits/a.ts"),
    ("a container, below /opt", "/opt/app/lib/credits/a.ts", "lib/credits/a.ts"),
    ("a container, monorepo", "/app/apps/web/lib/auth/a.ts", "lib/auth/a.ts"),
    ("a container, root file", "/app/middleware.ts", "middleware.ts"),
    ("a container, Node image", "/usr/src/app/services/lib/a.ts", "services/lib/a.ts"),
    ("Vercel, function", "/var/task/services/lib/a.ts", "services/lib/a.ts"),
    ("Vercel, function in a monorepo", "/var/task/apps/web/lib/auth/a.ts", "lib/auth/a.ts"),
    ("Vercel, build", "/vercel/path0/components/Room.tsx", "components/Room.tsx"),
    ("GitHub Actions", "/home/runner/work/kulti/kulti/lib/a.ts", "lib/a.ts"),
    ("Codespaces", "/workspaces/kulti/features/a.ts", "features/a.ts"),
    (
        "Supabase, local function",
        "file:///home/deno/functions/tip/a.ts",
        "supabase/functions/tip/a.ts",
    ),
    (
        "Supabase, deployed function",
        "file:///var/tmp/sb-compile-edge-runtime/functions/tip/index.ts",
        "supabase/functions/tip/index.ts",
    ),
    (
        "Supabase, function without its folder",
        "file:///var/tmp/sb-compile-edge-runtime/tip/index.ts",
        "supabase/functions/tip/index.ts",
    ),
    # Of built files only routes and pages tell their source; its extension is lost.
    (
        "sentry-javascript, server route",
        "app:///_next/server/app/api/webhooks/hms/route.js",
        "app/api/webhooks/hms/route",
    ),
    (
        "Vercel, not rewritten",
        "/var/task/.next/server/app/api/credits/tip/route.js",
        "app/api/credits/tip/route",
    ),
    (
        "Vercel, monorepo",
        "/var/task/apps/web/.next/server/app/api/credits/tip/route.js",
        "app/api/credits/tip/route",
    ),
    (
        "Next.js, server group",
        "app:///_next/server/app/(dashboard)/session/[id]/page.js",
        "app/(dashboard)/session/[id]/page",
    ),
    ("Next.js, container", "/app/.next/server/app/page.js", "app/page"),
    ("Next.js, standalone", "/app/.next/standalone/.next/server/app/a/page.js", "app/a/page"),
    ("Next.js dev, built", "/home/me/kulti/.next/dev/server/app/a/page.js", "app/a/page"),
    (
        "sentry-javascript, browser page",
        "app:///_next/static/chunks/app/session/[id]/page-0f3c9a1b2c3d4e5f.js",
        "app/session/[id]/page",
    ),
    (
        "Next.js, encoded chunk",
        "app:///_next/static/chunks/app/session/%5Bid%5D/page-0f3c9a1b.js",
        "app/session/[id]/page",
    ),
    (
        "Next.js, chunk with position",
        "app:///_next/static/chunks/app/layout-0f3c9a1b.js:1:2345",
        "app/layout",
    ),
    (
        "Next.js, chunk with query",
        "https://kulti.example/_next/static/chunks/app/page-0f3c9a1b.js?dpl=dpl_1",
        "app/page",
    ),
    (
        "Next.js, assets on a CDN",
        "https://cdn.example/_next/static/chunks/app/page-0f3c9a1b.js",
        "app/page",
    ),
    (
        "Next.js dev, chunk",
        "http://localhost:3000/_next/static/chunks/app/session/page.js",
        "app/session/page",
    ),
    (
        "Next.js, parallel and intercepted",
        "app:///_next/static/chunks/app/@modal/(.)room/[id]/page-0f3c9a1b.js",
        "app/@modal/(.)room/[id]/page",
    ),
    ("Next.js, tilde", "~/_next/static/chunks/app/layout-0f3c9a1b.js", "app/layout"),
    ("Next.js, Pages Router", "app:///_next/static/chunks/pages/a-0f3c9a1b.js", "pages/a"),
    ("Next.js, Pages API", "app:///_next/server/pages/api/health.js", "pages/api/health"),
    ("Next.js, middleware", "app:///_next/server/middleware.js", "middleware"),
    ("Next.js, middleware in src", "app:///_next/server/src/middleware.js", "middleware"),
    ("Node SDK, module", "lib.credits:service", "lib/credits/service"),
    ("Node SDK, dynamic", "app.session.[id]:page", "app/session/[id]/page"),
    ("Node SDK, catch-all", ".next.server.app.docs.[...slug]:page", "app/docs/[...slug]/page"),
    ("Node SDK, built", ".next.server.app.api.credits.tip:route", "app/api/credits/tip/route"),
    (
        "sentry-javascript, rewritten frames",
        "app:///lib/credits/service.js",
        "lib/credits/service.js",
    ),
]

# Nothing of ours.
NO_FILES = [
    ("Node SDK, chunk", ".next.server.chunks:8421"),
    ("Node SDK, library", "@sentry.minimal.dist:index"),
    ("sentry-javascript, server chunk", "app:///_next/server/chunks/8421.js"),
    ("Turbopack, chunk", "app:///_next/server/chunks/[root-of-the-server]__5980703f._.js"),
    ("Turbopack, named chunk", "app:///_next/server/chunks/ssr/lib_credits_a_ts_1a2b._.js"),
    ("Turbopack dev, library", "app:///_next/dev/server/chunks/node_modules_ai_dist_16zsbns.js"),
    ("Turbopack, runtime", "turbopack:///[turbopack]/browser/runtime/base.ts"),
    ("Turbopack, external", "[externals]/node:crypto"),
    ("Next.js, browser chunk", "app:///_next/static/chunks/5123-8c1d0a7e.js"),
    ("Next.js, main chunk", "app:///_next/static/chunks/main-app-8c1d0a7e.js"),
    ("Next.js, style sheet", "app:///_next/static/css/app/layout.css"),
    ("Next.js, folder", "/home/me/kulti/.next/static"),
    ("webpack, numeric chunk", "8421.js"),
    ("webpack, hashed chunk", "5123-8c1d0a7e.js"),
    ("Turbopack, hashed chunk", "0f3c9a1b2c3d4e5f.js"),
    ("npm", "./node_modules/next/dist/server/base-server.js"),
    ("pnpm", "../node_modules/.pnpm/react@19/node_modules/react/index.js"),
    ("pnpm, Turbopack", "turbopack:///[project]/node_modules/.pnpm/a@1/node_modules/a/lib/a.js"),
    ("pnpm, machine", "/home/me/kulti/node_modules/.pnpm/a@1/node_modules/a/lib/auth/a.js"),
    ("Yarn", "/app/.yarn/__virtual__/a/lib/auth/a.js"),
    ("symbolicator, Next.js' module", "next/dist/compiled/next-server/app-route.runtime.prod"),
    ("Next.js, its own source maps", "next/src/client/app-index.tsx"),
    ("symbolicator, scoped module", "@supabase/postgrest-js/dist/index.js"),
    ("webpack, bootstrap", "webpack://_N_E/webpack/bootstrap"),
    ("webpack, external", 'webpack://_N_E/external commonjs "crypto"'),
    ("Vercel, launcher", "/var/task/___next_launcher.cjs"),
    ("Vercel, edge bundle", "vc/edge/function"),
    ("Vercel, runtime", "/opt/rust/nodejs.js"),
    ("AWS Lambda, runtime", "file:///var/runtime/index.mjs"),
    ("a machine's libraries", "/usr/local/lib/auth/index.js"),
    ("Supabase, nameless function", "file:///var/tmp/sb-compile-edge-runtime/source/index.ts"),
    ("Deno", "ext:deno_web/03_abort_signal.js"),
    ("Deno, module", "https://deno.land/std/http/server.ts"),
    ("Node.js", "node:internal/process/task_queues"),
    ("Node.js, bare", "node:events"),
    ("Node.js, older", "internal/process/task_queues.js"),
    ("V8", "<anonymous>"),
    ("V8, builtin", "native"),
    ("V8, eval", "eval at <anonymous> (https://kulti.example/a.js:1:1)"),
    ("Chrome, console", "VM123:1"),
    ("Chrome, page", "(index)"),
    ("Safari", "[native code]"),
    ("Firefox, console", "debugger eval code"),
    ("a data URL", "data:text/javascript,lib"),
    ("a data URL, bracketed", "<data:text/javascript>"),
    ("a blob", "blob:https://kulti.example/lib/a.js"),
    ("WebAssembly", "wasm://wasm/8c1d0a7e"),
    ("Chrome, extension", "chrome-extension://abcdef/lib/credits/service.js"),
    ("Safari, extension", "safari-web-extension://abcdef/lib/credits/service.js"),
    ("another origin", "https://other.example/lib/credits/service.js"),
    ("a script in a page", "https://kulti.example/dashboard"),
    ("sentry-javascript, script in a page", "app:///lib/credits"),
    ("sentry-javascript, another origin", "app:///gtag/js"),
    ("Sentry, unknown", "?"),
    ("Sentry, a transaction", "POST /api/credits/tip"),
    ("a sentence", "Something went wrong / failed"),
    ("nobody", ""),
    ("nobody, blank", "   "),
    ("an attacker, parent", ".."),
    ("an attacker, dots", "lib/../../.."),
    ("an attacker, extension only", ".ts"),
    ("an attacker, control characters", "lib/credits/\x1b[31ma.ts"),
    ("an attacker, right to left", "lib/credits/\u202ea.ts"),
    ("an attacker, half a character", "lib/credits/\ud800a.ts"),
]

# What serves a route: found where the route stood, never sure.
ROUTES = [
    ("sentry-javascript, onRequestError", "POST /api/credits/tip", "app/api/credits/tip/route"),
    ("sentry-javascript, dynamic", "GET /api/x/[id]", "app/api/x/[id]/route"),
    ("sentry-javascript, tRPC", "POST /api/trpc/[trpc]", "app/api/trpc/[trpc]/route"),
    ("sentry-javascript, catch-all", "GET /docs/[...slug]", "app/docs/[...slug]/page"),
    ("sentry-javascript, optional", "POST /rpc/[[...rest]]", "app/rpc/[[...rest]]/page"),
    ("sentry-javascript, app page", "GET /dashboard", "app/dashboard/page"),
    ("sentry-javascript, nested", "GET /nested/[param]", "app/nested/[param]/page"),
    ("sentry-javascript, no method", "/api/credits/tip", "app/api/credits/tip/route"),
    ("sentry-javascript, root", "/", "app/page"),
    ("sentry-javascript, raw number", "GET /raw/path/123", "app/raw/path/[id]/page"),
    (
        "sentry-javascript, raw UUID",
        "/session/8f2c1a34-0a1b-4c2d-8e3f-5a6b7c8d9e0f",
        "app/session/[id]/page",
    ),
    ("sentry-javascript, browser", "/session/:id", "app/session/[id]/page"),
    ("sentry-javascript, browser, two", "/a/:one/b/:two", "app/a/[one]/b/[two]/page"),
    ("sentry-javascript, browser, rest", "/docs/:slug*", "app/docs/[...slug]/page"),
    ("sentry-javascript, browser, some", "/docs/:slug+", "app/docs/[...slug]/page"),
    ("sentry-javascript, browser, optional", "/docs/:slug*?", "app/docs/[[...slug]]/page"),
    ("sentry-javascript, browser, all", "/:slug*", "app/[...slug]/page"),
    ("sentry-javascript, Pages Router", "/[param]/x", "app/[param]/x/page"),
    ("sentry-javascript, unknown base path", "/my-app/dashboard", "app/my-app/dashboard/page"),
    ("sentry-javascript, browser, one or none", "/a/:id?", "app/a/[id]/page"),
    ("sentry-javascript, page", "Page Server Component (/a)", "app/a/page"),
    ("sentry-javascript, layout", "Layout Server Component (/a)", "app/a/layout"),
    ("sentry-javascript, loading", "Loading Server Component (/a)", "app/a/loading"),
    ("sentry-javascript, not found", "Not-found Server Component (/a)", "app/a/not-found"),
    ("sentry-javascript, group", "Page Server Component (/(in)/a)", "app/(in)/a/page"),
    ("sentry-javascript, unknown kind", "Unknown Server Component (/a)", "app/a/page"),
    ("sentry-javascript, metadata", "Page.generateMetadata (/s/[id])", "app/s/[id]/page"),
    ("sentry-javascript, viewport", "Layout.generateViewport (/a)", "app/a/layout"),
    ("sentry-javascript, edge handler", "handler (/api/health)", "app/api/health/route"),
    ("sentry-javascript, data", "getServerSideProps (/about)", "pages/about"),
    ("sentry-javascript, data of the root", "getStaticProps (/)", "pages/index"),
    ("sentry-javascript, _app", "_app.getInitialProps (/about)", "pages/_app"),
    ("sentry-javascript, middleware", "middleware GET", "middleware"),
    ("sentry-javascript, bare middleware", "middleware", "middleware"),
    ("Next.js, middleware's route", "GET /middleware", "middleware"),
    ("Next.js, middleware in src", "/src/middleware", "middleware"),
    ("Next.js 16, proxy", "/proxy", "proxy"),
    ("Next.js 16, proxy's method", "proxy POST", "proxy"),
    ("Next.js, span", "RSC GET /dashboard", "app/dashboard/page"),
    ("Next.js, span of a handler", "executing api route (app) /api/a/route", "app/api/a/route"),
    ("Next.js, span of a page", "render route (app) /dashboard", "app/dashboard/page"),
    ("Next.js, file in the route", "GET /api/a/route", "app/api/a/route"),
    ("Next.js, built name", "app/api/credits/tip/route", "app/api/credits/tip/route"),
    ("Next.js, trailing slash", "/api/credits/tip/", "app/api/credits/tip/route"),
    ("Vercel, server component", "GET /dashboard.rsc", "app/dashboard/page"),
    ("Vercel, prefetch", "GET /dashboard.prefetch.rsc", "app/dashboard/page"),
    ("Vercel, segment", "/a.segments/_tree.segment.rsc", "app/a/page"),
    ("Vercel, root", "/index.rsc", "app/page"),
    ("a browser, encoded", "/session/%5Bid%5D", "app/session/[id]/page"),
    ("a browser, query", "https://kulti.example/api/hms?t=x#y", "app/api/hms/route"),
    ("a browser, query of the root", "https://kulti.example?t=x", "app/page"),
    ("a browser, origin only", "https://kulti.example", "app/page"),
    ("a browser, credentials", "https://me:pw@kulti.example/a", "app/a/page"),
    ("Node.js, whole URL", "GET http://localhost:3000/api/a", "app/api/a/route"),
    ("fetch, lower case", "post /api/credits/tip", "app/api/credits/tip/route"),
    ("Windows, separators", "\\api\\credits\\tip", "app/api/credits/tip/route"),
    ("Sentry, cut", "POST /api/webhooks/some/lo...", "app/api/webhooks/some/lo.../route"),
    ("an attacker, dots", "/a/../api/credits/tip", "app/api/credits/tip/route"),
    ("an attacker, encoded dots", "/a/%2e%2e/api/credits/tip", "app/api/credits/tip/route"),
    ("an attacker, encoded letters", "/%61pi/credits/tip", "app/api/credits/tip/route"),
    ("an attacker, slashes", "/api//credits///tip", "app/api/credits/tip/route"),
]

NO_ROUTES = [
    ("sentry-javascript, server action", "serverAction/tipUser"),
    ("sentry-javascript, glitch", "incomplete-app-router-transaction"),
    ("sentry-javascript, glitch", "NextServer.getRequestHandler"),
    ("Next.js, error page", "GET /_error"),
    ("Next.js, not found", "GET /404"),
    ("Next.js, failed", "/500"),
    ("Next.js, App Router's not found", "/_not-found"),
    ("Next.js, its file", "GET /_not-found/page"),
    ("Next.js 16, global error", "GET /_global-error"),
    ("Next.js, data", "/_next/data/build/about.json"),
    ("Next.js, image", "GET /_next/image"),
    ("Sentry, test", "Test notification"),
    ("Sentry, sample", "views.js in updateMember"),
    ("Sentry, code", "addCredits(lib/credits/service)"),
    ("Sentry, unknown", "?"),
    ("OpenTelemetry, method only", "GET"),
    ("a page's address", "about:blank"),
    ("an extension's address", "chrome-extension://abcdef/popup.html"),
    ("a file", "file:///index.html"),
    ("a script", "https://kulti.example/sw.js"),
    ("nobody", ""),
    ("an attacker, control characters", "/api/\x00credits"),
    ("an attacker, right to left", "/api/\u202ecredits"),
]

# Sentry's own culprits: found in the culprit; sure unless a bare word is left.
CULPRITS = [
    ("Sentry", "addCredits(lib/credits/service)", "lib/credits/service", True),
    ("Sentry, no function", "?(lib/credits/service)", "lib/credits/service", True),
    ("Sentry, file name", "addCredits(./lib/credits/a.ts)", "lib/credits/a.ts", True),
    ("Sentry, async", "async tip(lib/credits/service)", "lib/credits/service", True),
    ("Sentry, method", "Object.<anonymous>(lib/hms/a)", "lib/hms/a", True),
    ("Sentry, chunk", "Page(chunks/app/(in)/session/page)", "app/(in)/session/page", True),
    ("Sentry, handler", "POST(app/api/credits/tip/route)", "app/api/credits/tip/route", True),
    ("Sentry, position", "tip(lib/credits/a.ts:88:11)", "lib/credits/a.ts", True),
    ("Sentry, dev", "tip(webpack-internal:///(rsc)/./lib/a.ts)", "lib/a.ts", True),
    ("Sentry, cut", "addCredits(lib/credits/serv...", "lib/credits/serv", True),
    ("Sentry docs", "?(runner)", "runner", False),
    ("sentry integration example", "CustomError(frontend/src/util)", "frontend/src/util", True),
    ("sentry-mcp", "Object.fetch(index)", "index", False),
    ("Zulip's fixture", "null.<anonymous>(trigger-exception)", "trigger-exception", False),
    ("Sentry, old form", "lib/credits/a.ts in tip", "lib/credits/a.ts", True),
    ("Sentry, old form with dot", "./lib/credits/a.ts in tip", "lib/credits/a.ts", True),
    ("Sentry, old form on Vercel", "/var/task/lib/hms/a.ts in b", "lib/hms/a.ts", True),
    ("Sentry, old form twice", "lib/credits/a.ts in b in c", "lib/credits/a.ts", True),
    ("Sentry, sample", "views.js in updateMember", "views.js", True),
    ("Sentry, Python's sample", "raven.scripts.runner in main", "raven.scripts.runner", False),
    ("Sentry, file only", "lib/credits/a.ts", "lib/credits/a.ts", True),
    (
        "Sentry, built file only",
        "app/api/credits/tip/route.ts",
        "app/api/credits/tip/route.ts",
        True,
    ),
    ("Sentry, root file", "?(instrumentation)", "instrumentation", True),
    ("Sentry, error's name", "LedgerConflictError", "LedgerConflictError", False),
]

NO_CULPRITS = [
    ("Sentry, no place", "?(<anonymous>)"),
    ("Sentry, nothing known", "?(?)"),
    ("Sentry, empty", "?()"),
    ("Sentry, library", "addCredits(node_modules/x/index)"),
    ("Sentry, Next.js", "fetch(next/dist/server/base-server)"),
    ("Sentry, Node.js", "processTicksAndRejections(node:internal/process/task_queues)"),
    ("Sentry, native", "fetch(native)"),
    ("Sentry, browser chunk", "e(chunks/5123-8c1d0a7e)"),
    ("Sentry, numeric chunk", "e(5123)"),
    ("Sentry, test", "Test notification"),
    ("sentry-javascript, server action", "serverAction/tipUser"),
    ("sentry-javascript, glitch", "incomplete-app-router-transaction"),
    ("sentry-javascript, glitch", "NextServer.getRequestHandler"),
    ("a sentence", "Failed to sign in"),
    ("an error", "TypeError: x is undefined"),
    ("nobody", ""),
]

# What a metric rule's query asks for: found in the metric, never sure.
QUERIES = [
    ("Sentry", 'transaction:"POST /api/webhooks/hms"', ["app/api/webhooks/hms/route"]),
    ("Sentry, unquoted", "transaction:/session/[id]", ["app/session/[id]/page"]),
    ("Sentry, wildcard", "transaction:/api/credits/*", ["app/api/credits/route"]),
    ("Sentry, leading wildcard", "url:*/api/credits/*", ["app/api/credits/route"]),
    ("Sentry, address", "http.url:https://kulti.example/a*", ["app/a/page"]),
    ("Sentry, route", "http.route:/api/credits/tip", ["app/api/credits/tip/route"]),
    ("Sentry, span", 'span.description:"GET /dashboard"', ["app/dashboard/page"]),
    ("Sentry, SQL", 'span.description:"SELECT 1 FROM a"', []),
    ("Sentry, folder", "stack.filename:*lib/credits*", ["lib/credits/*"]),
    ("Sentry, folder with slashes", "stack.filename:*/lib/credits/*", ["lib/credits/*"]),
    ("Sentry, file", 'level:error stack.filename:"*lib/auth/a.ts"', ["lib/auth/a.ts"]),
    ("Sentry, module", "stack.module:lib/auth/a", ["lib/auth/a"]),
    ("Sentry, extension only", "stack.filename:*.ts", []),
    (
        "Sentry, list",
        'transaction:["POST /api/a/[id]", "GET /b,c"]',
        ["app/api/a/[id]/route", "app/b,c/page"],
    ),
    ("Sentry, unquoted list", "transaction:[/a, /b]", ["app/a/page", "app/b/page"]),
    ("Sentry, parentheses", "(transaction:/a OR transaction:/b)", ["app/a/page", "app/b/page"]),
    ("Sentry, group in parentheses", "(transaction:/(in)/a)", ["app/(in)/a/page"]),
    ("Sentry, group at the end", "((transaction:/(in)))", ["app/(in)/page"]),
    ("Sentry, wildcard in parentheses", "(transaction:/a/*)", ["app/a/page"]),
    ("Sentry, contains", "stack.filename:\uf00dContains\uf00dlib/hms", ["lib/hms/*"]),
    ("Sentry, starts with", 'transaction:\uf00dStartsWith\uf00d"GET /a"', ["app/a/page"]),
    ("Sentry, does not contain", "transaction:\uf00dDoesNotContain\uf00d/a", []),
    ("Sentry, excluded", '!transaction:"POST /api/webhooks/hms"', []),
    ("Sentry, excluded in parentheses", "(!transaction:/a)", []),
    ("Sentry, other key", "title:transaction", []),
    ("Sentry, longer key", "has:transaction transaction.duration:>3s", []),
    ("nobody", "", []),
]


def alert(**fields: Any) -> Alert:
    return Alert("sentry", "event_alert", "triggered", Signal.FIRING, **fields)


def ids(rows: list[Any]) -> list[str]:
    """`source: notation`, in characters a terminal can show."""
    return [f"{row[0]}: {row[1]}".encode("unicode_escape").decode() for row in rows]


def files(table: list[tuple[str, str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("source", "raw", "path"), table, ids=ids(table))


def nothing(table: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("source", "raw"), table, ids=ids(table))


def test_there_are_many_notations_each_once() -> None:
    rows: list[Any] = [*FILES, *NO_FILES, *ROUTES, *NO_ROUTES, *CULPRITS, *NO_CULPRITS, *QUERIES]
    assert len(rows) >= 250
    for table in (FILES, NO_FILES, ROUTES, NO_ROUTES, CULPRITS, NO_CULPRITS, QUERIES):
        assert len({row[1] for row in table}) == len(table)


@files(FILES)
def test_file_names(source: str, raw: str, path: str) -> None:
    sure = "/" in path or "." in path or path == "middleware"
    assert repository_path(raw) == path
    first = candidates(alert(frames=(Frame(raw, in_app=True),)))[0]
    assert first == Candidate(path, "frame", raw, sure)
    assert candidates(alert(location=raw)) == (Candidate(path, "location", raw, sure),)


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        ("lib/a/lib/b.ts", ["lib/a/lib/b.ts"]),
        ("webpack:///./lib/a/lib/b.ts", ["lib/a/lib/b.ts"]),
        ("/app/src/features/lib/a.ts", ["features/lib/a.ts"]),
        ("/opt/kulti/app/lib/credits/a.ts", ["app/lib/credits/a.ts", "lib/credits/a.ts"]),
        ("/var/lib/kulti/lib/credits/a.ts", ["lib/kulti/lib/credits/a.ts", "lib/credits/a.ts"]),
        ("/app/web/lib/credits/a.ts", ["app/web/lib/credits/a.ts", "lib/credits/a.ts"]),
        ("/srv/src/kulti/lib/hms/a.ts", ["kulti/lib/hms/a.ts", "lib/hms/a.ts"]),
        ("/opt/app/current/app/x/route.ts", ["current/app/x/route.ts", "app/x/route.ts"]),
    ],
)
def test_where_a_machines_path_could_mean_several_all_are_looked_at(
    raw: str, paths: list[str]
) -> None:
    found = candidates(alert(frames=(Frame(raw, in_app=True),)))
    assert [candidate.path for candidate in found] == paths


@nothing(NO_FILES)
def test_file_names_of_nothing_of_ours(source: str, raw: str) -> None:
    assert repository_path(raw) is None
    assert candidates(alert(frames=(Frame(raw, in_app=True),), location=raw)) == ()


@files(ROUTES)
def test_routes(source: str, raw: str, path: str) -> None:
    assert route_path(raw) == path
    sure = raw == path and "/" in path
    for where in ("route", "url"):
        assert candidates(alert(**{where: raw})) == (Candidate(path, where, raw, False),)
    for where in ("culprit", "transaction"):
        assert candidates(alert(**{where: raw})) == (Candidate(path, where, raw, sure),)


@nothing(NO_ROUTES)
def test_no_routes(source: str, raw: str) -> None:
    assert route_path(raw) is None
    assert candidates(alert(route=raw, url=raw)) == ()


@pytest.mark.parametrize(("source", "raw", "path", "sure"), CULPRITS, ids=ids(CULPRITS))
def test_culprits(source: str, raw: str, path: str, sure: bool) -> None:
    assert culprit_path(raw) == path
    assert candidates(alert(culprit=raw)) == (Candidate(path, "culprit", raw, sure),)
    assert candidates(alert(transaction=raw)) == (Candidate(path, "transaction", raw, sure),)


@nothing(NO_CULPRITS)
def test_culprits_of_nothing_of_ours(source: str, raw: str) -> None:
    assert culprit_path(raw) is None
    assert candidates(alert(culprit=raw, transaction=raw)) == ()


@pytest.mark.parametrize(("source", "query", "paths"), QUERIES, ids=ids(QUERIES))
def test_what_a_metric_rule_asks_for(source: str, query: str, paths: list[str]) -> None:
    found = candidates(alert(metric=Metric("1", "rule", query, "count()", "")))
    assert [place.path for place in found] == paths
    assert all(place.found_in == "metric" and not place.sure for place in found)


def test_candidates_come_best_evidence_first_and_once() -> None:
    found = candidates(
        alert(
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
    )
    assert [(place.found_in, place.path, place.sure) for place in found] == [
        ("frame", "lib/supabase/server.ts", True),
        ("frame", "lib/credits/service.ts", True),
        ("route", "app/api/webhooks/hms/route", False),
        ("url", "app/dashboard/page", False),
    ]


@pytest.mark.parametrize("in_app", [False, True])
def test_frames_not_marked_as_ours_count_when_those_that_are_name_nothing(in_app: bool) -> None:
    # So it is with Turbopack's development server, which has it the wrong way round.
    library = "app:///_next/dev/server/chunks/node_modules_ai_dist_index_16zsbns.js"
    frames = (Frame("lib/auth/session.ts"), Frame(library, in_app=in_app))
    assert [place.path for place in candidates(alert(frames=frames))] == ["lib/auth/session.ts"]


ROOTS = ("packages/site/", "/services/web", "./packages\\site\\deep", "")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("packages/site/lib/credits/a.ts", "lib/credits/a.ts"),
        ("./packages/site/src/lib/credits/a.ts", "lib/credits/a.ts"),
        ("[project]/services/web/features/a.ts", "features/a.ts"),
        ("webpack-internal:///(rsc)/../../services/web/features/a.ts", "features/a.ts"),
        ("packages.site.features:a", "features/a"),
        ("/srv/kulti/services/web/features/a.ts", "features/a.ts"),
        ("/home/me/kulti/packages/site/features/a.ts", "features/a.ts"),
        ("/var/task/services/web/.next/server/app/api/a/route.js", "app/api/a/route"),
        ("packages/site/deep/features/a.ts", "features/a.ts"),  # the longer one goes first
        ("packages/sites/lib/a.ts", "packages/sites/lib/a.ts"),
        ("lib/packages/site/a.ts", "lib/packages/site/a.ts"),  # not at the front
        ("packages/site", "packages/site"),
    ],
)
def test_the_folders_an_app_lies_in_are_cut(raw: str, path: str) -> None:
    def found(roots: tuple[str, ...], **fields: Any) -> list[str]:
        return [place.path for place in candidates(alert(**fields), roots)]

    assert found(ROOTS, frames=(Frame(raw, in_app=True),)) == [path]
    assert found(ROOTS, location=raw) == [path]
    assert found(ROOTS, culprit=f"tip({raw})") == [path]
    assert repository_path(path, ROOTS) == path


def test_the_folders_an_app_lies_in_are_cut_from_queries() -> None:
    metric = Metric("1", "rule", "stack.filename:packages/site/lib/hms/*", "count()", "")
    assert [place.path for place in candidates(alert(metric=metric), ROOTS)] == ["lib/hms/*"]


@pytest.mark.parametrize(
    ("pattern", "raw", "fits"),
    [
        # whatever a parameter is called, for a raw address does not tell it
        ("app/session/[sessionId]/**", "GET /session/8412", True),
        ("app/session/[sessionId]/**", "/session/:id", True),
        ("app/session/[id]/**", "GET /session/[sessionId]/chat", True),
        ("app/session/[id]/**", "GET /session/new", False),
        ("app/docs/[...path]/page.tsx", "/docs/:slug*", True),
        ("app/docs/[[...path]]/page.tsx", "/docs/:slug*?", True),
        ("app/docs/[...path]/page.tsx", "/docs/:slug", False),
        # with `src/` and route groups, on either side
        ("src/app/(dashboard)/**", "tip(src/app/(dashboard)/home/page)", True),
        ("src/app/(dashboard)/**", "tip(app/(dashboard)/home/page)", True),
        ("src/app/(dashboard)/**", "tip(app/(marketing)/home/page)", False),
        ("app/(dashboard)/session/[id]/**", "GET /session/8412", True),
        ("app/(dashboard)/[id]/**", "tip(app/(dashboard)/[team]/page)", True),
        # an app of a monorepo can't be told from another, so its folder claims nothing alone
        ("apps/web/lib/credits/**", "tip(apps/web/lib/credits/service)", True),
        ("apps/admin/**", "tip(apps/web/lib/credits/service)", False),
        ("src/**", "tip(lib/credits/service)", True),
    ],
)
def test_patterns_fit_however_a_place_is_written(pattern: str, raw: str, fits: bool) -> None:
    (place,) = candidates(alert(culprit=raw))
    assert (PathPatterns([pattern]).best(place.path) is not None) is fits
