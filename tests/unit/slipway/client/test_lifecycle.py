"""Threads, forks, closing, and who may use a client."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import slipway.client
from slipway.client import Classifier, ClientClosed


def test_nothing_is_connected_before_the_first_call(silent_url):
    Classifier(silent_url, model="mnist").close()


def test_sixteen_threads_share_a_client(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier, ThreadPoolExecutor(16) as threads:
        labels = list(threads.map(lambda i: classifier.predict(digits([i % 10])).labels, range(320)))

    assert [(str(i % 10),) for i in range(320)] == labels


def test_threads_share_a_connection_and_clients_do_not(grpc_fake, digits):
    for _ in range(2):
        with Classifier(grpc_fake.url, model="mnist") as classifier, ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: classifier.predict(digits([1])), range(20)))
            still_open = Classifier(grpc_fake.url, model="mnist")
            still_open.contract()
            still_open.close()

    assert 4 == len(grpc_fake.peers)


def test_closing_twice_is_closing_once(fake, digits):
    classifier = Classifier(fake.url, model="mnist")
    classifier.predict(digits([1]))
    classifier.close()
    classifier.close()


@pytest.mark.parametrize("call", ["predict", "contract", "wait_ready"])
def test_closed_client_says_so(fake, digits, call):
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.predict(digits([1]))

    with pytest.raises(ClientClosed, match=r"Classifier\('.*', model='mnist'\) was closed; make a new one"):
        getattr(classifier, call)(*([digits([1])] if call == "predict" else []))


def test_call_under_way_ends_when_another_thread_closes(fake, digits):
    fake.hold("infer")
    classifier = Classifier(fake.url, model="mnist", timeout_s=30 if fake.url.startswith("grpc") else 1)
    classifier.contract()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(classifier.predict, digits([1]))
        fake.wait_until_asked("infer")
        classifier.close()

        with pytest.raises(ClientClosed, match="the client was closed during the call"):
            call.result(timeout=10)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_client_works_on_both_sides_of_a_fork(fake, digits):
    with Classifier(fake.url, model="mnist") as classifier:
        classifier.predict(digits([1]))
        for _ in range(3):
            child = os.fork()
            if child == 0:  # no assertion, no pytest and no clean-up may run in the child
                signal.alarm(20)
                done = 1
                try:
                    done = 0 if classifier.predict(digits([7])).labels == ("7",) else 2
                    classifier.close()
                finally:
                    os._exit(done)
            _, status = os.waitpid(child, 0)

            assert 0 == os.waitstatus_to_exitcode(status)
            assert ("3",) == classifier.predict(digits([3])).labels


def test_exported_names_are_sorted_and_complete():
    public = {
        name for name, value in vars(slipway.client).items() if not name.startswith("_") and isinstance(value, type)
    }

    assert sorted(slipway.client.__all__, key=str.casefold) == slipway.client.__all__
    assert public == set(slipway.client.__all__)


def test_import_loads_nothing_that_only_jobs_need():
    code = "import sys, slipway.client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"tensorflow", "keras", "locust", "kubernetes", "pydantic", "typer", "onnxruntime", "PIL", "gevent"}

    assert "slipway.client" in loaded
    assert set() == heavy & set(loaded)


def test_package_is_documented_by_every_public_name():
    assert [] == [name for name in slipway.client.__all__ if not getattr(slipway.client, name).__doc__]
