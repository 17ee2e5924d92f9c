"""Ends by itself."""


def refresh() -> None:
    raise PermissionError("the session has expired")
