"""PodMonitor, recording rules and the texts of alerts of the serving chart; test_serving_alerts.py runs the alerts."""

import re

import pytest

helm_python = pytest.importorskip("helm_python")

from tests.chart.alert_cases import SERVICE, TO_ZERO
from tests.chart.healthy_service import REASONS, deployment, failure, healthy, pod, triton
from tests.chart.promtool_runs import NAMESPACE, RELEASE, Rules, check, passes, with_recorded
from tests.chart.rendering import ROOT, rendered

RUNBOOKS = ROOT / "docs" / "runbooks"
CPU = SERVICE | {"gpu": {"enabled": False}, "model": {"storageUri": "pvc://models", "configName": ""}}
SCENARIOS = {
    "keda": SERVICE,
    "to zero": TO_ZERO,
    "hpa": SERVICE | {"autoscaling": SERVICE["autoscaling"] | {"mode": "hpa"}},
    "no autoscaler": CPU | {"autoscaling": {"mode": "none"}},
    "no histogram": SERVICE | {"monitoring": {"latencyHistogram": False}},
    "other bounds": SERVICE
    | {
        "monitoring": {
            "latencyBucketsMilliseconds": [1, 2.5, 10],
            "slo": {"availability": 0.9995, "latency": {"milliseconds": 2.5, "share": 0.9}},
        }
    },
}
LABELS = f'namespace="{NAMESPACE}",inferenceservice="{RELEASE}"'
LATENCY_ALERTS = {"SlipwayLatencyBudgetBurnsFast", "SlipwayLatencyBudgetBurnsSlowly"}


def monitoring(**sections):
    return SERVICE | {"monitoring": sections}


def with_(section, values=SERVICE, **changes):
    return values | {section: {**values.get(section, {}), **changes}}


def query(expr, value, at="10m", labels="{}"):
    return {"expr": expr, "eval_time": at, "exp_samples": [{"labels": labels, "value": value}]}


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("podMonitor", ("PodMonitor", "demo")),
        ("rules", ("PrometheusRule", "demo")),
        ("dashboard", ("ConfigMap", "demo-dashboard")),
    ],
)
def test_object_is_there_unless_it_is_switched_off(section, key):
    assert key in rendered("serving", SERVICE)
    assert key not in rendered("serving", monitoring(**{section: {"enabled": False}}))


def test_pod_monitor_reads_the_predictor_by_the_names_that_kserve_gives():
    objects = rendered("serving", monitoring(podMonitor={"intervalSeconds": 2, "labels": {"release": "prometheus"}}))
    monitor = objects["PodMonitor", "demo"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (container,) = objects["ServingRuntime", "demo-triton"]["spec"]["containers"]
    wanted = {"serving.kserve.io/inferenceservice": "demo", "component": "predictor"}

    assert wanted == monitor["spec"]["selector"]["matchLabels"]
    assert endpoint["port"] in [port["name"] for port in container["ports"]]
    assert ("2s", "2s") == (endpoint["interval"], endpoint["scrapeTimeout"])
    assert "prometheus" == monitor["metadata"]["labels"]["release"]
    assert [
        {
            "sourceLabels": ["__meta_kubernetes_pod_label_serving_kserve_io_inferenceservice"],
            "targetLabel": "inferenceservice",
        }
    ] == endpoint["relabelings"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            with_("autoscaling", inFlight={"windowSeconds": 11}),
            r"inFlight.windowSeconds is 11, .* set it to 12 or more",
        ),
        (monitoring(podMonitor={"intervalSeconds": 10}), r"inFlight.windowSeconds is 30, .* set it to 40 or more"),
        (with_("autoscaling", pending={"windowSeconds": 5}), r"pending.windowSeconds is 5, .* set it to 6 or more"),
        (monitoring(slo={"latency": {"milliseconds": 50}}), r"milliseconds is 50, .* up to 100, 500, 2000, 5000 ms"),
        (SERVICE | {"image": {"tag": "25.12-py3"}}, r"image.tag is 25.12-py3, .*latencyHistogram=false"),
    ],
    ids=["few scrapes", "slow scrapes", "no lost scrape", "no such bucket", "old Triton"],
)
def test_impossible_monitoring_is_refused_with_the_way_out(values, message):
    with pytest.raises(helm_python.HelmError, match=message):
        rendered("serving", values)


@pytest.mark.parametrize(
    "values",
    [
        with_("autoscaling", inFlight={"windowSeconds": 20}, pending={"windowSeconds": 10}),
        monitoring(podMonitor={"intervalSeconds": 10, "enabled": False}),
        with_("autoscaling", pending={"windowSeconds": 5, "enabled": False}),
        monitoring(latencyBucketsMilliseconds=[50], slo={"latency": {"milliseconds": 50}}),
        SERVICE | {"image": {"tag": "25.12-py3"}, "monitoring": {"latencyHistogram": False}},
        SERVICE | {"image": {"tag": "26.01-py3"}},
        SERVICE | {"image": {"tag": "our-build"}},
    ],
    ids=["four scrapes", "other scraper", "no pending", "its bucket", "old, no histogram", "first new", "own tag"],
)
def test_possible_monitoring_is_not_refused(values):
    assert ("InferenceService", "demo") in rendered("serving", values)


@pytest.mark.parametrize("values", SCENARIOS.values(), ids=SCENARIOS)
def test_rules_are_valid(promtool, tmp_path, values):
    check(promtool, tmp_path, Rules.of(values))


def test_records_are_what_the_autoscaler_asks():
    triggers = rendered("serving", SERVICE, release=RELEASE)["ScaledObject", RELEASE]["spec"]["triggers"]
    asked = {trigger["name"]: trigger["metadata"]["query"] for trigger in triggers}
    records = Rules.of(SERVICE).records

    assert {
        "in-flight": records["slipway:inference_in_flight:sum"]["expr"],
        "pending": records["slipway:inference_pending:sum"]["expr"],
    } == asked


@pytest.mark.parametrize(
    ("record", "value"),
    [
        # Ten requests a second of 20 ms, 3 ms of it in the queue, three images each.
        ("slipway:inference_in_flight:sum", 0.2),
        ("slipway:inference_pending:sum", 1),
        ("slipway:inference_queue_ms:mean5m", 3),
        ("slipway:inference_batch_size:mean5m", 3),
        ("slipway:inference_responses:rate5m", 10),
        # Half a request a second fails for each reason, and cancelled ones are not the service's.
        ("slipway:inference_requests:rate5m", 11.5),
        ("slipway:inference_faults:rate5m", 1.5),
        ("slipway:objective_availability:ratio", 0.999),
        ("slipway:objective_latency:ratio", 0.99),
        ("slipway:replica_target:in_flight", 8),
        ("slipway:replica_target:requests_per_s", 400),
    ],
)
def test_record_has_the_value_and_the_labels_of_the_service(promtool, tmp_path, record, value):
    series = healthy(150) | {failure(reason): "0+2.5x150" for reason in REASONS}
    rounded = f"round({record}, 1e-6)"

    passes(promtool, tmp_path, Rules.of(SERVICE), series=series, values=[query(rounded, value, labels=f"{{{LABELS}}}")])


def test_failures_are_recorded_by_reason(promtool, tmp_path):
    series = healthy(150) | {failure("REJECTED"): "0+2.5x150"}
    expected = [
        {"labels": f'slipway:inference_failures:rate5m{{{LABELS},reason="{reason}"}}', "value": value}
        for reason, value in (("REJECTED", 0.5), ("CANCELED", 0), ("BACKEND", 0), ("OTHER", 0))
    ]
    asked = {"expr": "slipway:inference_failures:rate5m", "eval_time": "10m", "exp_samples": expected}

    passes(promtool, tmp_path, Rules.of(SERVICE), series=series, values=[asked])


def test_records_of_another_release_do_not_mix_with_ours(promtool, tmp_path):
    # A release called "mnist-predictor-x" has pods "mnist-predictor-x-predictor-...".
    theirs = {
        name.replace("mnist-predictor-", "mnist-predictor-x-predictor-"): text for name, text in healthy(150).items()
    }
    asked = [query("sum(round(slipway:inference_in_flight:sum, 1e-6))", 0.2)]

    passes(promtool, tmp_path, Rules.of(SERVICE), series=healthy(150) | theirs, values=asked)


@pytest.mark.parametrize(
    ("present", "answer"),
    [((), 0), (("up",), None), (("up", "nv_"), {"in-flight": 0.2, "pending": 1})],
    ids=["no pod", "a pod, no samples", "a pod and samples"],
)
@pytest.mark.parametrize("trigger", ["in-flight", "pending"])
def test_no_samples_are_no_load_only_without_pods(promtool, tmp_path, trigger, present, answer):
    triggers = rendered("serving", TO_ZERO, release=RELEASE)["ScaledObject", RELEASE]["spec"]["triggers"]
    (asked,) = [entry["metadata"]["query"] for entry in triggers if entry["name"] == trigger]
    series = {"some_other_series": "1x150"}
    series |= {name: text for name, text in healthy(150).items() if name.startswith(present)} if present else {}
    value = answer[trigger] if isinstance(answer, dict) else answer
    expected = query(f"round({asked}, 1e-6)", value) if value is not None else query(asked, 0) | {"exp_samples": []}

    passes(promtool, tmp_path, with_recorded("none", []), series=series, values=[expected])


def test_every_alert_says_what_where_and_what_to_do():
    for name, rules in Rules.of(SERVICE).alerts.items():
        for rule in rules:
            texts = rule["annotations"]

            assert {"summary", "description", "runbook_url"} == set(texts), name
            assert rule["labels"]["severity"] in {"page", "ticket"}, name
            assert (NAMESPACE, RELEASE) == (rule["labels"]["namespace"], rule["labels"]["inferenceservice"]), name
            assert RELEASE in texts["summary"], name
            assert f"docs/runbooks/{name}.md" == texts["runbook_url"], name
            assert "for" in rule, name


def test_labels_severities_and_runbooks_follow_the_values():
    rules = Rules.of(
        monitoring(
            rules={
                "labels": {"release": "prometheus"},
                "alertLabels": {"team": "vision"},
                "severity": {"page": "critical", "ticket": "warning"},
                "runbookBaseUrl": "https://example.com/runbooks/",
            }
        )
    )
    every = [rule for same in rules.alerts.values() for rule in same]

    assert {"vision"} == {rule["labels"]["team"] for rule in every}
    assert {"critical", "warning"} == {rule["labels"]["severity"] for rule in every}
    assert "https://example.com/runbooks/SlipwayNotScaling.md" in {rule["annotations"]["runbook_url"] for rule in every}


def test_alerts_are_left_out_where_they_could_not_fire():
    everything = set(Rules.of(SERVICE).alerts)
    fixed = {"SlipwayNotScaling", "SlipwayAtMaxReplicas", "SlipwayAutoscalerBlind"}

    assert everything - LATENCY_ALERTS == set(Rules.of(SCENARIOS["no histogram"]).alerts)
    assert everything - fixed - {"SlipwayGpuMemoryNearlyFull"} == set(Rules.of(SCENARIOS["no autoscaler"]).alerts)
    assert ["hpa_inactive", "keda_errors", "no_metrics"] == sorted(
        rule["labels"]["cause"] for rule in Rules.of(SERVICE).alerts["SlipwayAutoscalerBlind"]
    )
    assert ["hpa_inactive", "no_metrics"] == sorted(
        rule["labels"]["cause"] for rule in Rules.of(SCENARIOS["hpa"]).alerts["SlipwayAutoscalerBlind"]
    )


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    alerts = Rules.of(SERVICE).alerts
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md") if path.stem != "README"}

    assert set(alerts) == set(pages)
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n"), name
        assert f"**Severity:** {alerts[name][0]['labels']['severity']}." in text, name


def test_index_of_runbooks_names_each_with_its_severity():
    severities = {name: rules[0]["labels"]["severity"] for name, rules in Rules.of(SERVICE).alerts.items()}
    rows = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)

    assert len(rows) == len(dict(rows))
    assert severities == dict(rows)


def test_links_between_runbooks_lead_somewhere():
    for path in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_queries_of_runbooks_parse(promtool, tmp_path):
    queries = [
        line
        for path in sorted(RUNBOOKS.glob("Slipway*.md"))
        for block in re.findall(r"```promql\n(.*?)```", path.read_text(), re.DOTALL)
        for line in block.splitlines()
        if not line.startswith("#")
    ]

    assert len(queries) > 10
    check(
        promtool, tmp_path, with_recorded("runbooks", [{"record": f"q:{n}", "expr": q} for n, q in enumerate(queries)])
    )


def test_two_kube_state_metrics_do_not_break_a_rule(promtool, tmp_path):
    # While one is replaced, both are there: what is the same thing twice must not become many-to-many.
    rules = Rules.of(SERVICE)
    second = {
        name.replace("{", '{instance="b",', 1): text for name, text in healthy(150).items() if name.startswith("kube_")
    }
    series = healthy(150) | second | {triton("nv_inference_request_duration_us"): "0+1e8x150"}
    firing = 'count(ALERTS{alertname="SlipwayNotScaling",alertstate="pending"})'

    assert {deployment("kube_deployment_spec_replicas").replace("{", '{instance="b",')} < set(second)
    assert pod("up") in series
    passes(promtool, tmp_path, rules, series=series, values=[query(firing, 1)])
