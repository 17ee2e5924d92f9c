import { getToken, openSocket } from "../../../../lib/hms/client.mjs";
import * as logger from "../../../../lib/logger.ts";

export function POST(what) {
  if (what === "token") return getToken();
  if (what === "socket") return openSocket();
  return logger.error(what, { error: { status: 500 } });
}
