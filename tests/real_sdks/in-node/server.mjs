// Stands in for Next.js: serves route files, and reports what they throw as @sentry/nextjs does.
// Its argument: [{ name, method, url, file, what }], each to be asked for once.
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

import * as Sentry from "@sentry/node";

const load = (file) => import(pathToFileURL(path.resolve(file)));

const cases = JSON.parse(process.argv[2]);
const server = http.createServer(async (request, response) => {
  const { name, file, what } = cases.find((one) => one.name === request.headers["x-case"]);
  Sentry.setTag("case", name);
  try {
    const handlers = await load(file);
    await handlers[request.method](what);
  } catch (error) {
    report(error, request, routeOf(file));
  }
  response.end();
});

// As Next.js names it: by its folders, without those in brackets that only group.
function routeOf(file) {
  const [, inApp] = file.split(/^(?:.*\.next\/server\/)?app\//);
  return `/${path.dirname(inApp).replaceAll(/\([^)]*\)\//g, "")}`;
}

function report(error, request, route) {
  Sentry.withScope((scope) => {
    scope.setTransactionName(`${request.method} ${route}`);
    scope.setContext("nextjs", {
      request_path: request.url,
      router_kind: "App Router",
      router_path: route,
      route_type: route.startsWith("/api/") ? "route" : "render",
    });
    const mechanism = { handled: false, type: "auto.function.nextjs.on_request_error" };
    Sentry.captureException(error, { mechanism });
  });
}

await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
for (const { name, method, url } of cases) {
  const options = { method, headers: { "x-case": name } };
  await fetch(`http://127.0.0.1:${server.address().port}${url}`, options);
}
server.close();

// Then what nobody catches. The last ends this process, with exit code 1.
const { refresh } = await load("lib/auth/session.js");
const { stopLater } = await load("lib/hms/recorder.cjs");
Sentry.withIsolationScope((scope) => {
  scope.setTag("case", "unhandled rejection");
  refresh();
});
await new Promise(setImmediate);
await Sentry.flush(20_000);
Sentry.withIsolationScope((scope) => {
  scope.setTag("case", "uncaught exception");
  stopLater();
});
