interface Answer {
  data: null;
  error: { code: string; message: string; details: string | null };
}

/** Answers as PostgREST's client does: what went wrong is a plain object. */
export async function rpc(name: string): Promise<Answer> {
  return { data: null, error: { code: "23514", message: `${name} violates a check`, details: null } };
}

/** Fails inside of Node.js itself. */
export function connect(url: string): URL {
  return new URL(url);
}
