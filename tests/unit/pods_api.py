"""A small Kubernetes API server on loopback that holds nodes, pods and Services: get, list, watch, status, delete.

async with pods_api() as api:
    api.kubeconfig(path)
    api.put("nodes", node("gpu-1"))
    api.put("pods", pod)           # watchers hear of it
    api.objects["pods"]["p"]       # as the last patch left it
"""

import asyncio
import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import yaml


class PodsApi:
    """Objects by kind and name; every change has the next number."""

    def __init__(self):
        self.objects = {"nodes": {}, "pods": {}, "services": {}}
        self.events = []
        self._version = 0
        self._changes = asyncio.Condition()
        self._history = []
        self._cut = False

    def kubeconfig(self, path):
        named = {"name": "it"}
        config = {
            "current-context": "it",
            "contexts": [{**named, "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{**named, "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{**named, "user": {}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    async def put(self, kind, item):
        name = item["metadata"]["name"]
        known = name in self.objects[kind]
        self.objects[kind][name] = item
        await self._tell("MODIFIED" if known else "ADDED", kind, item)

    def cut_next_event(self):
        """Send half of the next event of a watch, and cut its connection."""
        self._cut = True

    async def remove(self, kind, name):
        await self._tell("DELETED", kind, self.objects[kind].pop(name))

    async def _tell(self, change, kind, item):
        async with self._changes:
            self._version += 1
            item["metadata"]["resourceVersion"] = str(self._version)
            self._history.append((self._version, kind, {"type": change, "object": json.loads(json.dumps(item))}))
            self._changes.notify_all()

    async def serve(self, reader, writer):
        try:
            method, target, _ = (await reader.readline()).decode().split()
            length = 0
            while (line := (await reader.readline()).strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            body = json.loads(await reader.readexactly(length)) if length else None
            url = urlsplit(target)
            kind = next((kind for kind in self.objects if f"/{kind}" in url.path), None)
            if method == "GET" and kind and "watch" in parse_qs(url.query):
                await self._watch(writer, kind, int(parse_qs(url.query)["resourceVersion"][0]))
                return
            status, answer = await self._answer(method, url.path, kind, body)
            content = json.dumps(answer).encode()
            writer.write(f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode())
            writer.write(content)
            await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def _answer(self, method, path, kind, body):
        if method == "GET" and kind and path.endswith(f"/{kind}"):
            metadata = {"resourceVersion": str(self._version)}
            return 200, {"items": list(self.objects[kind].values()), "metadata": metadata}
        if method == "POST" and path.endswith("/events"):
            self.events.append(body)
            return 201, body
        name = path.split(f"/{kind}/")[-1].partition("/")[0]
        item = self.objects.get(kind, {}).get(name)
        if item is None:
            return 404, {}
        if method == "GET":
            return 200, item
        if method == "PATCH":
            await self.put("pods", {**item, "status": {**item.get("status", {}), **body["status"]}})
        if method == "DELETE":
            await self.remove("pods", name)
        return 200, {}

    async def _watch(self, writer, kind, version):
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            async with self._changes:
                while self._version <= version:
                    await self._changes.wait()
                news = [event for number, of, event in self._history if of == kind and number > version]
                version = self._version
            for event in news:
                line = json.dumps(event).encode() + b"\n"
                if self._cut:
                    self._cut = False
                    writer.write(line[: len(line) // 2])
                    await writer.drain()
                    return
                writer.write(line)
            await writer.drain()


@asynccontextmanager
async def pods_api():
    api = PodsApi()
    connections = set()

    def accept(reader, writer):
        task = asyncio.create_task(api.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
