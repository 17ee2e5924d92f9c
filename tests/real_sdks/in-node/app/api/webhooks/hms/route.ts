import { addCredits, addCreditsByRpc, addCreditsLater } from "../../../../lib/credits/service.ts";
import { warn } from "../../../../lib/logger.ts";

export async function POST(what: string): Promise<void> {
  switch (what) {
    case "session.close":
      return addCredits("evt_9");
    case "peer.leave":
      return addCreditsLater("evt_10");
    case "peer.join":
      return addCreditsByRpc();
    case "beam.stop":
      return warn("A recording took its time");
    case "cause":
      try {
        return addCredits("evt_11");
      } catch (cause) {
        throw new Error("the webhook was not handled", { cause });
      }
    default:
      throw new Error(`what is ${what}?`);
  }
}
