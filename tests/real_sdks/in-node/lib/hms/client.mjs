import net from "node:net";
import { setTimeout } from "node:timers/promises";

import { connect } from "../supabase/server.ts";

export async function getToken() {
  await setTimeout(1);
  try {
    connect("nowhere");
  } catch (cause) {
    throw new Error("no token for this room", { cause });
  }
}

/** Fails with an error that no line of ours is in the stack of. */
export function openSocket() {
  return new Promise((_, fail) => net.connect({ path: "/no/such/socket" }).on("error", fail));
}
