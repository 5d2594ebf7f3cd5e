import asyncio
import json
from contextlib import aclosing, asynccontextmanager

import httpx
import pytest

from rehearsal.cluster.api.client import ApiClient
from rehearsal.cluster.api.watch import follow
from rehearsal.errors import ClusterError
from tests.unit.pods_api import pods_api

PODS = "/api/v1/pods"


def pod(name, version, **status):
    return {"metadata": {"namespace": "serving", "name": name, "resourceVersion": str(version)}, "status": status}


def event(kind, item):
    return {"type": kind, "object": item}


def listed(version, *items):
    return httpx.Response(200, json={"metadata": {"resourceVersion": str(version)}, "items": list(items)})


def watched(*chunks):
    """A watch that the server ends after these chunks; each a list of events or bytes."""

    async def stream():
        for chunk in chunks:
            yield chunk if isinstance(chunk, bytes) else b"".join(json.dumps(e).encode() + b"\n" for e in chunk)

    return httpx.Response(200, content=stream())


class Server:
    """Answers each request with the next of its answers; then holds the last watch open for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, request):
        self.asked.append(dict(request.url.params))
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def followed(server, folder):
    """Snapshots of the pods of a server on a socket."""
    async with (
        ApiClient.from_kubeconfig(server.kubeconfig(folder / "config")) as api,
        aclosing(follow(api, PODS)) as snapshots,
        asyncio.timeout(20),
    ):
        yield snapshots


async def seen(server, count, **options):
    """The names in the first snapshots that a follower gets."""
    async with (
        ApiClient(httpx.AsyncClient(transport=httpx.MockTransport(server), base_url="http://api")) as api,
        aclosing(follow(api, PODS, **options)) as snapshots,
    ):
        return [sorted(name for _, name in await anext(snapshots)) for _ in range(count)]


async def test_the_whole_set_comes_first_and_again_after_each_change():
    server = Server(
        listed(5, pod("a", 4)),
        watched([event("ADDED", pod("b", 6))], [event("DELETED", pod("a", 7))]),
    )

    assert [["a"], ["a", "b"], ["b"]] == await seen(server, 3)
    assert "5" == server.asked[1]["resourceVersion"]


async def test_changes_that_arrive_together_are_one_snapshot():
    server = Server(listed(5), watched([event("ADDED", pod("a", 6)), event("ADDED", pod("b", 7))]))

    assert [[], ["a", "b"]] == await seen(server, 2)


async def test_an_event_cut_in_two_is_read_whole():
    line = json.dumps(event("ADDED", pod("a", 6))).encode() + b"\n"
    server = Server(listed(5), watched(line[:30], line[30:]))

    assert [[], ["a"]] == await seen(server, 2)


async def test_a_watch_that_the_server_ended_goes_on_where_it_was():
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    server = Server(
        listed(5), watched([event("ADDED", pod("a", 6))], [bookmark]), watched([event("ADDED", pod("b", 10))])
    )

    assert [[], ["a"], ["a", "b"]] == await seen(server, 3)
    assert ["5", "9"] == [asked["resourceVersion"] for asked in server.asked[1:]]


@pytest.mark.parametrize(
    "gone",
    [watched([event("ERROR", {"kind": "Status", "code": 410})]), httpx.Response(410, json={})],
    ids=["in the stream", "as the answer"],
)
async def test_a_version_that_is_gone_is_listed_again(gone):
    server = Server(listed(5, pod("a", 4)), gone, listed(90, pod("b", 80)))

    assert [["a"], ["b"]] == await seen(server, 2)


@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("silent"), httpx.Response(503), httpx.Response(403)],
    ids=["not listening", "silent", "not ready", "roles not there yet"],
)
async def test_a_server_that_is_away_is_asked_again_and_nothing_is_forgotten(trouble):
    server = Server(listed(5, pod("a", 4)), trouble, trouble, listed(6, pod("a", 4), pod("b", 6)))

    assert [["a"], ["a", "b"]] == await seen(server, 2)


async def test_a_kind_that_is_not_there_yet_is_empty_and_found_later():
    server = Server(httpx.Response(404), httpx.Response(404), listed(5, pod("a", 4)))

    assert [[], ["a"]] == await seen(server, 2)


async def test_selectors_are_sent_with_list_and_watch():
    server = Server(listed(5), watched([event("ADDED", pod("a", 6))]))
    await seen(server, 2, query={"labelSelector": "component=predictor"})

    assert ["component=predictor"] * 2 == [asked["labelSelector"] for asked in server.asked]


async def test_a_question_that_no_repetition_helps_is_an_error():
    with pytest.raises(ClusterError, match=r"answered 400: unable to parse"):
        await seen(Server(httpx.Response(400, text="unable to parse")), 1)


async def test_versions_that_are_always_gone_are_listed_again_with_pauses(monkeypatch):
    monkeypatch.setattr("rehearsal.cluster.api.watch._FIRST_PAUSE_S", 3600)
    monkeypatch.setattr("rehearsal.cluster.api.watch._LONGEST_PAUSE_S", 3600)
    gone = [httpx.Response(410, json={}) for _ in range(10)]
    server = Server(*(answer for each in gone for answer in (listed(5), each)))
    following = asyncio.create_task(seen(server, 10))
    for _ in range(1000):
        await asyncio.sleep(0)
    following.cancel()

    assert ["list", "watch"] * 2 == ["watch" if "watch" in asked else "list" for asked in server.asked]


async def test_nothing_is_lost_or_doubled_when_a_connection_is_cut_within_an_event(tmp_path):
    async with pods_api() as server:
        await server.put("pods", pod("a", 0))
        async with followed(server, tmp_path) as snapshots:
            names = [sorted(name for _, name in await anext(snapshots))]
            server.cut_next_event()
            await server.put("pods", pod("b", 0))
            names.append(sorted(name for _, name in await anext(snapshots)))
            await server.remove("pods", "a")
            names.append(sorted(name for _, name in await anext(snapshots)))

    assert [["a"], ["a", "b"], ["b"]] == names


async def test_what_is_deleted_while_nobody_watches_is_gone_from_the_next_snapshot(tmp_path):
    async with pods_api() as server:
        await server.put("pods", pod("a", 0))
        async with followed(server, tmp_path) as snapshots:
            await anext(snapshots)
            following = asyncio.create_task(anext(snapshots))
            server.cut_next_event()
            await server.remove("pods", "a")

            assert {} == await following
