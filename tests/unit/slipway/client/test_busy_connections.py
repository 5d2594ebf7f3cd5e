"""Many calls at once: they read few contracts, take turns on the connections, and leave none behind."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from slipway.client import AsyncClassifier, Classifier, DeadlineExceeded, RetryPolicy

ONCE = RetryPolicy(max_attempts=1)


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_four_hundred_first_calls_at_once_are_answered_and_read_few_contracts(fake, digits):
    async with AsyncClassifier(fake.url, model="mnist", timeout_s=60) as classifier:
        answers = await asyncio.gather(*(classifier.predict(digits([i % 10])) for i in range(400)))

    assert [(str(i % 10),) for i in range(400)] == [answer.labels for answer in answers]
    assert 10 >= fake.asked["config"]


def test_first_calls_of_many_threads_read_one_contract(fake):
    fake.hold("config")
    with Classifier(fake.url, model="mnist", timeout_s=60) as classifier, ThreadPoolExecutor(40) as threads:
        calls = [threads.submit(classifier.contract) for _ in range(40)]
        fake.wait_until_asked("config")
        fake.release()
        contracts = {call.result() for call in calls}

    assert {fake.contract} == contracts
    assert 1 == fake.asked["config"]


def test_call_that_waits_for_the_contract_of_another_has_its_own_deadline(fake):
    held = fake.hold("config")
    with Classifier(fake.url, model="mnist", timeout_s=60) as classifier, ThreadPoolExecutor(1) as threads:
        patient = threads.submit(classifier.contract)
        fake.wait_until_asked("config")
        with pytest.raises(DeadlineExceeded):
            classifier.contract(timeout_s=0.1)
        held.set()

        assert fake.contract == patient.result(timeout=30)


def test_reader_of_the_contract_that_gives_up_leaves_it_to_the_next(fake):
    held = fake.hold("config")
    with Classifier(fake.url, model="mnist", timeout_s=60) as classifier, ThreadPoolExecutor(2) as threads:
        hasty = threads.submit(classifier.contract, timeout_s=0.2)
        fake.wait_until_asked("config")
        patient = threads.submit(classifier.contract)

        assert isinstance(hasty.exception(timeout=30), DeadlineExceeded)
        held.set()
        assert fake.contract == patient.result(timeout=30)


def test_more_threads_than_connections_take_turns(unserved, open_http, digits):
    url = open_http(unserved)
    with (
        Classifier(url, model="mnist", max_connections=2, timeout_s=60) as classifier,
        ThreadPoolExecutor(16) as threads,
    ):
        labels = list(threads.map(lambda i: classifier.predict(digits([i % 10])).labels, range(160)))

    assert [(str(i % 10),) for i in range(160)] == labels


def test_busy_connections_are_said(unserved, open_http, digits):
    async def crowd(url):
        async with AsyncClassifier(url, model="mnist", max_connections=1, retry=ONCE) as classifier:
            await classifier.contract()
            unserved.hold("infer")
            calls = [classifier.predict(digits([1]), timeout_s=1 + i) for i in range(2)]
            return await asyncio.gather(*calls, return_exceptions=True)

    errors = asyncio.run(crowd(open_http(unserved)))
    unserved.release()

    assert [DeadlineExceeded] * 2 == [type(error) for error in errors]


async def test_cancelled_calls_leave_no_connection_behind(unserved, open_http, digits):
    url = open_http(unserved)
    unserved.delay_s = 0.01
    random = np.random.default_rng(7)
    async with AsyncClassifier(url, model="mnist", timeout_s=60, max_connections=20) as classifier:
        await classifier.contract()
        before = open_files()
        for _ in range(20):
            tasks = [asyncio.create_task(classifier.predict(digits([1]))) for _ in range(40)]
            for task in tasks:
                await asyncio.sleep(float(random.uniform(0, 0.002)))
                if random.random() < 0.8:
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        transport = classifier._session().transport
        answers = await asyncio.gather(*(classifier.predict(digits([2])) for _ in range(40)))

        assert [("2",)] * 40 == [answer.labels for answer in answers]
        assert 20 >= len(transport._connections._all)
        assert len(transport._connections._all) == len(transport._connections._idle)
    await asyncio.sleep(0.2)

    assert before >= open_files()
