import base64
import gzip
from pathlib import Path

import pytest
import yaml

from rehearsal.cluster.monitoring.configuration import (
    configuration_file,
    initial_configuration,
    local_configuration,
    prometheus_arguments,
)
from rehearsal.cluster.monitoring.custom_resources import ClientCertificate, ScrapeTargets, monitoring_objects
from rehearsal.cluster.monitoring.files import rehearsed_files, write_files
from rehearsal.cluster.monitoring.rules import ShortenedWait, read_shortened, rehearsed_rules

RULES_MAP = "prometheus-rehearsal-rulefiles-0"
POD_JOB = {
    "job_name": "podMonitor/serving/mnist/0",
    "kubernetes_sd_configs": [{"role": "pod", "tls_config": {"cert_file": "/cluster/certificates/admin.pem"}}],
    "relabel_configs": [{"source_labels": ["__tmp_hash"], "regex": "$(SHARD);|.+;.+", "action": "keep"}],
}


def operator_configuration(*jobs):
    """As the Prometheus operator v0.85.0 writes it."""
    return yaml.safe_dump(
        {
            "global": {"external_labels": {"prometheus_replica": "$(POD_NAME)"}},
            "rule_files": [f"/etc/prometheus/rules/{RULES_MAP}/*.yaml"],
            "scrape_configs": list(jobs),
        }
    )


def secrets(text):
    data = {"prometheus.yaml.gz": base64.b64encode(gzip.compress(text.encode())).decode()}
    return {("monitoring", "prometheus-rehearsal"): {"data": data}}


def config_maps(**files):
    return {("monitoring", RULES_MAP): {"data": {f"{name}.yaml": text for name, text in files.items()}}}


def alert(wait, name="Slow"):
    rule = {"alert": name, "expr": "up == 0"} | ({"for": wait} if wait else {})
    return yaml.safe_dump({"groups": [{"name": "serving", "rules": [rule]}]})


def objects(**targets):
    client = ClientCertificate(authority=Path("/c/ca.pem"), certificate=Path("/c/admin.pem"), key=Path("/c/admin.key"))
    return {o["kind"]: o for o in monitoring_objects(client, ScrapeTargets(**targets), apiserver_url="https://api:1")}


def jobs(**targets):
    (text,) = objects(**targets)["Secret"]["stringData"].values()
    return {job["static_configs"][0]["labels"]["job"]: job for job in yaml.safe_load(text)}


def test_no_pod_is_asked_for_and_everything_is_selected():
    spec = objects()["Prometheus"]["spec"]

    assert 0 == spec["replicas"]
    for kind in ("podMonitor", "serviceMonitor", "rule"):
        assert {} == spec[f"{kind}Selector"] == spec[f"{kind}NamespaceSelector"]


def test_prometheus_selects_and_scrapes_as_the_documented_platform_does():
    values = Path("k8s/platform/kube-prometheus-stack-values.yaml").read_text()
    documented = yaml.safe_load(values)["prometheus"]["prometheusSpec"]
    spec = objects()["Prometheus"]["spec"]

    assert documented["scrapeInterval"] == spec["scrapeInterval"]
    assert documented["evaluationInterval"] == spec["evaluationInterval"]


def test_prometheus_asks_the_api_server_from_outside():
    spec = objects()["Prometheus"]["spec"]["apiserverConfig"]

    assert "https://api:1" == spec["host"]
    assert {"caFile": "/c/ca.pem", "certFile": "/c/admin.pem", "keyFile": "/c/admin.key"} == spec["tlsConfig"]


def test_only_programs_that_run_are_scraped():
    assert {} == jobs()
    assert ["127.64.0.1:9"] == jobs(karpenter="127.64.0.1:9")["karpenter"]["static_configs"][0]["targets"]


def test_kube_state_metrics_speaks_of_other_pods_and_keda_of_itself():
    found = jobs(kube_state_metrics="127.64.0.1:8", keda_operator="127.64.0.1:7")

    assert found["kube-state-metrics"]["honor_labels"]
    assert not found["keda/keda-operator"]["honor_labels"]


def test_variables_of_the_sidecar_are_filled_in():
    local = yaml.safe_load(local_configuration(operator_configuration(POD_JOB), Path("/r")).text)

    assert "prometheus-rehearsal-0" == local["global"]["external_labels"]["prometheus_replica"]
    assert "0;|.+;.+" == local["scrape_configs"][0]["relabel_configs"][0]["regex"]


def test_rules_are_read_from_the_rehearsals_folder():
    local = local_configuration(operator_configuration(), Path("/r"))

    assert [f"/r/{RULES_MAP}/*.yaml"] == yaml.safe_load(local.text)["rule_files"]
    assert {RULES_MAP} == local.rule_folders


@pytest.mark.parametrize(
    "reads",
    [
        {"tls_config": {"ca_file": "/etc/prometheus/certs/0_ca"}},
        {"authorization": {"credentials_file": "/var/run/secrets/kubernetes.io/serviceaccount/token"}},
    ],
    ids=["certificate", "token"],
)
def test_a_job_that_reads_files_of_a_pod_is_left_out_and_named(reads):
    text = operator_configuration(POD_JOB, {"job_name": "theirs", **reads})
    local = local_configuration(text, Path("/r"))

    assert ("theirs",) == local.left_out
    assert [POD_JOB["job_name"]] == [job["job_name"] for job in yaml.safe_load(local.text)["scrape_configs"]]


def test_nothing_else_of_the_configuration_changes():
    job = {k: v for k, v in POD_JOB.items() if k != "relabel_configs"} | {"honor_labels": False, "scrape_timeout": "5s"}
    local = yaml.safe_load(local_configuration(operator_configuration(job), Path("/r")).text)

    assert [job] == local["scrape_configs"]


@pytest.mark.parametrize(
    ("wait", "seconds"), [("10m", 600), ("1h30m", 5400), ("15001ms", 15.001), ("1d", 86_400)], ids=str
)
def test_an_alert_waits_no_longer_than_the_bound_and_that_is_kept(wait, seconds):
    text, shortened = rehearsed_rules(alert(wait), 15)

    assert "15000ms" == yaml.safe_load(text)["groups"][0]["rules"][0]["for"]
    assert (ShortenedWait(alert="Slow", chart_wait_s=seconds, rehearsed_wait_s=15),) == shortened


@pytest.mark.parametrize("wait", [None, "15s", "500ms"])
def test_a_wait_within_the_bound_stays(wait):
    text, shortened = rehearsed_rules(alert(wait), 15)

    assert yaml.safe_load(alert(wait)) == yaml.safe_load(text)
    assert () == shortened


def test_expressions_and_records_stay_as_they_are():
    rules = [{"alert": "A", "expr": "rate(x[5m]) > 1", "for": "10m"}, {"record": "r", "expr": "vector(1)"}]
    text, _ = rehearsed_rules(yaml.safe_dump({"groups": [{"name": "g", "interval": "30s", "rules": rules}]}), 15)
    (group,) = yaml.safe_load(text)["groups"]

    assert ["rate(x[5m]) > 1", "vector(1)"] == [rule["expr"] for rule in group["rules"]]
    assert "30s" == group["interval"]


@pytest.mark.parametrize(("interval", "rehearsed"), [("30s", "15000ms"), ("5s", "5s")])
def test_alerts_are_looked_at_as_often_as_they_wait(interval, rehearsed):
    rules = [{"alert": "A", "expr": "up == 0"}]
    text, _ = rehearsed_rules(yaml.safe_dump({"groups": [{"name": "g", "interval": interval, "rules": rules}]}), 15)

    assert rehearsed == yaml.safe_load(text)["groups"][0]["interval"]


def test_nothing_is_written_while_a_config_map_is_being_replaced(tmp_path):
    assert rehearsed_files(secrets(operator_configuration()), {}, tmp_path, longest_wait_s=15) is None


def test_nothing_is_written_before_the_operator_wrote(tmp_path):
    assert rehearsed_files({}, config_maps(a=alert("5s")), tmp_path, longest_wait_s=15) is None


def test_what_cannot_be_read_is_not_written(tmp_path):
    broken = {("monitoring", "prometheus-rehearsal"): {"data": {"prometheus.yaml.gz": "AAAA"}}}

    assert rehearsed_files(broken, {}, tmp_path, longest_wait_s=15) is None


def test_rules_that_are_gone_are_removed(tmp_path):
    for name in ("first", "second"):
        maps = config_maps(**{name: alert("10m", name)})
        files = rehearsed_files(secrets(operator_configuration()), maps, tmp_path, longest_wait_s=15)
        write_files(tmp_path, files)

    assert ["second.yaml"] == [path.name for path in (tmp_path / "prometheus" / "rules").glob("*/*")]
    assert ["second"] == [wait.alert for wait in read_shortened(tmp_path)]


def test_without_rules_nothing_was_shortened(tmp_path):
    assert () == read_shortened(tmp_path)


def test_prometheus_can_start_before_the_operator_wrote(tmp_path):
    arguments = prometheus_arguments(tmp_path, "127.64.0.1:9090")

    assert f"--config.file={configuration_file(tmp_path)}" in arguments
    assert initial_configuration() == configuration_file(tmp_path).read_text()


def test_a_restart_of_prometheus_keeps_what_the_operator_wrote(tmp_path):
    prometheus_arguments(tmp_path, "127.64.0.1:9090")
    configuration_file(tmp_path).write_text("global: {}")
    prometheus_arguments(tmp_path, "127.64.0.1:9090")

    assert "global: {}" == configuration_file(tmp_path).read_text()
