"""Rules, queries and dashboard of the serving chart against what a real tritonserver says about itself."""

import json
import re

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

pytest.importorskip("helm_python")

from slipway.repository import seal
from slipway.triton import ServerSettings, TritonServer
from tests.chart.alert_cases import SERVICE
from tests.chart.healthy_service import REASONS, healthy
from tests.chart.promtool_runs import NAMESPACE, RELEASE, Rules, metrics_in, passes
from tests.chart.record_series import record, scrape
from tests.chart.rendering import HELM, rendered
from tests.integration.conftest import publish_linear_classifier

pytestmark = pytest.mark.triton

CALLERS = 2
SCRAPES = 11
BATCH_MS = 50
# What the server of these tests cannot have, and why.
NOT_HERE = {
    "nv_inference_first_response_histogram_ms_bucket": "for plain models from Triton 26.01 on; 2.51 is embedded",
    "nv_inference_first_response_histogram_ms_count": "as its buckets",
    "nv_gpu_utilization": "needs a GPU",
    "nv_gpu_memory_used_bytes": "needs a GPU",
    "nv_gpu_memory_total_bytes": "needs a GPU",
}


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory):
    """A server whose model takes 50 ms for a batch, with the chart's metrics settings."""
    root = tmp_path_factory.mktemp("recorded") / "model_repository"
    publish_linear_classifier(root)
    config = root / "mnist" / "config.pbtxt"
    slow = f'parameters {{ key: "simulated_batch_ms" value {{ string_value: "{BATCH_MS}" }} }}\n'
    config.write_text(config.read_text() + slow)
    seal(root, "mnist")
    arguments = rendered("serving", SERVICE)["ServingRuntime", "demo-triton"]["spec"]["containers"][0]["args"]
    metrics = tuple(argument for argument in arguments if argument.startswith("--metrics-config="))
    with TritonServer(ServerSettings(repository=root, extra_args=metrics)) as server:
        yield server


@pytest.fixture(scope="module")
def recording(slow_server):
    """Ten seconds of two callers who ask without a pause."""
    return record(slow_server, model="mnist", callers=CALLERS, scrapes=SCRAPES)


def names_that_are_read():
    """Every metric of Triton in rules, KEDA's queries and dashboard."""
    objects = rendered("serving", SERVICE)
    expressions = [rule["expr"] for rule in Rules.of(SERVICE).all]
    triggers = objects["ScaledObject", "demo"]["spec"]["triggers"]
    expressions += [trigger["metadata"]["query"] for trigger in triggers]
    board = json.loads((HELM / "serving" / "files" / "dashboard.json").read_text())
    expressions += [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    expressions += [variable.get("definition", "") for variable in board["templating"]["list"]]
    return {name for expression in expressions for name in metrics_in(expression) if name.startswith("nv_")}


def test_every_metric_that_is_read_exists(recording):
    read = names_that_are_read()

    assert {"nv_inference_request_duration_us", "nv_inference_pending_request_count"} < read
    assert set(NOT_HERE) == read - recording.metrics


def test_pod_monitor_drops_only_what_nobody_reads(recording):
    endpoint = rendered("serving", SERVICE)["PodMonitor", "demo"]["spec"]["podMetricsEndpoints"][0]
    (drop,) = endpoint["metricRelabelings"]
    dropped = {name for name in recording.metrics | set(NOT_HERE) if re.fullmatch(drop["regex"], name)}

    assert {"nv_cpu_utilization", "nv_pinned_memory_pool_used_bytes"} < dropped
    assert set() == dropped & names_that_are_read()


def test_series_of_the_alert_tests_have_the_labels_of_real_ones(recording):
    made_up = {}
    for series in healthy(1):
        name, labels = re.fullmatch(r"(\w+)\{(.*)\}", series).groups()
        added = {"namespace", "pod", "inferenceservice"}
        made_up.setdefault(name, set()).add(frozenset(re.findall(r"(\w+)=", labels)) - added)
    for name in recording.metrics & set(made_up):
        real = {frozenset(labels) for labels in recording.labels_of(name)}

        assert real == made_up[name], name


def test_failures_have_the_reasons_that_the_rules_know(recording):
    reasons = {re.search(r'reason="(\w+)"', series) for series in recording.scrapes[-1]} - {None}

    assert set(REASONS) == {match[1] for match in reasons}


def test_requests_refused_on_arrival_are_in_no_counter(slow_server):
    before = scrape(slow_server.metrics_url)
    with triton_grpc.InferenceServerClient(slow_server.grpc_url.removeprefix("grpc://")) as client:
        wrong = np.zeros((1, 28, 28, 2), dtype=np.uint8)
        tensor = triton_grpc.InferInput("image", list(wrong.shape), "UINT8")
        tensor.set_data_from_numpy(wrong)
        with pytest.raises(InferenceServerException, match="shape"):
            client.infer("mnist", [tensor])
    after = scrape(slow_server.metrics_url)

    failures = [series for series in before if series.startswith("nv_inference_request_failure")]
    assert 4 == len(failures)
    assert {series: before[series] for series in failures} == {series: after[series] for series in failures}


def test_in_flight_is_littles_law_of_the_load_that_was_sent(promtool, tmp_path, recording):
    # The window holds the scrapes 1 to 10, which are nine seconds apart on promtool's clock.
    values = SERVICE | {
        "autoscaling": SERVICE["autoscaling"] | {"inFlight": {"windowSeconds": 10}},
        "monitoring": {"podMonitor": {"intervalSeconds": 1}},
    }
    rules = Rules.of(values)
    in_flight = f'slipway:inference_in_flight:sum{{namespace="{NAMESPACE}",inferenceservice="{RELEASE}"}}'
    sent = sum(request.took_ns for request in recording.between(1, SCRAPES - 1)) / 1e9 / (SCRAPES - 2)
    within = f"sum(abs({in_flight} - {sent})) < bool {0.3 * sent}"

    assert sent == pytest.approx(CALLERS, rel=0.3)
    passes(
        promtool,
        tmp_path,
        rules,
        series=recording.promtool_series(),
        interval="1s",
        evaluation="1s",
        values=[{"expr": within, "eval_time": f"{SCRAPES - 1}s", "exp_samples": [{"labels": "{}", "value": 1}]}],
    )
