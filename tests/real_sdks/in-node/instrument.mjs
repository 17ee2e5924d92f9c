// Starts the SDK before anything else is loaded, set up as Next.js sets it up.
import path from "node:path";

import * as Sentry from "@sentry/node";

const built = `${path.resolve(".next")}${path.sep}`;

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  environment: "production",
  release: "kulti@2.14.0",
  shutdownTimeout: 20_000, // milliseconds; the default is short for a busy machine
  integrations: [
    Sentry.rewriteFramesIntegration({
      iteratee(frame) {
        if (frame.filename?.startsWith(built)) {
          frame.filename = `app:///_next/${frame.filename.slice(built.length)}`;
        }
        return frame;
      },
    }),
  ],
});
