"""How a pod ends, and what becomes of it when the API server or the node agent was away."""

from tests.unit.pods import Outside, alive, deletion, log, manifest, shell


async def test_pre_stop_comes_before_sigterm_and_the_grace_ends_with_sigkill(node, tmp_path, monkeypatch):
    monkeypatch.setattr("rehearsal.cluster.node_agent.container_run._SHORTEST_GRACE_S", 1.0)
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
