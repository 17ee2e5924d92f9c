export function POST(what) {
  throw new Error(`nobody signed ${what}`);
}
