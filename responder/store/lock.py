"""Only one service may drive a SQLite database; PostgreSQL takes as many as you start."""

from __future__ import annotations

import fcntl
import os

from responder.store.database import Store, StoreError


class FileLock:
    """An operating-system lock, which a process lets go of however it ends."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._handle)


def only_one(store: Store) -> FileLock | None:
    """Take the SQLite database for this process; None on PostgreSQL.

    Raises:
        StoreError: another service has it, or its folder can't be written.
    """
    if not store.is_sqlite:
        return None
    path = f"{store.url.database}.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"{path} can't be written: {error.strerror}; point RESPONDER_DATABASE_URL into a "
            "folder that is there and can be written"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreError(
            f"another responder runs on {store.url.database} already; stop it, or point "
            "RESPONDER_DATABASE_URL at another file (several replicas need PostgreSQL)"
        ) from None
    return FileLock(handle)
