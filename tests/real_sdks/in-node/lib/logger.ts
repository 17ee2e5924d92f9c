// Only a real Error has a stack to send; anything else becomes a message.
import * as Sentry from "@sentry/node";

export function error(message: string, context: { error: unknown }): void {
  if (context.error instanceof Error) Sentry.captureException(context.error, { extra: { message } });
  else Sentry.captureMessage(message, { level: "error", extra: context as Record<string, unknown> });
}

export function warn(message: string): void {
  Sentry.captureMessage(message, "warning");
}
