"""One process of a container, its group, and what ends them."""

import asyncio
import os
import signal
import sys

import psutil
import pytest

from rehearsal.cluster.node_agent.container_start import start_process

STARTER = """
import asyncio, sys
from pathlib import Path
from rehearsal.cluster.node_agent.container_start import start_process

async def main():
    command = ("sh", "-c", "echo $$; exec sleep 600")
    await start_process(command, environment={}, directory=Path("/"), log=Path(sys.argv[1]))
    await asyncio.sleep(600)

asyncio.run(main())
"""

# The first process ends; another one, which had left its group, comes back once the group was killed. A zombie keeps
# the group's number meanwhile.
STRANGER = """
import os, sys, time

def answer(question):
    while not os.path.exists(question):
        time.sleep(0.005)
    open(f"{question}.answer", "x").close()

group, (reading, writing) = os.getpid(), os.pipe()
if os.fork():
    os.read(reading, 1)
    sys.exit()
os.setpgid(0, 0)
zombie = os.fork()
if not zombie:
    os.setpgid(0, group)
    os._exit(0)
os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
print(os.getpid(), flush=True)
os.write(writing, b"x")
answer("killed")
os.setpgid(0, group)
answer("joined")
answer("alive")
time.sleep(600)
"""


def alive(pid):
    """Whether it runs; one that ended and waits for the init process of this machine does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(0.005)


@pytest.fixture
def start(tmp_path):
    async def run(*command):
        return await start_process(command, environment={}, directory=tmp_path, log=tmp_path / "log")

    return run


async def test_a_group_that_has_been_killed_is_not_killed_again(start, tmp_path):
    process = await start(sys.executable, "-c", STRANGER)

    def ask(question):
        (tmp_path / question).touch()
        return (tmp_path / f"{question}.answer").exists

    code = await process.wait()
    stranger = int((tmp_path / "log").read_text())
    try:
        await until(ask("killed"))
        await until(ask("joined"))
        process.kill()
        answered = ask("alive")
        await until(lambda: answered() or not alive(stranger))
    finally:
        os.kill(stranger, signal.SIGKILL)

    assert (0, True) == (code, answered())


async def test_a_group_is_killed_with_its_first_process_though_one_who_waited_has_gone(start, tmp_path):
    process = await start("sh", "-c", "sleep 600 & echo $!; wait")
    await until((tmp_path / "log").read_text)
    gone, waits, also_waits = (asyncio.create_task(process.wait()) for _ in range(3))
    await asyncio.sleep(0)
    gone.cancel()
    process.terminate()
    codes = await waits, await also_waits
    await until(lambda: not alive(int((tmp_path / "log").read_text())))

    assert (-15, -15) == codes


async def test_a_group_is_killed_when_nobody_waits(start, tmp_path):
    process = await start("sh", "-c", "sleep 600 & echo $!")
    await until((tmp_path / "log").read_text)
    await until(lambda: not process.running)
    process.kill()
    await until(lambda: not alive(int((tmp_path / "log").read_text())))

    assert 0 == await process.wait()


async def test_no_process_survives_an_agent_that_is_killed(tmp_path):
    output = tmp_path / "log"
    output.touch()
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", STARTER, str(output))
    await until(output.read_text)
    pid = int(output.read_text())
    starter.send_signal(signal.SIGKILL)
    await starter.wait()
    await until(lambda: not alive(pid))
