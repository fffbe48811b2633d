"""Shares of the workers: nobody takes all, nobody is passed over, and the queue has an end."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.server.fair import Busy, FairQueue
from lakehead.server.limits import Limits

LIMITS = Limits(workers=3, waiting=6, waiting_each=4)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_one_worker_is_left_for_others() -> None:
    async def play() -> None:
        queue = FairQueue(LIMITS)
        end = asyncio.Event()
        order = []

        async def work(who: str) -> None:
            async with queue.turn(who):
                order.append(who)
                await end.wait()

        tasks = [asyncio.create_task(work("greedy")) for _ in range(4)]
        await settle()
        assert order == ["greedy", "greedy"]
        tasks.append(asyncio.create_task(work("late")))
        await settle()
        assert order == ["greedy", "greedy", "late"]
        end.set()
        await asyncio.gather(*tasks)
        assert Counter(order) == {"greedy": 4, "late": 1}
        assert not queue.running and not queue.waiting

    asyncio.run(play())


def test_the_queue_has_an_end() -> None:
    async def play() -> None:
        queue = FairQueue(LIMITS)
        end = asyncio.Event()

        async def work(who: str) -> None:
            async with queue.turn(who):
                await end.wait()

        tasks = [asyncio.create_task(work("a")) for _ in range(2 + LIMITS.waiting_each)]
        await settle()
        with pytest.raises(Busy, match="4 queries of a wait"):
            await work("a")
        tasks += [asyncio.create_task(work("b")) for _ in range(3)]
        await settle()
        with pytest.raises(Busy, match="6 in all"):
            await work("c")
        end.set()
        await asyncio.gather(*tasks)

    asyncio.run(play())


def test_who_gives_up_waiting_leaves_no_trace() -> None:
    async def play() -> None:
        queue = FairQueue(replace(LIMITS, workers=1))
        end = asyncio.Event()

        async def work(who: str) -> None:
            async with queue.turn(who):
                await end.wait()

        first = asyncio.create_task(work("a"))
        second = asyncio.create_task(work("b"))
        await settle()
        second.cancel()
        await settle()
        assert queue.waiting == 0
        third = asyncio.create_task(work("c"))
        end.set()
        await asyncio.gather(first, third)
        assert not queue.running

    asyncio.run(play())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30))
def test_all_get_their_turn_and_no_limit_is_passed(jobs: list[tuple[str, int]]) -> None:
    limits = replace(LIMITS, waiting=100, waiting_each=100)

    async def play() -> None:
        queue = FairQueue(limits)
        done = []

        async def work(who: str, steps: int) -> None:
            async with queue.turn(who):
                assert sum(queue.running.values()) <= limits.workers
                assert queue.running[who] <= limits.workers_each
                for _ in range(steps):
                    await asyncio.sleep(0)
            done.append(who)

        await asyncio.gather(*(work(who, steps) for who, steps in jobs))
        assert Counter(done) == Counter(who for who, _ in jobs)
        assert not queue.running and not queue.waiting

    asyncio.run(play())
