"""sql.expect_empty: a check whose every returned row is a finding."""

from __future__ import annotations

from typing import ClassVar

from responder.actions.base import Done, Failed, Outcome, StepContext
from responder.actions.sql import QueryError, QueryParams, query


class SqlExpectEmpty:
    """Succeeds when the query returns nothing; otherwise fails and keeps the rows."""

    Params: ClassVar = QueryParams
    effect: ClassVar = False

    def intent(self, params: QueryParams) -> str:
        """In plain words."""
        return f"Check {params.database}"

    async def run(self, context: StepContext, params: QueryParams) -> Outcome:
        """Run the check."""
        try:
            table = await query(context.tools.databases, params.database, params.query)
        except QueryError as error:
            return Failed(str(error), again=error.again)
        if not table.rows:
            return Done("nothing found", table.evidence())
        count = f"more than {len(table.rows)}" if table.more else str(len(table.rows))
        # Chat and post-mortems get the first column, which names the row; the rest is evidence.
        rows = "row" if count == "1" else "rows"
        first = f"{table.columns[0]}={table.rows[0][0]}"
        return Failed(f"{count} offending {rows}; first: {first}", table.evidence())

    async def reconcile(self, context: StepContext, params: QueryParams) -> Outcome | None:
        """Reading changes nothing: run it again."""
        return None
