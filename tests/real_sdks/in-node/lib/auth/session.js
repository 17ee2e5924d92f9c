export async function refresh() {
  throw new Error("the session has expired");
}
