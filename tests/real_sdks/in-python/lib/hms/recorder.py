"""Records a room."""

from lib.supabase import server


def stop() -> None:
    try:
        server.read("")
    except ValueError as error:
        raise RuntimeError("the recording has no end") from error
