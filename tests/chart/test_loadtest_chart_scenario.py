"""helm/loadtest: whatever the values say of the scenario is what the load test itself reads on its command line."""

import pytest

from loadtest.scenario.scenario_file import load_scenario, shipped_scenarios
from tests.chart.loadtest_release import (
    CLAIM,
    CROWD,
    PAGE,
    container,
    jobs,
    master,
    mounts,
    overrides,
    release,
    volumes,
)
from tests.chart.rendering import folder, rendered, scenarios
from tests.chart.values_rules import schema_of

INLINE = {
    "description": "own",
    "arrivals": {"kind": "constant", "rate_rps": 1_000_000, "duration_s": 20},
    "warmup_s": 4,
    "slo": {"p99_ms": 20},
}


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ({}, "grpc://mnist-predictor.serving.svc:9000"),
        ({"protocol": "http"}, "http://mnist-predictor.serving.svc:80"),
        ({"release": "digits", "namespace": "models"}, "grpc://digits-predictor.models.svc:9000"),
    ],
    ids=["grpc", "http", "another release"],
)
def test_the_target_is_the_service_of_a_serving_release(target, url):
    assert url == overrides(master({"target": target}))["target.url"]


def test_metrics_are_asked_only_when_they_are_wanted():
    told = {
        metrics: overrides(master({"target": {"metrics": metrics}}))["target.metrics_url"]
        for metrics in ("", "service", "http://10.0.0.1:8002/metrics")
    }

    assert {
        "": "null",
        "service": "http://mnist-predictor.serving.svc:8002/metrics",
        "http://10.0.0.1:8002/metrics": "http://10.0.0.1:8002/metrics",
    } == told


def test_objectives_and_other_values_reach_the_command_line_as_yaml():
    values = {"slo": {"p99_ms": 7.5, "p50_ms": "null"}, "set": {"arrivals.rate_rps": 1_000_000, "seed": 3}}
    told = overrides(master({"scenario": values}))
    scenario = load_scenario("smoke", {key: text for key, text in told.items() if not key.startswith("target")})

    assert (7.5, None) == (scenario.slo.p99_ms, scenario.slo.p50_ms)
    assert (1_000_000, 3) == (scenario.arrivals.rate_rps, scenario.seed)


@pytest.mark.parametrize("values", [{}, CROWD], ids=["alone", "workers"])
def test_overrides_use_the_flag_of_the_command_that_is_run(values):
    words = container(master(values))["args"]

    assert ("--set" in words, "--override" in words) == (not values, bool(values))


def test_a_scenario_of_ones_own_is_what_the_loader_reads(tmp_path):
    objects = release({"scenario": {"inline": INLINE}})
    (config,) = [document for (kind, _), document in objects.items() if kind == "ConfigMap"]
    ((name, text),) = config["data"].items()
    (tmp_path / name).write_text(text)
    scenario = load_scenario(str(tmp_path / name))

    assert 1_000_000 == scenario.arrivals.rate_rps
    assert f"/etc/slipway/scenario/{name}" == container(jobs(objects)[0])["args"][0]
    assert "/etc/slipway/scenario" in mounts(jobs(objects)[0])
    assert {"name": config["metadata"]["name"]} == volumes(jobs(objects)[0])["scenario"]["configMap"]


@pytest.mark.parametrize("path", scenarios("loadtest"), ids=lambda path: path.stem)
def test_every_ci_scenario_is_one_that_the_loader_takes(path, tmp_path):
    objects = rendered("loadtest", path, release="load")
    job, _ = jobs(objects)
    for (kind, _), config in objects.items():
        for name, text in config["data"].items() if kind == "ConfigMap" else ():
            (tmp_path / name).write_text(text)
    words = container(job)["args"]
    scenario = words[words.index("--scenario") + 1] if "--scenario" in words else words[0]
    loaded = load_scenario(scenario.replace("/etc/slipway/scenario", str(tmp_path)), overrides(job))

    assert loaded.arrivals.seconds + loaded.warmup_s < job["spec"]["activeDeadlineSeconds"]


def test_no_config_map_for_a_shipped_scenario():
    assert not any(kind == "ConfigMap" for kind, _ in release())


def test_the_schema_knows_every_shipped_scenario():
    names = schema_of(folder("loadtest"))["properties"]["scenario"]["properties"]["name"]["enum"]

    assert list(shipped_scenarios()) == sorted(names)


def deadline(values):
    """The Job's deadline without its default margin."""
    return master(values)["spec"]["activeDeadlineSeconds"] - 600


@pytest.mark.parametrize("name", shipped_scenarios())
def test_the_deadline_counts_from_the_scenarios_own_length(name):
    scenario = load_scenario(name)

    assert scenario.warmup_s + scenario.arrivals.seconds == deadline({"scenario": {"name": name}})


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({"scenario": {"inline": INLINE}}, 24),
        ({"scenario": {"inline": INLINE, "set": {"warmup_s": 1, "arrivals.duration_s": 9}}}, 10),
        ({"scenario": {"inline": {"arrivals": {"steps": [{"duration_s": 5}, {"duration_s": 6.5}]}}}}, 15),
        ({"scenario": {"set": {"arrivals.duration_s": "30"}}}, 32),
        ({"deadline": {"runSeconds": 77}}, 77),
        (CROWD, 12 + 300),
        (PAGE, 12 + 60 + 600),
    ],
    ids=["inline", "replaced", "steps", "text", "given", "workers", "page"],
)
def test_the_deadline_has_room_for_all_that_is_waited_for(values, seconds):
    assert seconds == deadline(values)


def test_the_published_samples_are_mounted_read_only_and_only_by_the_master():
    crowd, workers = jobs(release(CROWD))

    assert {"claimName": "models", "readOnly": True} == volumes(crowd)["models"]["persistentVolumeClaim"]
    assert "--repository=/models/model_repository" in container(crowd)["args"]
    assert {"/tmp"} == mounts(workers).keys()


def test_noise_needs_no_claim_and_no_answer_is_checked():
    job = master({"images": {"random": True}})
    told = overrides(job)

    assert ("random", "0") == (told["payload.images"], told["correctness.check_share"])
    assert "/models" not in mounts(job)
    assert not any(word.startswith("--repository") for word in container(job)["args"])


def test_images_of_ones_own_are_read_from_the_claim():
    assert "/models/a/b.npz" == overrides(master({"images": {**CLAIM, "file": "a/b.npz"}}))["payload.images"]


def test_token_and_authorities_reach_every_process():
    secrets = {"token": {"secretName": "t", "key": "bearer"}, "ca": {"secretName": "c", "key": "root.pem"}}
    values = {"target": {"url": "grpcs://h:443", **secrets}, "networkPolicy": {"enabled": False}}
    pair = jobs(release({**CROWD, **values}))

    assert ("SLIPWAY_TOKEN", "/etc/slipway/ca/root.pem") == tuple(
        overrides(pair[0])[key] for key in ("target.token_env", "target.ca_file")
    )
    for job in pair:
        (variable,) = container(job)["env"]

        assert "SLIPWAY_TOKEN" == variable["name"]
        assert {"name": "t", "key": "bearer"} == variable["valueFrom"]["secretKeyRef"]
        assert {"secretName": "c"} == volumes(job)["ca"]["secret"]
        assert "/etc/slipway/ca" in mounts(job)


def test_no_secret_is_asked_for_by_default():
    job = master()

    assert "env" not in container(job)
    assert not {"target.token_env", "target.ca_file"} & overrides(job).keys()
