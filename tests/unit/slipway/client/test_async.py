"""The asyncio variant: the same answers and errors, and what only an event loop can do."""

import asyncio

import grpc
import pytest

from slipway.client import (
    AsyncClassifier,
    ClientClosed,
    DeadlineExceeded,
    InvalidImage,
    RetryPolicy,
    ServerOverloaded,
    ServerUnavailable,
)

QUICK = RetryPolicy(max_attempts=3, base_backoff_s=0.001, max_backoff_s=0.001)


def in_loop(url, use, **options):
    """Run `use(classifier)` in an event loop of its own."""

    async def main():
        async with AsyncClassifier(url, model="mnist", **options) as classifier:
            return await use(classifier)

    return asyncio.run(main())


def test_asyncio_client_answers_as_the_blocking_one(fake, digits):
    async def use(classifier):
        await classifier.wait_ready()
        return await classifier.contract(), await classifier.predict(digits(range(20)))

    contract, prediction = in_loop(fake.url, use)

    assert fake.contract == contract
    assert [i % 10 for i in range(20)] == prediction.indices.tolist()
    assert [16, 4] == [len(batch) for batch in fake.batches]


def test_many_tasks_share_a_client(fake, digits):
    async def use(classifier):
        return await asyncio.gather(*(classifier.predict(digits([i % 10])) for i in range(40)))

    assert [(str(i % 10),) for i in range(40)] == [prediction.labels for prediction in in_loop(fake.url, use)]


def test_asyncio_client_retries_and_gives_up_as_the_blocking_one(fake, digits):
    fake.fail(grpc.StatusCode.UNAVAILABLE, 503, "Exceeds maximum queue size")
    with pytest.raises(ServerOverloaded, match="tried 3 times"):
        in_loop(fake.url, lambda classifier: classifier.predict(digits([1])), retry=QUICK)

    assert 3 == fake.asked["infer"]


def test_asyncio_client_refuses_an_image_before_it_is_sent(fake):
    with pytest.raises(InvalidImage):
        in_loop(fake.url, lambda classifier: classifier.predict([]))

    assert 0 == fake.asked["infer"]


def test_asyncio_client_says_that_the_connection_is_refused(silent_url, digits):
    with pytest.raises(ServerUnavailable, match="is the server running"):
        in_loop(silent_url, lambda classifier: classifier.predict(digits([1])), retry=QUICK)


def test_asyncio_client_gives_a_slow_server_up_at_the_deadline(fake, digits):
    held = fake.hold("infer")
    with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.2 s"):
        in_loop(fake.url, lambda classifier: classifier.predict(digits([1])), timeout_s=0.2)

    assert not held.is_set()


def test_answer_that_drips_is_given_up_at_the_deadline(unserved, open_http, digits):
    async def use(classifier):
        await classifier.contract(timeout_s=5)
        unserved.drip_s = 0.03
        await classifier.predict(digits([1]))

    with pytest.raises(DeadlineExceeded):
        in_loop(open_http(unserved), use, timeout_s=0.3)


def test_cancelled_task_is_cancelled_and_the_client_lives(fake, digits):
    async def use(classifier):
        await classifier.contract()
        held = fake.hold("infer")
        task = asyncio.create_task(classifier.predict(digits([1])))
        await asyncio.to_thread(fake.wait_until_asked, "infer")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        held.set()
        return await classifier.predict(digits([7]))

    assert ("7",) == in_loop(fake.url, use).labels


def test_task_under_way_ends_when_another_closes(fake, digits):
    async def use(classifier):
        await classifier.contract()
        fake.hold("infer")
        task = asyncio.create_task(classifier.predict(digits([1]), timeout_s=1))
        await asyncio.to_thread(fake.wait_until_asked, "infer")
        await classifier.close()
        with pytest.raises(ClientClosed, match="closed during the call"):
            await task

    in_loop(fake.url, use)


def test_closed_asyncio_client_says_so(fake, digits):
    async def main():
        async with AsyncClassifier(fake.url, model="mnist") as classifier:
            await classifier.predict(digits([1]))
        await classifier.close()
        with pytest.raises(ClientClosed, match="was closed; make a new one"):
            await classifier.predict(digits([1]))

    asyncio.run(main())


def test_asyncio_client_of_another_event_loop_is_refused(fake, digits):
    classifier = AsyncClassifier(fake.url, model="mnist")

    async def use():
        await classifier.predict(digits([1]))

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        with pytest.raises(ClientClosed, match="belongs to another event loop; make one client in each loop"):
            second.run(use())
        first.run(classifier.close())
