"""A resolver that never answers: no call waits for it beyond its deadline, and no process on its way out."""

import asyncio
import concurrent.futures
import socket
import subprocess
import sys
import threading

import pytest

from slipway.client import AsyncClassifier, RetryPolicy, ServerUnavailable
from tests.children import started

HANGING = """
import _socket
import threading

real = _socket.getaddrinfo

def look_up(host, *arguments, **options):
    if host in ("models.example", b"models.example"):
        if _socket.AI_NUMERICHOST in arguments:
            raise _socket.gaierror(_socket.EAI_NONAME, "no number")
        threading.Event().wait()
    return real(host, *arguments, **options)

_socket.getaddrinfo = look_up
"""

PROGRAMS = {
    "sync": """
from slipway.client import Classifier, ClientError

with Classifier({url!r}, model="mnist", timeout_s=0.5) as classifier:
    try:
        classifier.contract()
    except ClientError as exc:
        print("ended:", exc)
""",
    "async": """
import asyncio
from slipway.client import AsyncClassifier, ClientError

async def main():
    async with AsyncClassifier({url!r}, model="mnist", timeout_s=0.5) as classifier:
        try:
            await classifier.contract()
        except ClientError as exc:
            print("ended:", exc)

asyncio.run(main())
""",
    "interrupted": """
import asyncio
from slipway.client import AsyncClassifier

async def main():
    async with AsyncClassifier({url!r}, model="mnist", timeout_s=None) as classifier:
        call = asyncio.ensure_future(classifier.contract())
        await asyncio.sleep(0.2)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        print("ended:", call.cancelled())

asyncio.run(main())
""",
    "batch": """
import numpy as np
from slipway.client import Classifier, ClientError, MicroBatcher

with Classifier({url!r}, model="mnist", timeout_s=0.5) as classifier, MicroBatcher(classifier) as batcher:
    try:
        batcher.predict(np.zeros((28, 28), np.uint8))
    except ClientError as exc:
        print("ended:", exc)
""",
    "page": """
from slipway.client.wire import PageUnreadable, parse_address, read_page

try:
    read_page(parse_address({url!r}), timeout_s=0.5)
except PageUnreadable as exc:
    print("ended:", exc)
""",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_process_ends_while_a_name_is_being_looked_up(program):
    script = HANGING + PROGRAMS[program].format(url="http://models.example:8000")
    with started(sys.executable, "-c", script, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=60)

    assert "ended: " in said
    assert 0 == process.returncode


async def test_call_ends_where_all_threads_of_the_event_loop_hang(monkeypatch):
    real = socket.getaddrinfo

    def look_up(host, port, *arguments, **options):
        names = ("127.0.0.2", "127.0.0.3") if host == "127.0.0.2" else (host,)
        return [line for name in names for line in real(name, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    over = threading.Event()
    executor = concurrent.futures.ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(executor)
    hanging = asyncio.get_running_loop().run_in_executor(None, over.wait)
    with socket.socket() as unused:
        unused.bind(("127.0.0.2", 0))
        url = f"grpc://127.0.0.2:{unused.getsockname()[1]}"
        retry = RetryPolicy(max_attempts=1)
        try:
            async with asyncio.timeout(60), AsyncClassifier(url, model="mnist", timeout_s=5, retry=retry) as classifier:
                with pytest.raises(ServerUnavailable, match="Connection refused"):
                    await classifier.contract()
        finally:
            over.set()
            await hanging
