from __future__ import annotations

import threading

from edgeunet.camera.frame_queue import FrameQueue, RoundRobin


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


def test_turns_serve_each_channel_before_any_is_served_again() -> None:
    changed = threading.Condition()
    queues: list[FrameQueue[int]] = [FrameQueue(3, changed=changed) for _ in range(3)]
    for index, count in enumerate((3, 1, 2)):
        for item in range(count):
            queues[index].put(item)
    turns = RoundRobin(queues, changed)
    assert [turns.get(wait=False) for _ in range(7)] == [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), None]
    queues[1].put(7)
    queues[0].put(8)
    assert turns.get() == (1, 7)  # queue 0 was served last


def test_turns_wait_for_any_channel_and_end_with_the_last_one() -> None:
    changed = threading.Condition()
    queues: list[FrameQueue[int]] = [FrameQueue(changed=changed) for _ in range(2)]
    turns = RoundRobin(queues, changed)
    taken: list[tuple[int, int] | None] = []
    consumer = threading.Thread(target=lambda: taken.extend(turns.get() for _ in range(3)))
    consumer.start()
    queues[0].close()
    for item in (4, 5):
        assert queues[1].put(item)
    queues[1].close()
    consumer.join(10)
    assert taken == [(1, 4), (1, 5), None]
