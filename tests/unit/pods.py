"""Pods of small processes, and what the API server holds of one."""

import asyncio
from contextlib import asynccontextmanager

import psutil

from rehearsal.cluster.node_agent.image_programs import ImagePrograms
from rehearsal.cluster.node_agent.pod_context import PodContext, SharedByPods
from rehearsal.cluster.node_agent.pod_runner import PodRunner
from rehearsal.cluster.node_agent.probe_client import ProbeClient
from rehearsal.cluster.node_agent.volumes import MountError
from rehearsal.errors import ApiError

ADDRESS = "127.0.0.1"


class Outside:
    """What the API server holds of one pod."""

    def __init__(self):
        self.statuses, self.events = [], []
        self.deleted, self.away, self.unbound = False, False, 0

    async def report(self, _pod, status):
        if self.away:
            raise ApiError("away")
        if not self.deleted:
            self.statuses.append(status)
        return not self.deleted

    async def delete(self, _pod):
        if self.away:
            raise ApiError("away")
        self.deleted = True

    def event(self, _pod, reason, message, *, warning=False):
        self.events.append((reason, message, warning))

    async def entries(self, kind, _namespace, name):
        return {"word": b"hello"} if (kind, name) == ("ConfigMap", "words") else None

    async def volumes(self, pod, folder, _address):
        if self.unbound:
            self.unbound -= 1
            raise MountError('persistentvolumeclaim "models" is not bound')
        found = {volume["name"]: folder / volume["name"] for volume in pod["spec"].get("volumes", ())}
        for place in found.values():
            place.mkdir()
        return found

    async def resolve(self, named):
        return f"127.64.0.2:{named.port}"

    @property
    def status(self):
        return self.statuses[-1] if self.statuses else {}

    @property
    def container(self):
        return (self.status.get("containerStatuses") or [{}])[0]

    @property
    def ready(self):
        return {one["type"]: one["status"] for one in self.status.get("conditions", ())}.get("Ready") == "True"

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
                await asyncio.sleep(0.005)


def shell(script, **more):
    return {"name": "main", "image": "tritonserver", "command": ["sh", "-c", script], **more}


def manifest(*containers, **spec):
    return {
        "metadata": {"name": "p", "namespace": "serving", "uid": "u-1", "generation": 1},
        "spec": {"nodeName": "gpu-1", "terminationGracePeriodSeconds": 20, "containers": containers, **spec},
    }


def deletion(pod, grace_s):
    return {
        **pod,
        "metadata": {**pod["metadata"], "deletionTimestamp": "now", "deletionGracePeriodSeconds": grace_s},
    }


@asynccontextmanager
async def run_pod(tmp_path, pod, outside=None, restart_backoff_s=0.02):
    """Run one pod; yields the outside and the runner, and leaves nothing behind."""
    outside = outside or Outside()
    prober = ProbeClient()
    shared = SharedByPods(
        folder=tmp_path / "pods",
        logs=tmp_path / "logs",
        programs=ImagePrograms(folder=tmp_path / "bin"),
        prober=prober,
        restart_backoff_s=restart_backoff_s,
    )
    runner = PodRunner(PodContext(pod=pod, address=ADDRESS, api=outside, shared=shared))
    task = asyncio.create_task(runner.run())
    try:
        yield outside, runner
    finally:
        if not task.done():
            runner.vanish()
        await task
        await prober.close()

    assert [] == list((tmp_path / "pods").iterdir())


def log(tmp_path, restarts=0, container="main"):
    return (tmp_path / "logs" / "serving_p_u-1" / container / f"{restarts}.log").read_text()


def alive(pid):
    """Whether it runs; one that ended and waits for the init process of this machine does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
