import { refresh } from "../../../../lib/auth/session.js";
import * as logger from "../../../../lib/logger.ts";

export function POST(what) {
  if (what === "session") return refresh();
  return logger.error("Send OTP error", { error: { status: 429 } });
}
