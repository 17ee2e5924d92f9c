"""One person's thanks to another."""

from lib.credits import service


async def handle(what: str) -> object:
    match what:
        case "logged":
            return service.tip_logged()
        case "message with a stack":
            return service.report()
        case "balance":
            return service.balance()
        case "awards":
            return service.award()
        case _:
            raise LookupError("nobody to tip")
