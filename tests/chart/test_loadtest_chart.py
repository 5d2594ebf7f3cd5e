"""helm/loadtest: a Job whose exit code is the verdict, workers that end with it, reports, notes."""

import importlib.util
import json
import re
import shlex

import helm_python
import pytest

from tests.chart.loadtest_release import (
    CLAIM,
    CROWD,
    PAGE,
    container,
    jobs,
    master,
    pod,
    release,
    volumes,
)
from tests.chart.pod_habits import findings as habits
from tests.chart.pod_security import findings as security
from tests.chart.pods import Pod
from tests.chart.rendering import noted, rendered, scenarios

RUN = re.compile(r"load-1-[0-9a-f]{6}")
KEPT = {"report": {"create": True}}


def test_one_process_is_one_job_that_runs_slipway_loadtest_once():
    objects = release()
    alone, workers = jobs(objects)

    assert workers is None
    assert not any(kind == "Service" for kind, _ in objects)
    assert ["slipway", "loadtest", "run"] == container(alone)["command"]
    assert "smoke" == container(alone)["args"][0]
    assert 0 == alone["spec"]["backoffLimit"]
    assert "Never" == pod(alone)["restartPolicy"]


def test_workers_are_an_indexed_job_that_starts_nobody_again():
    crowd, workers = jobs(release(CROWD))
    spec = workers["spec"]

    assert (3, 3, "Indexed", 0) == tuple(
        spec[key] for key in ("completions", "parallelism", "completionMode", "backoffLimitPerIndex")
    )
    assert "Never" == pod(workers)["restartPolicy"]
    assert "--expect-workers=3" in container(crowd)["args"]
    assert crowd["spec"]["activeDeadlineSeconds"] == spec["activeDeadlineSeconds"]


def test_workers_look_for_the_master_of_their_own_run():
    objects = release(CROWD)
    crowd, workers = jobs(objects)
    (service,) = [document for (kind, _), document in objects.items() if kind == "Service"]
    labels = crowd["spec"]["template"]["metadata"]["labels"]
    host = f"{pod(crowd)['hostname']}.{pod(crowd)['subdomain']}.serving.svc"

    assert f"--master-host={host}" in container(workers)["args"]
    assert crowd["metadata"]["name"] == pod(crowd)["hostname"]
    assert service["metadata"]["name"] == pod(crowd)["subdomain"]
    assert ("None", True) == (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"])
    assert service["spec"]["selector"].items() <= labels.items()
    assert [5557] == [port["port"] for port in service["spec"]["ports"]]


@pytest.mark.parametrize(
    "values",
    [{"run": 2}, {"run": "nightly"}, {"scenario": {"name": "spike"}}, {"image": {"tag": "2.0.0"}}, CROWD],
    ids=["run", "run by name", "scenario", "image", "workers"],
)
def test_another_run_has_another_name(values):
    assert master()["metadata"]["name"] != master(values)["metadata"]["name"]


def test_the_same_values_are_the_same_run():
    assert master(CROWD)["metadata"]["name"] == master(CROWD, upgrade=True)["metadata"]["name"]
    assert RUN.fullmatch(master()["metadata"]["name"])


def test_the_longest_names_fit_the_host_name_of_a_worker():
    _, workers = jobs(release({"run": "abcdefghijkl", "workers": {"count": 200}}, release="r" * 30))

    assert 63 >= len(f"{workers['metadata']['name']}-199")


@pytest.mark.parametrize(
    ("report", "volume"),
    [
        ({}, {"emptyDir": {"sizeLimit": "256Mi"}}),
        ({"create": True}, {"persistentVolumeClaim": {"claimName": "load-reports"}}),
        ({"claim": "mine"}, {"persistentVolumeClaim": {"claimName": "mine"}}),
    ],
    ids=["none", "created", "named"],
)
def test_the_report_goes_to_the_claim_below_the_runs_name(report, volume):
    objects = release({"report": report})
    job, _ = jobs(objects)

    assert volume == volumes(job)["reports"]
    assert f"--report-dir=/reports/{job['metadata']['name']}" in container(job)["args"]
    assert (("PersistentVolumeClaim", "load-reports") in objects) == ("create" in report)


@pytest.mark.parametrize("values", [{}, {"workers": {"count": 2}}, {"web": {"enabled": True}}, {"measure": "capacity"}])
def test_a_run_of_the_same_name_replaces_its_report_on_the_claim(values):
    assert "--force" in container(master(values))["args"]


def test_the_claim_of_the_reports_outlives_the_release():
    claim = release(KEPT)["PersistentVolumeClaim", "load-reports"]

    assert "keep" == claim["metadata"]["annotations"]["helm.sh/resource-policy"]
    assert "storageClassName" not in claim["spec"]


def test_the_report_is_in_the_log_unless_it_is_not_wanted_there():
    assert "--print-report" in container(master())["args"]
    assert "--print-report" not in container(master({"report": {"print": False, "claim": "mine"}}))["args"]


def test_large_numbers_reach_the_command_line_in_digits():
    """Helm reads every number as a float, and writes a million as 1e+06."""
    crowd = container(master({"workers": {"count": 3, "waitSeconds": 1_000_000}}))
    page = container(master({"web": {"enabled": True, "keepSeconds": 2_592_000}}))

    assert "--expect-workers-max-wait=1000000" in crowd["args"]
    assert "--autoquit=2592000" in page["args"]


def test_the_page_replaces_the_headless_run_and_ends_with_it():
    words = container(master(PAGE))["args"]

    assert {"--autostart", "--run-time=72", "--autoquit=600"} <= set(words)
    assert "--headless" not in words
    assert "--headless" in container(master(CROWD))["args"]
    assert [8089] == [port["containerPort"] for port in container(master(PAGE))["ports"]]


def test_requests_equal_limits_for_everybody_who_runs():
    own = {"requests": {"cpu": "2000m", "memory": "2Gi"}, "limits": {"cpu": 2, "memory": "2Gi"}}
    crowd, workers = jobs(release({**CROWD, "resources": own}))

    assert own == container(workers)["resources"] == container(master({"resources": own}))["resources"]
    assert container(crowd)["resources"]["requests"] == container(crowd)["resources"]["limits"]
    assert "1" == container(crowd)["resources"]["limits"]["cpu"]


def test_generators_keep_off_gpu_nodes_and_apart():
    for job in jobs(release(CROWD)):
        affinity = pod(job)["affinity"]
        ((term,),) = [
            terms["matchExpressions"]
            for terms in affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        ]
        (spread,) = pod(job)["topologySpreadConstraints"]

        assert {"key": "nvidia.com/gpu.present", "operator": "NotIn", "values": ["true"]} == term
        assert spread["labelSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()


def words_of(notes, beginning):
    """The words of each command in the notes that begins so."""
    return [shlex.split(line) for line in notes.splitlines() if line.strip().startswith(beginning)]


@pytest.mark.parametrize("path", scenarios("loadtest"), ids=lambda path: path.stem)
def test_the_notes_name_objects_that_exist(path):
    objects = rendered("loadtest", path, release="load")
    notes = noted("loadtest", path, release="load")
    names = {name for kind, name in objects if kind == "Job"}
    said = set(re.findall(r"(?:job/|get job |job-name=)([-a-z0-9]+)", notes))

    assert names == said


def test_the_notes_tell_what_a_pod_exits_with():
    notes = noted("loadtest", {"images": CLAIM}, release="load")

    assert "0 PASS, 1 FAIL, 2 the values are wrong, 3 INVALID" in notes
    assert "slipway loadtest page report.json" in notes
    assert "port-forward" not in notes
    assert "port-forward job/load-1-" in noted("loadtest", {"images": CLAIM, **PAGE}, release="load")


def test_the_pod_that_shows_the_reports_is_as_restricted_as_the_others():
    assert "reader" not in noted("loadtest", {"images": CLAIM}, release="load")
    (run,) = words_of(noted("loadtest", {"images": CLAIM, **KEPT}, release="load"), "kubectl --namespace serving run")
    (text,) = [word.removeprefix("--overrides=") for word in run if word.startswith("--overrides=")]
    spec = json.loads(text)["spec"]
    reader = Pod(owner="reader", spec=spec)

    assert [] == security(reader) + habits(reader)
    assert "load-reports" == spec["volumes"][0]["persistentVolumeClaim"]["claimName"]


def test_a_key_that_does_not_exist_is_refused():
    with pytest.raises(helm_python.HelmError, match="worker"):
        release({"worker": {"count": 2}})


def test_the_pods_of_workers_run_a_module_that_the_image_has():
    for job in jobs(release({"workers": {"count": 2}})):
        python, option, module = container(job)["command"]

        assert ("python", "-m") == (python, option)
        assert importlib.util.find_spec(f"{module}.__main__") is not None
