import * as Sentry from "@sentry/node";
import { setTimeout } from "node:timers/promises";

import * as logger from "../logger.ts";
import { connect, rpc } from "../supabase/server.ts";

export class LedgerConflictError extends Error {
  override name = "LedgerConflictError";
}

export function addCredits(key: string): void {
  throw new LedgerConflictError(`duplicate ledger entry for ${key}`);
}

export async function addCreditsLater(key: string): Promise<void> {
  await setTimeout(1);
  addCredits(key);
}

export async function addCreditsByRpc(): Promise<void> {
  const { error } = await rpc("add_credits");
  logger.error("Failed to add credits", { error });
}

export function openLedger(): URL {
  return connect("no address");
}

export async function award(): Promise<void> {
  await Promise.any([addCreditsLater("a"), addCreditsLater("b")]);
}

export async function balance(): Promise<void> {
  const { error } = await rpc("balance");
  Sentry.captureException(error);
}

export function reportText(): void {
  Sentry.captureException("the balance is below zero");
}
