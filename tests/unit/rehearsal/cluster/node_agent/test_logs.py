"""`kubectl logs`, as the kube-apiserver asks the node agent: over TLS, against files on disk."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from rehearsal.cluster.controlplane.certificates import make_certificates
from rehearsal.cluster.node_agent.log_server import Listen, serving_logs
from slipway.platform.ports import free_port

HOST = "127.213.0.1"
RUNNING = {"running": {}}


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("logs") / "pki", network="127.213")


class Said:
    """One pod with one container, and what it said."""

    def __init__(self, folder, pki):
        self.folder, self.pki = folder, pki
        self.listen = Listen(
            host=HOST,
            port=free_port(HOST),
            certificate=pki.server.certificate,
            key=pki.server.key,
            authority=pki.authority,
        )
        self.status = {"name": "triton", "restartCount": 0, "state": RUNNING}
        self.name, self.uid = "mnist", "one"

    def pod(self, namespace, name):
        if (namespace, name) != ("serving", self.name):
            return None
        return {
            "metadata": {"namespace": namespace, "name": name, "uid": self.uid},
            "status": {"containerStatuses": [self.status]},
        }

    def path(self, restarts=0, uid="one"):
        return self.folder / f"serving_mnist_{uid}" / "triton" / f"{restarts}.log"

    def say(self, text, restarts=0):
        path = self.path(restarts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as stream:
            stream.write(text)

    async def speak(self, text):
        while True:
            self.say(text)
            await asyncio.sleep(0.1)

    def client(self, *, known=True):
        trust = ssl.create_default_context(cafile=self.pki.authority)
        if known:
            trust.load_cert_chain(self.pki.admin.certificate, self.pki.admin.key)
        url = f"https://{HOST}:{self.listen.port}/containerLogs"
        return httpx.AsyncClient(base_url=url, verify=trust, trust_env=False, timeout=20)

    async def ask(self, query="", pod="mnist", container="triton"):
        async with self.client() as client:
            return await client.get(f"/serving/{pod}/{container}{query}")

    @asynccontextmanager
    async def followed(self, query="?follow=true"):
        async with self.client() as client, client.stream("GET", f"/serving/mnist/triton{query}") as response:
            yield response.aiter_lines()


@pytest.fixture
async def said(tmp_path, pki):
    said = Said(tmp_path, pki)
    async with serving_logs(tmp_path, pod=said.pod, listen=said.listen):
        yield said


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "one\ntwo\nthree"),
        ("?tailLines=2", "two\nthree"),
        ("?tailLines=0", ""),
        ("?tailLines=20", "one\ntwo\nthree"),
        ("?limitBytes=5", "one\nt"),
        ("?tailLines=2&limitBytes=3", "two"),
        ("?follow=false&stream=All", "one\ntwo\nthree"),
    ],
)
async def test_a_log_is_read_as_far_as_it_was_asked_for(said, query, expected):
    said.say("one\ntwo\nthree")

    answer = await said.ask(query)

    assert (200, expected) == (answer.status_code, answer.text)


async def test_a_long_log_comes_whole(said):
    lines = [f"line {n} of what a talkative server says" for n in range(20_000)]
    said.say("\n".join(lines))

    answer = await said.ask()

    assert lines == answer.text.splitlines()


@pytest.mark.parametrize(
    ("restarts", "state", "previous"),
    [
        (10, RUNNING, "nine"),
        (10, {"waiting": {"reason": "CrashLoopBackOff"}}, "ten"),
        (11, {"waiting": {"reason": "ImagePullBackOff"}}, "ten"),
        (10, {"waiting": {"reason": "ContainerCreating"}}, "nine"),
        (9, {"waiting": {"reason": "CrashLoopBackOff"}}, "nine"),
    ],
    ids=["runs", "waits to be restarted", "cannot be restarted yet", "is being started", "status is late"],
)
async def test_the_newest_start_is_read_and_with_previous_the_one_that_ended_last(said, restarts, state, previous):
    said.status |= {"restartCount": restarts, "state": state, "lastState": {"terminated": {}}}
    said.say("nine", restarts=9)
    said.say("ten", restarts=10)

    assert "ten" == (await said.ask()).text
    assert previous == (await said.ask("?previous=true")).text


async def test_lines_are_followed_as_they_are_completed_until_the_container_ends(said):
    said.say("before\nfirst ")
    async with asyncio.timeout(20), said.followed() as lines:
        found = [await anext(lines)]
        said.say("half\n")
        found.append(await anext(lines))
        said.say("last words, no line end")
        said.status = {**said.status, "state": {"terminated": {"exitCode": 1}}}
        found += [line async for line in lines]

    assert ["before", "first half", "last words, no line end"] == found


@pytest.mark.parametrize(
    "end",
    [
        lambda said: said.status.update(restartCount=1),
        lambda said: said.status.update(
            state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {}}
        ),
        lambda said: setattr(said, "uid", "another"),
        lambda said: setattr(said, "name", "another"),
    ],
    ids=["restarted", "waits to be restarted", "another pod of that name", "deleted"],
)
async def test_following_ends_with_the_start_that_is_followed(said, end):
    said.say("word\n")
    async with asyncio.timeout(20), said.followed() as lines:
        found = [await anext(lines)]
        end(said)
        found += [line async for line in lines]

    assert ["word"] == found


@pytest.mark.parametrize(
    "status",
    [
        {"restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}},
        {"restartCount": 0, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {}}},
        {"restartCount": 1, "state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {"terminated": {}}},
    ],
    ids=["first", "second, still unknown", "second, announced"],
)
async def test_a_start_that_the_status_does_not_call_running_yet_is_followed(said, status):
    number = 1 if "lastState" in status else 0
    said.status |= status
    said.say("word\n", restarts=number)
    async with asyncio.timeout(20), said.followed() as lines:
        found = [await anext(lines)]
        said.say("more\n", restarts=number)
        found.append(await anext(lines))

    assert ["word", "more"] == found


async def test_a_log_that_is_cut_off_is_followed_from_its_new_end(said):
    said.say("a long line that goes\n")
    async with asyncio.timeout(20), said.followed() as lines:
        found = [await anext(lines)]
        said.path().write_text("kept\n")
        speaking = asyncio.create_task(said.speak("on\n"))  # the reader has to see first that the file is shorter
        found.append(await anext(lines))
        speaking.cancel()

    assert ["a long line that goes", "on"] == found


async def test_times_are_those_at_which_lines_were_read(said):
    began = datetime.now(UTC) - timedelta(seconds=1)
    said.say("old\n")
    async with asyncio.timeout(20), said.followed("?follow=true&timestamps=true") as lines:
        old = await anext(lines)
        said.say("new\n")
        new = await anext(lines)
    times = [began, *(datetime.fromisoformat(line.split()[0]) for line in (old, new)), datetime.now(UTC)]

    assert ["old", "new"] == [line.split()[1] for line in (old, new)]
    assert sorted(times) == times


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"pod": "keda-operator-1"}, "pod keda-operator-1 has no log: kwok simulates it"),
        ({}, 'container "triton" in pod "mnist" is waiting to start: ImagePullBackOff'),
        ({"container": "other"}, 'container "other" in pod "mnist" is waiting to start: ContainerCreating'),
        ({"query": "?previous=true"}, 'previous terminated container "triton" in pod "mnist" not found'),
        ({"query": "?sinceSeconds=60"}, "omit --since"),
        ({"query": "?tailLines=many"}, "tailLines"),
    ],
)
async def test_a_log_that_is_not_there_is_refused_with_the_reason(said, asked, expected):
    said.status["state"] = {"waiting": {"reason": "ImagePullBackOff"}}

    answer = await said.ask(**asked)

    assert 400 == answer.status_code
    assert expected in answer.text


async def test_nobody_is_answered_without_a_certificate_of_the_cluster(said):
    said.say("secret")
    with pytest.raises(httpx.TransportError):
        async with said.client(known=False) as client:
            await client.get("/serving/mnist/triton")


async def test_it_ends_while_somebody_follows(tmp_path, pki):
    said = Said(tmp_path, pki)
    said.say("word\n")
    async with asyncio.timeout(20):
        async with serving_logs(tmp_path, pod=said.pod, listen=said.listen), said.client() as client:
            request = client.build_request("GET", "/serving/mnist/triton?follow=true")
            response = await client.send(request, stream=True)
            lines = response.aiter_lines()
            found = await anext(lines)

    assert "word" == found
