import * as logger from "../../../lib/logger.ts";
import { connect } from "../../../lib/supabase/server.ts";

export function POST(what) {
  if (what === "database") return connect("anywhere");
  return logger.error(what, { error: { status: 500 } });
}
