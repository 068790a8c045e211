from __future__ import annotations

import threading

from edgeunet.camera.frame_queue import FrameQueue


def test_in_order_channel_keeps_everything_and_makes_the_producer_wait() -> None:
    queue: FrameQueue[int] = FrameQueue(2)
    taken: list[int] = []

    def produce() -> None:
        for item in range(50):
            assert queue.put(item)
        queue.close()

    producer = threading.Thread(target=produce)
    producer.start()
    while (item := queue.get()) is not None:
        taken.append(item)
    producer.join()
    assert taken == list(range(50))
    assert queue.dropped == 0


def test_newest_channel_never_waits_and_counts_what_it_drops() -> None:
    queue: FrameQueue[int] = FrameQueue(newest=True)
    for item in range(5):
        assert queue.put(item)
    assert queue.get() == 4
    assert queue.dropped == 4
    assert queue.get(timeout=0) is None


def test_what_is_offered_neither_waits_nor_takes_the_place_of_another() -> None:
    for newest in (False, True):
        queue: FrameQueue[int] = FrameQueue(2, newest=newest)
        assert [queue.offer(item) for item in range(3)] == [True, True, False]
        queue.close()
        assert (queue.get(), queue.ended, queue.offer(3)) == (0, False, False)
        assert (queue.get(), queue.ended, queue.dropped) == (1, True, 0)


def test_closing_lets_the_rest_out_and_discarding_does_not() -> None:
    kept: FrameQueue[int] = FrameQueue(2)
    kept.put(1)
    kept.close()
    assert not kept.put(2)
    assert (kept.get(), kept.get()) == (1, None)
    emptied: FrameQueue[int] = FrameQueue(2)
    emptied.put(1)
    emptied.close(discard=True)
    assert emptied.get() is None


def test_closing_wakes_a_producer_that_waits() -> None:
    queue: FrameQueue[int] = FrameQueue()
    queue.put(1)
    answers: list[bool] = []
    producer = threading.Thread(target=lambda: answers.extend([queue.wait_for_room(), queue.put(2)]))
    producer.start()
    queue.close(discard=True)
    producer.join(10)
    assert answers == [False, False]


def test_a_queue_knows_since_when_something_waits_and_drops_what_is_passed_over() -> None:
    queue: FrameQueue[int] = FrameQueue(3, newest=True)
    assert queue.since_ns == 0
    queue.put(0)
    since_ns = queue.since_ns
    assert since_ns > 0
    for item in range(1, 5):
        queue.put(item)
    assert queue.since_ns == since_ns, "of a frame that was replaced, too"
    assert queue.last_ns > since_ns
    (first, a), (second, b), (_, c) = queue.waiting()
    assert (a, b, c, queue.dropped) == (2, 3, 4, 2)
    assert queue.take() == 2
    assert queue.since_ns == second > first
    assert queue.take(1) == 4
    assert (queue.dropped, queue.since_ns, queue.take(), queue.take(1)) == (3, 0, None, None)
