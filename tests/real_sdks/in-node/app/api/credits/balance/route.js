import { balance, reportText } from "../../../../lib/credits/service.ts";

export const GET = (what) => (what === "text" ? reportText() : balance());
