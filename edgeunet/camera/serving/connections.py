"""How many connections a server keeps that have not shown yet that they may be here."""

from __future__ import annotations

from typing import Protocol

MOST = 128
MOST_OF_ONE = 32  # of one address: a browser opens six


class Droppable(Protocol):
    """A connection that can be ended at once."""

    def abort(self) -> None: ...


class Waiting:
    """Connections from their first byte until their request is answered; those that may watch are not among them.

    There is always room for one more: the oldest one is dropped for it, of the same address if that has too many.
    Whoever holds connections open and asks for nothing loses them; who asks at once is answered first.
    """

    def __init__(self) -> None:
        self._addresses: dict[Droppable, str] = {}  # the oldest first

    def enter(self, connection: Droppable, address: str) -> None:
        """A connection has come; it may be dropped from now on."""
        own = [other for other, its_address in self._addresses.items() if its_address == address]
        if len(own) >= MOST_OF_ONE:
            self._drop(own[0])
        elif len(self._addresses) >= MOST:
            self._drop(next(iter(self._addresses)))
        self._addresses[connection] = address

    def leave(self, connection: Droppable) -> None:
        """It may stay, or it has ended."""
        self._addresses.pop(connection, None)

    def _drop(self, connection: Droppable) -> None:
        self.leave(connection)
        connection.abort()
