"""sql.report: rows for a person to read, kept as evidence."""

from __future__ import annotations

from typing import ClassVar

from responder.actions.base import Done, Failed, Outcome, StepContext
from responder.actions.sql import QueryError, QueryParams, query


class SqlReport:
    """Succeeds with whatever the query returns."""

    Params: ClassVar = QueryParams
    effect: ClassVar = False

    def intent(self, params: QueryParams) -> str:
        """In plain words."""
        return f"Report from {params.database}"

    async def run(self, context: StepContext, params: QueryParams) -> Outcome:
        """Run the report."""
        try:
            table = await query(context.tools.databases, params.database, params.query)
        except QueryError as error:
            return Failed(str(error), again=error.again)
        count = f"the first {len(table.rows)}" if table.more else str(len(table.rows))
        return Done(f"{count} rows to review", table.evidence())

    async def reconcile(self, context: StepContext, params: QueryParams) -> Outcome | None:
        """Reading changes nothing: run it again."""
        return None
