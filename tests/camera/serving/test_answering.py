from __future__ import annotations

from edgeunet.camera.serving.answering import MOST, MOST_OF_ONE, WaitingConnections


class Connection:
    def __init__(self) -> None:
        self.dropped = False

    def abort(self) -> None:
        self.dropped = True


def test_the_oldest_of_an_address_makes_room_and_no_other_address_is_touched() -> None:
    waiting = WaitingConnections()
    other = Connection()
    waiting.enter(other, "10.0.0.2")
    many = [Connection() for _ in range(MOST_OF_ONE + 5)]
    for connection in many:
        waiting.enter(connection, "10.0.0.1")
    assert [c.dropped for c in many] == [True] * 5 + [False] * MOST_OF_ONE
    assert not other.dropped


def test_of_many_addresses_the_oldest_makes_room() -> None:
    waiting = WaitingConnections()
    many = [Connection() for _ in range(MOST + 3)]
    for number, connection in enumerate(many):
        waiting.enter(connection, f"fe80::{number}")
    assert [c.dropped for c in many].index(False) == 3


def test_who_has_left_is_not_dropped() -> None:
    waiting = WaitingConnections()
    viewer = Connection()
    waiting.enter(viewer, "10.0.0.1")
    waiting.leave(viewer)
    for _ in range(2 * MOST):
        waiting.enter(Connection(), "10.0.0.1")
    assert not viewer.dropped
