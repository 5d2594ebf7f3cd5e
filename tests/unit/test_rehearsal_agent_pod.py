"""A pod's life with real, small processes. The API server is a record of what it would be told."""

import asyncio
import socket
from contextlib import asynccontextmanager, closing

import psutil
import pytest

from rehearsal.agent.ask import Asker
from rehearsal.agent.objects import Unavailable
from rehearsal.agent.pod import PodRunner, Settings
from rehearsal.agent.programs import Programs
from rehearsal.agent.volumes import MountError

ADDRESS = "127.0.0.1"


class Outside:
    """What the API server holds of one pod."""

    def __init__(self):
        self.statuses, self.events = [], []
        self.deleted, self.away, self.unbound = False, False, 0

    async def report(self, _pod, status):
        if self.away:
            raise Unavailable("away")
        if not self.deleted:
            self.statuses.append(status)
        return not self.deleted

    async def delete(self, _pod):
        if self.away:
            raise Unavailable("away")
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


@pytest.fixture
def node(tmp_path):
    """Runs one pod; yields the outside and the runner, and leaves nothing behind."""

    @asynccontextmanager
    async def run(pod, outside=None, restart_backoff_s=0.02):
        outside = outside or Outside()
        asker = Asker()
        settings = Settings(
            folder=tmp_path / "pods",
            logs=tmp_path / "logs",
            programs=Programs(folder=tmp_path / "bin"),
            asker=asker,
            restart_backoff_s=restart_backoff_s,
        )
        runner = PodRunner(pod, address=ADDRESS, door=outside, settings=settings)
        task = asyncio.create_task(runner.run())
        try:
            yield outside, runner
        finally:
            if not task.done():
                runner.vanish()
            await task
            await asker.close()

        assert [] == list((tmp_path / "pods").iterdir())

    return run


def log(tmp_path, restarts=0, container="main"):
    return (tmp_path / "logs" / "serving_p_u-1" / container / f"{restarts}.log").read_text()


def alive(pid):
    """Whether it runs; one that ended and waits for the init process of this machine does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def port():
    with closing(socket.socket()) as free:
        free.bind((ADDRESS, 0))
        return free.getsockname()[1]


async def test_a_pod_runs_is_ready_and_goes(node):
    pod = manifest(shell("exec sleep 600"))
    async with node(pod) as (outside, runner):
        await outside.until(lambda: outside.ready)
        running = outside.status
        runner.update(deletion(pod, 20))
        await outside.until(lambda: outside.deleted)

    assert ("Running", ADDRESS) == (running["phase"], running["podIP"])
    assert {"exitCode": 143, "signal": 15, "reason": "Error"}.items() <= outside.container["state"][
        "terminated"
    ].items()
    assert "Failed" == outside.status["phase"]
    assert ["Pulled", "Created", "Started", "Killing"] == [reason for reason, _, _ in outside.events]


async def test_command_and_environment_are_those_of_this_machine(node, tmp_path):
    container = {
        "name": "main",
        "image": "tritonserver",
        "command": ["sh", "-c"],
        "args": ['echo "$(WORD) $WORD $MINE $URL"; cat /mnt/it/file; echo "$PWD $0"', "/mnt/it/x"],
        "env": [
            {"name": "WORD", "valueFrom": {"configMapKeyRef": {"name": "words", "key": "word"}}},
            {"name": "MINE", "value": "/mnt/it/$(WORD)"},
            {"name": "URL", "value": "grpc://mnist-predictor.serving.svc:9000"},
        ],
        "volumeMounts": [{"name": "it", "mountPath": "/mnt/it", "subPath": "sub"}],
        "workingDir": "/mnt/it",
    }
    init = shell("echo content > /mnt/it/file", name="init", volumeMounts=container["volumeMounts"])
    make = shell("mkdir /all/sub", name="make", volumeMounts=[{"name": "it", "mountPath": "/all"}])
    pod = manifest(container, initContainers=[make, init], restartPolicy="Never", volumes=[{"name": "it"}])
    async with node(pod) as (outside, _):
        await outside.until(lambda: outside.status.get("phase") == "Succeeded")
    place = tmp_path / "pods" / "serving_p_u-1" / "it" / "sub"

    assert [
        f"hello hello {place}/hello grpc://127.64.0.2:9000",
        "content",
        f"{place} {place}/x",
    ] == log(tmp_path).splitlines()


async def test_nothing_of_the_agents_environment_reaches_a_container(node, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    async with node(manifest(shell("env"), restartPolicy="Never")) as (outside, _):
        await outside.until(lambda: outside.status.get("phase") == "Succeeded")

    assert "PROXY" not in log(tmp_path)
    assert "HOSTNAME=p\n" in log(tmp_path)


async def test_init_containers_come_first_and_in_order(node):
    inits = [shell("exit 0", name=name) for name in ("one", "two")]
    async with node(manifest(shell("exec sleep 600"), initContainers=inits)) as (outside, _):
        await outside.until(lambda: outside.ready)

    assert ["one", "two", "main"] == [
        message.rpartition(" ")[2] for reason, message, _ in outside.events if reason == "Started"
    ]
    assert "PodInitializing" == outside.statuses[0]["containerStatuses"][0]["state"]["waiting"]["reason"]
    assert [True, True] == [one["ready"] for one in outside.status["initContainerStatuses"]]


async def test_an_init_container_that_fails_is_repeated_until_it_succeeds(node):
    mounts = [{"name": "it", "mountPath": "/it"}]
    init = shell("[ -f /it/x ] || { touch /it/x; exit 1; }", name="init", volumeMounts=mounts)
    pod = manifest(shell("exec sleep 600"), initContainers=[init], volumes=[{"name": "it"}])
    async with node(pod) as (outside, _):
        await outside.until(lambda: outside.ready)

    assert 1 == outside.status["initContainerStatuses"][0]["restartCount"]


async def test_an_init_container_that_fails_ends_a_pod_that_is_never_restarted(node):
    pod = manifest(shell("true"), initContainers=[shell("exit 7", name="init")], restartPolicy="Never")
    async with node(pod) as (outside, _):
        await outside.until(lambda: outside.status.get("phase") == "Failed")

    assert 7 == outside.status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"]
    assert {"Started container init"} == {message for reason, message, _ in outside.events if reason == "Started"}


async def test_a_container_that_crashes_is_restarted_with_back_off_and_says_why(node):
    container = shell(
        "echo first; echo 'error: no model' >&2; exit 3", terminationMessagePolicy="FallbackToLogsOnError"
    )
    async with node(manifest(container)) as (outside, _):
        await outside.until(lambda: outside.container.get("restartCount") == 3)
    waits = [
        one["containerStatuses"][0]["state"]["waiting"]["message"]
        for one in outside.statuses
        if one["containerStatuses"][0]["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
    ]

    assert [
        "back-off 20ms restarting failed container=main pod=p_serving(u-1)",
        "back-off 40ms restarting failed container=main pod=p_serving(u-1)",
    ] == list(dict.fromkeys(waits))[:2]
    assert {False} == {
        one["containerStatuses"][0]["ready"]
        for one in outside.statuses
        if "running" not in one["containerStatuses"][0]["state"]
    }
    last = outside.container["lastState"]["terminated"]
    assert (3, "Error", "first\nerror: no model\n") == (last["exitCode"], last["reason"], last["message"])


async def test_a_restart_is_counted_when_the_container_waits_to_be_created(node):
    async with node(manifest(shell("exit 3"))) as (outside, _):
        await outside.until(lambda: outside.container.get("restartCount") == 3)
    containers = [one["containerStatuses"][0] for one in outside.statuses]
    first = {one["restartCount"]: one["state"] for one in reversed(containers)}

    assert {number: {"waiting": {"reason": "ContainerCreating"}} for number in range(4)} == first


async def test_a_pod_that_waits_to_be_restarted_goes_at_once(node):
    pod = manifest(shell("exit 3"))
    async with node(pod, restart_backoff_s=600) as (outside, runner):
        await outside.until(lambda: "CrashLoopBackOff" in str(outside.container.get("state")))
        runner.update(deletion(pod, 600))
        await outside.until(lambda: outside.deleted)

    assert 3 == outside.container["state"]["terminated"]["exitCode"]
    assert 1 == outside.container["restartCount"]


async def test_a_container_ends_with_its_first_process(node, tmp_path):
    async with node(manifest(shell("sleep 600 & echo $!"), restartPolicy="Never")) as (outside, _):
        await outside.until(lambda: outside.status.get("phase") == "Succeeded")
        await outside.until(lambda: not alive(int(log(tmp_path))))


async def test_a_termination_message_that_was_written_wins_over_the_output(node):
    container = shell(
        "echo noise; printf mine > /dev/termination-log; exit 1", terminationMessagePolicy="FallbackToLogsOnError"
    )
    async with node(manifest(container, restartPolicy="Never")) as (outside, _):
        await outside.until(lambda: outside.status.get("phase") == "Failed")

    assert "mine" == outside.container["state"]["terminated"]["message"]


async def test_a_program_that_is_not_there_is_a_start_error(node):
    container = {"name": "main", "image": "tritonserver", "command": ["/nowhere/program"]}
    async with node(manifest(container, restartPolicy="Never")) as (outside, _):
        await outside.until(lambda: outside.status.get("phase") == "Failed")
    ended = outside.container["state"]["terminated"]

    assert (128, "StartError") == (ended["exitCode"], ended["reason"])
    assert '"/nowhere/program": executable file not found' in ended["message"]


async def test_an_image_that_nothing_stands_for_is_not_pulled(node):
    async with node(manifest({"name": "main", "image": "nginx:1"})) as (outside, _):
        await outside.until(lambda: "waiting" in outside.container.get("state", {}))
        await outside.until(lambda: outside.container["state"]["waiting"]["reason"] == "ImagePullBackOff")

    assert "tritonserver and slipway-client only" in outside.container["state"]["waiting"]["message"]
    assert "Pending" == outside.status["phase"]


async def test_a_missing_config_map_is_named(node):
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "others", "key": "word"}}}]
    pod = manifest(shell("exec sleep 600", env=env))
    async with node(pod) as (outside, runner):
        await outside.until(lambda: "waiting" in outside.container.get("state", {}))
        await outside.until(lambda: outside.container["state"]["waiting"]["reason"] == "CreateContainerConfigError")
        waiting = outside.container["state"]["waiting"]
        runner.update(deletion(pod, 20))
        await outside.until(lambda: outside.deleted)

    assert 'configmap "others" not found' == waiting["message"]


async def test_a_volume_that_is_not_there_yet_is_waited_for(node, monkeypatch):
    monkeypatch.setattr("rehearsal.agent.pod._MOUNT_RETRY_S", 0.01)
    outside = Outside()
    outside.unbound = 2
    async with node(manifest(shell("exec sleep 600")), outside):
        await outside.until(lambda: outside.ready)

    assert ["FailedMount", "FailedMount", "Pulled"] == [reason for reason, _, _ in outside.events[:3]]


SERVE = "exec python3 -S -m http.server --bind 127.0.0.1 {port}"
GET = {"httpGet": {"path": "/", "port": "http"}}


def serving(port, **probes):
    return shell(SERVE.format(port=port), ports=[{"name": "http", "containerPort": port}], **probes)


@pytest.fixture
def quick(monkeypatch):
    """Probes twenty times as fast as a manifest can say."""
    real = asyncio.sleep
    monkeypatch.setattr("rehearsal.agent.prober.asyncio.sleep", lambda seconds: real(seconds / 20))


async def test_ready_is_what_the_readiness_probe_says(node, port, quick):
    del quick
    probes = {"startupProbe": {**GET, "periodSeconds": 1, "failureThreshold": 400}, "readinessProbe": {**GET}}
    async with node(manifest(serving(port, **probes))) as (outside, _):
        await outside.until(lambda: outside.container.get("started"))
        await outside.until(lambda: outside.ready)
    order = [(one["containerStatuses"][0]["started"], one["containerStatuses"][0]["ready"]) for one in outside.statuses]

    assert (False, True) not in order
    assert (True, True) == order[-1]


async def test_readiness_is_lost_after_its_threshold_and_comes_back(node, quick):
    del quick
    probe = {"exec": {"command": ["test", "!", "-f", "/it/closed"]}, "periodSeconds": 1, "failureThreshold": 2}
    container = shell("exec sleep 600", readinessProbe=probe, volumeMounts=[{"name": "it", "mountPath": "/it"}])
    async with node(manifest(container, volumes=[{"name": "it"}])) as (outside, runner):
        await outside.until(lambda: outside.ready)
        closed = runner._ground.volumes["it"] / "closed"
        closed.touch()
        await outside.until(lambda: not outside.ready)
        closed.unlink()
        await outside.until(lambda: outside.ready)

    assert 2 <= sum(reason == "Unhealthy" for reason, _, _ in outside.events)
    assert 0 == outside.container["restartCount"]


@pytest.mark.parametrize("kind", ["startup", "liveness"])
async def test_a_failed_probe_restarts_the_container_through_pre_stop(node, tmp_path, quick, kind):
    del quick
    container = shell(
        "trap 'echo term; exit 0' TERM; echo on; while :; do sleep 0.02; done",
        **{f"{kind}Probe": {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}},
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /it/hook"]}}},
        volumeMounts=[{"name": "it", "mountPath": "/it"}],
    )
    async with node(manifest(container, volumes=[{"name": "it"}])) as (outside, runner):
        await outside.until(lambda: outside.container.get("restartCount") == 1)
        hook = (runner._ground.volumes["it"] / "hook").read_text()

    assert "hook\n" == hook
    assert "term" in log(tmp_path)
    assert ("Killing", f"Container main failed {kind} probe, will be restarted", False) in outside.events
    assert 2 <= sum(reason == "Unhealthy" for reason, _, _ in outside.events)


async def test_a_tcp_probe_asks_for_a_connection(node, port, quick):
    del quick
    with closing(socket.create_server((ADDRESS, port))):
        container = shell("exec sleep 600", readinessProbe={"tcpSocket": {"port": port}})
        async with node(manifest(container)) as (outside, _):
            await outside.until(lambda: outside.ready)


async def test_pre_stop_comes_before_sigterm_and_the_grace_ends_with_sigkill(node, tmp_path, monkeypatch):
    monkeypatch.setattr("rehearsal.agent.run._SHORTEST_GRACE_S", 1.0)
    # preStop takes all of the grace: SIGTERM is still given the shortest grace, and then the group is killed.
    script = "trap 'echo term' TERM; sleep 600 & echo $!; while :; do wait; done"
    pod = manifest(shell(script, lifecycle={"preStop": {"sleep": {"seconds": 600}}}))
    async with node(pod) as (outside, runner):
        await outside.until(lambda: outside.ready and log(tmp_path))
        background = int(log(tmp_path))
        runner.update(deletion(pod, 0.1))
        await outside.until(lambda: outside.deleted)
        await outside.until(lambda: not alive(background))

    assert {"exitCode": 137, "signal": 9}.items() <= outside.container["state"]["terminated"].items()
    assert "term" == log(tmp_path).splitlines()[1]


async def test_a_second_deletion_shortens_the_grace(node, tmp_path):
    pod = manifest(shell("trap '' TERM; echo on; while :; do sleep 0.02; done"))
    async with node(pod) as (outside, runner):
        await outside.until(lambda: outside.ready and log(tmp_path))
        runner.update(deletion(pod, 600))
        await outside.until(lambda: any(reason == "Killing" for reason, _, _ in outside.events))
        runner.update(deletion(pod, 0.05))
        await outside.until(lambda: outside.deleted)

    assert 137 == outside.container["state"]["terminated"]["exitCode"]


async def test_a_pod_on_a_lost_node_is_killed_and_never_reported_again(node, tmp_path):
    pod = manifest(shell("trap '' TERM; sleep 600 & echo $$$$ $!; wait"))
    async with node(pod) as (outside, runner):
        await outside.until(lambda: outside.ready and log(tmp_path))
        pids = [int(pid) for pid in log(tmp_path).split()]
        reports, events = len(outside.statuses), len(outside.events)
        runner.vanish()
        await outside.until(lambda: not any(map(alive, pids)))

    assert (reports, events) == (len(outside.statuses), len(outside.events))
    assert not outside.deleted


async def test_a_pod_that_is_active_for_too_long_fails(node):
    pod = manifest(shell("exec sleep 600"), restartPolicy="Never", activeDeadlineSeconds=0.3)
    async with node(pod) as (outside, _):
        await outside.until(lambda: outside.status.get("phase") == "Failed")

    assert "DeadlineExceeded" == outside.status["reason"]


async def test_a_status_is_kept_while_the_api_server_is_away(node):
    outside = Outside()
    outside.away = True
    pod = manifest(shell("exec sleep 600"))
    async with node(pod, outside) as (_, runner):
        await outside.until(lambda: runner.ready)
        before = list(outside.statuses)
        outside.away = False
        await outside.until(lambda: outside.ready)
        outside.away = True
        runner.update(deletion(pod, 20))
        await outside.until(lambda: runner.over)
        outside.away = False
        await outside.until(lambda: outside.deleted)

    assert [] == before
    assert 143 == outside.container["state"]["terminated"]["exitCode"]


async def test_after_a_restart_of_the_agent_containers_begin_anew(node):
    pod = manifest(shell("exec sleep 600"))
    async with node(pod) as (outside, _):
        await outside.until(lambda: outside.ready)
        status = outside.status
    async with node({**pod, "status": status}) as (again, _):
        await again.until(lambda: again.ready)

    assert (1, 255) == (again.container["restartCount"], again.container["lastState"]["terminated"]["exitCode"])
    assert status["startTime"] == again.status["startTime"]
    assert "False" == {one["type"]: one["status"] for one in again.statuses[0]["conditions"]}["Ready"]
