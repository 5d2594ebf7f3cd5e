"""A scenario is read strictly: whatever is wrong or impossible is told with file, key, expected and got."""

from pathlib import Path

import pytest
import yaml

from loadtest.errors import ScenarioError
from loadtest.scenario.scenario_file import load_scenario, shipped_scenarios
from loadtest.scenario.schema import Scenario

STEADY = {
    "description": "a steady load",
    "arrivals": {"kind": "poisson", "rate_rps": 100, "duration_s": 10},
    "slo": {"p99_ms": 50},
}


def written(folder, **sections):
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(STEADY | sections))
    return str(path)


def test_six_scenarios_ship():
    assert ("diurnal", "saturation", "smoke", "soak", "spike", "steady") == shipped_scenarios()


@pytest.mark.parametrize("name", shipped_scenarios())
def test_a_shipped_scenario_is_valid_and_judges_latency(name):
    scenario = load_scenario(name)

    assert "published" == scenario.payload.images
    assert scenario.slo.p99_ms is not None


def test_what_a_scenario_leaves_out_has_its_default(tmp_path):
    scenario = load_scenario(written(tmp_path))

    assert ("grpc://localhost:8001", "mnist", None) == (
        scenario.target.url,
        scenario.target.model,
        scenario.target.version,
    )
    assert [(1, 1.0)] == [(share.images, share.weight) for share in scenario.payload.batches]
    assert (3.0, 0, 0.0) == (scenario.warmup_s, scenario.seed, scenario.slo.error_rate)


def test_a_scenario_survives_json():
    scenario = load_scenario("soak")

    assert scenario == Scenario.model_validate_json(scenario.model_dump_json())


POISSON = STEADY["arrivals"]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        pytest.param({"targets": {}}, r"targets: unknown key; did you mean 'target'\?", id="section"),
        pytest.param({"slo": {"p95_ms": 3}}, r"slo\.p95_ms: unknown key; did you mean 'p9\S+_ms'\?", id="slo"),
        pytest.param({"slo": {"zz": 3}}, r"slo\.zz: unknown key; known keys: p50_ms, p99_ms, p99_9_ms", id="far"),
        pytest.param(
            {"arrivals": POISSON | {"rate": 3}},
            r"arrivals\.rate: unknown key; did you mean 'rate_rps'\?",
            id="arrivals",
        ),
        pytest.param(
            {"arrivals": {"kind": "steps", "steps": [{"rate_rps": 99, "duration_s": 9, "rate_rsp": 3}]}},
            r"arrivals\.steps\[0\]\.rate_rsp: unknown key; did you mean 'rate_rps'\?",
            id="steps",
        ),
        pytest.param(
            {"payload": {"batches": [{"images": 1}, {"images": 2, "wieght": 3}]}},
            r"payload\.batches\[1\]\.wieght: unknown key; did you mean 'weight'\?",
            id="batches",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_known_one(tmp_path, sections, words):
    path = written(tmp_path, **sections)

    with pytest.raises(ScenarioError, match=words) as refused:
        load_scenario(path)
    assert path in str(refused.value)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        pytest.param(
            {"slo": {"p50_ms": 60, "p99_ms": 50}}, r"p50 \(60 ms\) is above that of p99 \(50 ms\)", id="50>99"
        ),
        pytest.param(
            {"slo": {"p50_ms": 60, "p99_9_ms": 50}}, r"p50 \(60 ms\) is above that of p99\.9 \(50 ms\)", id="50>99.9"
        ),
        pytest.param({"slo": {"min_rps": 101}}, r"101 requests/s are required and 100 are offered", id="throughput"),
        pytest.param({"slo": {"p99_9_ms": 50}}, r"p99\.9 needs at least 3,838 requests, .* about 1,000", id="too few"),
        pytest.param({"slo": {"error_rate": 1.5}}, r"slo\.error_rate: .*less than or equal to 1, got 1\.5", id="rate"),
        pytest.param({"slo": {"p99_ms": 0}}, r"slo\.p99_ms: .*greater than 0, got 0", id="zero"),
        pytest.param({"slo": {"p99_ms": float("inf")}}, r"slo\.p99_ms: .*finite number, got inf", id="infinite"),
        pytest.param({"slo": {"p99_ms": "fast"}}, r"slo\.p99_ms: .*valid number, got 'fast'", id="text"),
        pytest.param({"warmup_s": float("inf")}, r"warmup_s: .*finite number, got inf", id="endless warm-up"),
        pytest.param(
            {
                "arrivals": {
                    "kind": "spike",
                    "rate_rps": 99,
                    "spike_rps": 99,
                    "spike_at_s": 9,
                    "spike_s": 9,
                    "duration_s": 9,
                }
            },
            r"arrivals: the spike ends 18 s after the start",
            id="spike",
        ),
        pytest.param(
            {"arrivals": {"kind": "poison", "rate_rps": 3}},
            r"arrivals: .*'poison'.*expected tags: 'constant', 'poisson', 'steps'",
            id="kind",
        ),
        pytest.param({"arrivals": {"rate_rps": 3}}, r"arrivals: .*'kind'", id="no kind"),
        pytest.param(
            {"target": {"url": "ftp://host"}}, r"target: .*expected grpc://, grpcs://, .*got ftp://", id="address"
        ),
        pytest.param({"payload": {"batches": []}}, r"payload\.batches: .*at least 1 item", id="no batches"),
        pytest.param({"seed": -1}, r"seed: .*greater than or equal to 0, got -1", id="seed"),
    ],
)
def test_an_impossible_scenario_is_refused_with_key_expected_and_got(tmp_path, sections, words):
    with pytest.raises(ScenarioError, match=words):
        load_scenario(written(tmp_path, **sections))


def test_every_problem_is_told_at_once(tmp_path):
    with pytest.raises(ScenarioError, match="2 problem"):
        load_scenario(written(tmp_path, seed=-1, targets={}))


def test_a_closed_loop_needs_no_number_of_requests(tmp_path):
    path = written(tmp_path, arrivals={"kind": "closed", "users": 2, "duration_s": 10}, slo={"p99_9_ms": 50})

    assert (2, 10.0) == (load_scenario(path).arrivals.users, load_scenario(path).arrivals.seconds)


def test_overrides_replace_values_and_make_sections(tmp_path):
    overrides = {
        "slo.p99_ms": "20.5",
        "target.url": "http://10.0.0.1",
        "payload.batches": "[{images: 16}]",
        "seed": "3",
    }
    scenario = load_scenario(written(tmp_path), overrides)

    assert (20.5, "http://10.0.0.1", 3) == (scenario.slo.p99_ms, scenario.target.url, scenario.seed)
    assert 16 == scenario.payload.batches[0].images
    assert 100 == scenario.arrivals.rate_rps


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        pytest.param("slo.p99_ms", "[1", r"override slo\.p99_ms=\[1: the value is not YAML", id="no YAML"),
        pytest.param("slo.p99_ms.x", "1", "'p99_ms' is a single value without keys", id="through a value"),
        pytest.param("slo.p99", "1", r"slo\.p99: unknown key; did you mean 'p99_\S*ms'", id="unknown key"),
        pytest.param("arrivals.rate_rps", "fast", r"arrivals\.rate_rps: .*valid number, got 'fast'", id="wrong type"),
    ],
)
def test_a_wrong_override_is_refused(tmp_path, key, value, words):
    with pytest.raises(ScenarioError, match=words):
        load_scenario(written(tmp_path), {key: value})


def test_files_are_relative_to_the_scenario(tmp_path):
    (tmp_path / "load").mkdir()
    (tmp_path / "load" / "trace.csv").write_text("at_s,rate_rps\n0,100\n10,200\n")
    path = written(tmp_path, arrivals={"kind": "trace", "file": "load/trace.csv"}, payload={"images": "my.npz"})
    scenario = load_scenario(path)

    assert 1500 == scenario.arrivals.expected_requests
    assert tmp_path / "load" / "trace.csv" == Path(scenario.arrivals.file)
    assert tmp_path / "my.npz" == Path(scenario.payload.images)


def test_published_images_are_no_path(tmp_path):
    assert "published" == load_scenario(written(tmp_path, payload={"images": "published"})).payload.images


def test_a_missing_trace_is_told_under_its_section(tmp_path):
    path = written(tmp_path, arrivals={"kind": "trace", "file": "none.csv"})

    with pytest.raises(ScenarioError, match=r"\n  arrivals: .*none\.csv: cannot be read"):
        load_scenario(path)


def test_an_unknown_name_is_answered_with_the_shipped_ones():
    with pytest.raises(ScenarioError, match=r"no scenario 'stedy': .*smoke, soak, spike, steady, or a YAML file"):
        load_scenario("stedy")


@pytest.mark.parametrize("text", ["- a\n", "{a: [", "\x00"], ids=["list", "broken", "binary"])
def test_what_is_no_scenario_is_refused(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)

    with pytest.raises(ScenarioError, match=r"mine\.yaml"):
        load_scenario(str(tmp_path / "mine.yaml"))
