import { award } from "../../../../lib/credits/milestones.cjs";
import * as service from "../../../../lib/credits/service.ts";
import * as logger from "../../../../lib/logger.ts";

export async function POST(what: string): Promise<unknown> {
  switch (what) {
    case "milestone":
      return award("first tip");
    case "awards":
      return service.award();
    case "ledger":
      return service.openLedger();
    case "failed":
      return logger.error("Failed to tip user", { error: { code: "P0001", message: "no credits" } });
    case "unnamed":
      return logger.error("It did not work", { error: { code: "57014" } });
    default:
      throw new Error("nobody to tip");
  }
}
