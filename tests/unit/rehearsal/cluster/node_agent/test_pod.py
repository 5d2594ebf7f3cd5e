"""A pod's life with real, small processes. The API server is a record of what it would be told."""

from tests.unit.pods import ADDRESS, Outside, alive, deletion, log, manifest, shell


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
    monkeypatch.setattr("rehearsal.cluster.node_agent.pod_context._MOUNT_RETRY_S", 0.01)
    outside = Outside()
    outside.unbound = 2
    async with node(manifest(shell("exec sleep 600")), outside):
        await outside.until(lambda: outside.ready)

    assert ["FailedMount", "FailedMount", "Pulled"] == [reason for reason, _, _ in outside.events[:3]]
