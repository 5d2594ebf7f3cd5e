"""Before the load: the model store, the values of the chart, and the load test's own scenario."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from loadtest.scenario.schema import check_scenario as check_loadtest
from rehearsal.cluster.monitoring.configuration import prometheus_folder
from rehearsal.cluster.monitoring.rules import ShortenedWait, write_shortened
from rehearsal.errors import ChartRefused, RehearsalReportError, RehearsalScenarioError, StoreError
from rehearsal.experiment.run.chart_values import chart_values, hold_start_replicas, merge_values, read_values
from rehearsal.experiment.run.command import new_report_folder
from rehearsal.experiment.run.helm_release import HelmRelease
from rehearsal.experiment.run.load import load_document
from rehearsal.experiment.run.model_store import ModelStore
from rehearsal.experiment.run.rehearse import _notes
from rehearsal.experiment.scenario.schema import load_scenario, shipped_scenarios
from rehearsal.experiment.scenario.sections import ModelSettings
from slipway.contract import ModelContract
from slipway.model_config import ServingProfile, parse_config
from slipway.repository import VersionDamaged, model_files, publish, verify
from tests.unit.clusters import connection
from tests.unit.rehearsal_results import STEP, alert, observed, sample, samples, scenario

MNIST = ModelContract(name="mnist", image_shape=(28, 28, 1), labels=tuple("0123456789"), max_batch_size=16)
CPU = ServingProfile(accelerator="cpu", instances=2)


@pytest.fixture
def repository(tmp_path):
    """A repository with versions 1 and 2 of `mnist`."""
    root = tmp_path / "published"
    for text in ("old", "the newest network"):
        publish(
            root,
            MNIST,
            model_files(MNIST, cpu=CPU, gpu=CPU),
            lambda folder, text=text: (folder / "model.onnx").write_text(text) and None,
        )
    return root


@pytest.fixture
def store(tmp_path, repository):
    filled = ModelStore(tmp_path / "store")
    filled.fill(repository, ModelSettings(versions=2))
    return filled


@pytest.mark.usefixtures("store")
def test_the_store_holds_the_newest_network_as_often_as_asked(tmp_path):
    root = tmp_path / "store"

    assert ["1", "2"] == sorted(path.name for path in (root / "mnist").iterdir() if path.name.isdigit())
    assert {"the newest network"} == {path.read_text() for path in root.glob("mnist/*/model.onnx")}
    assert 2 == len(verify(root, "mnist"))


def test_a_batch_takes_its_simulated_time_and_one_runs_after_another(tmp_path, repository):
    ModelStore(tmp_path / "store").fill(repository, ModelSettings(simulated_batch_ms=7.5, max_batch_size=4))
    config = parse_config((tmp_path / "store/mnist/config.pbtxt").read_text())

    assert "7.5" == config.parameters["simulated_batch_ms"].string_value
    assert (4, 1) == (config.max_batch_size, config.instance_group[0].count)
    assert [1, 4] == [warmup.batch_size for warmup in config.model_warmup]
    assert [*"0123456789"] == yaml.safe_load(config.parameters["labels"].string_value)


def test_filling_again_leaves_nothing_of_before(tmp_path, repository, store):
    store.fill(repository, ModelSettings(versions=1))

    assert not (tmp_path / "store/mnist/2").exists()


def test_without_a_published_version_the_way_to_one_is_told(tmp_path):
    (tmp_path / "empty/mnist").mkdir(parents=True)
    with pytest.raises(StoreError, match="make train RECIPE=seed"):
        ModelStore(tmp_path / "store").fill(tmp_path / "empty", ModelSettings())
    with pytest.raises(StoreError, match="--repository"):
        ModelStore(tmp_path / "store").fill(tmp_path / "nowhere", ModelSettings())


def test_a_damaged_source_is_not_rehearsed_with(tmp_path, repository):
    (repository / "mnist/2/model.onnx").write_text("another network")
    with pytest.raises(StoreError, match=r"model\.onnx is changed"):
        ModelStore(tmp_path / "store").fill(repository, ModelSettings())


def test_a_version_unlike_its_manifest_is_damaged_and_the_others_are_not(tmp_path, store):
    store.damage(2, how="unlike_manifest")

    with pytest.raises(VersionDamaged, match=r"model\.onnx is changed"):
        verify(tmp_path / "store", "mnist", 2)
    assert 1 == len(verify(tmp_path / "store", "mnist", 1))


def test_a_broken_model_agrees_with_its_manifest(tmp_path, store):
    store.damage(2, how="broken_model")

    assert 2 == len(verify(tmp_path / "store", "mnist"))
    assert "the newest network" != (tmp_path / "store/mnist/2/model.onnx").read_text()


@pytest.mark.parametrize("ways", [["unlike_manifest"], ["broken_model"], ["unlike_manifest", "broken_model"]])
def test_a_repaired_version_is_what_was_published(tmp_path, store, ways):
    for how in ways:
        store.damage(2, how=how)
    store.repair(2)

    assert "the newest network" == (tmp_path / "store/mnist/2/model.onnx").read_text()
    assert 2 == len(verify(tmp_path / "store", "mnist"))


def test_repairing_what_is_intact_changes_nothing(tmp_path, store):
    store.repair(1)

    assert 2 == len(verify(tmp_path / "store", "mnist"))


def test_the_scenarios_values_go_over_the_users_and_these_over_the_rehearsals_own():
    plan = scenario(values={"autoscaling": {"maxReplicas": 6}})
    values = chart_values(plan, connection(), {"autoscaling": {"maxReplicas": 5, "minReplicas": 2}})

    assert (6, 2) == (values["autoscaling"]["maxReplicas"], values["autoscaling"]["minReplicas"])
    assert "http://127.64.0.1:9090" == values["autoscaling"]["prometheus"]["serverAddress"]
    assert "pvc://models/model_repository" == values["model"]["storageUri"]


def test_a_users_values_keep_their_model_and_metrics_where_this_cluster_has_them():
    user = {
        "model": {"name": "digits", "storageUri": "pvc://theirs", "version": "7", "configName": "gpu"},
        "autoscaling": {"prometheus": {"serverAddress": "http://theirs", "authModes": "bearer"}},
        "headroom": {"mode": "placeholder"},
    }
    values = chart_values(scenario(), connection(), user)
    plain = chart_values(scenario(), connection(), {})

    assert {**plain["model"], "name": "mnist"} == values["model"]
    assert plain["autoscaling"]["prometheus"] == values["autoscaling"]["prometheus"]
    assert "placeholder" == values["headroom"]["mode"]


def test_a_replicas_capacity_is_that_of_its_simulated_batches():
    one = chart_values(scenario(), connection(), {})["autoscaling"]["capacity"]
    two = chart_values(scenario(load={"arrivals": STEP, "images": 2}), connection(), {})["autoscaling"]["capacity"]

    assert {"inFlight": 8, "requestsPerSecond": 400} == one
    assert {"inFlight": 4, "requestsPerSecond": 200} == two


def test_sections_are_merged_and_lists_are_replaced():
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 4}

    assert {"a": {"b": 1, "c": [3]}, "d": {"e": 5}} == merge_values(below, {"a": {"c": [3]}, "d": {"e": 5}})
    assert {"a": {"b": 1, "c": [1, 2]}, "d": 4} == below


def test_a_values_file_that_is_none_is_told(tmp_path):
    with pytest.raises(RehearsalScenarioError, match="no such values file"):
        read_values(tmp_path / "mine.yaml")


def test_replicas_at_the_start_are_held_by_the_fewest_that_may_be():
    plan = scenario(start={"replicas": 3})
    values = chart_values(plan, connection(), {})

    assert 3 == hold_start_replicas(values, plan)["autoscaling"]["minReplicas"]
    assert 1 == values["autoscaling"]["minReplicas"]


def test_a_service_that_may_be_scaled_to_zero_is_held_up_without_its_wake_query():
    plan = scenario(start={"replicas": 2})
    values = chart_values(plan, connection(), {"autoscaling": {"minReplicas": 0, "wake": {"query": "sum(x)"}}})
    held = hold_start_replicas(values, plan)["autoscaling"]

    assert (2, {"query": ""}) == (held["minReplicas"], held["wake"])
    assert values["autoscaling"] == merge_values(held, values["autoscaling"])


def test_an_empty_section_of_a_values_file_changes_nothing(tmp_path):
    (tmp_path / "mine.yaml").write_text("autoscaling:\nmodel:\nresources: {limits: null}\n")
    mine = read_values(tmp_path / "mine.yaml")
    plan = scenario()
    values = chart_values(plan, connection(), mine)

    assert {**chart_values(plan, connection(), {}), "resources": {"limits": None}} == values


def test_more_replicas_at_the_start_than_there_may_be_are_refused():
    plan = scenario(start={"replicas": 5})
    with pytest.raises(RehearsalScenarioError, match=r"start\.replicas is 5, and autoscaling\.maxReplicas allows 4"):
        hold_start_replicas(chart_values(plan, connection(), {}), plan)


@pytest.mark.parametrize("name", shipped_scenarios())
def test_every_scenarios_load_is_one_that_the_load_test_takes(name):
    plan = load_scenario(name)
    read = check_loadtest(load_document(plan, "http://127.64.0.2:8080"), where=name)

    assert (f"{plan.load.protocol}://127.64.0.2:8080", None) == (read.target.url, read.target.metrics_url)
    assert plan.load.arrivals.profile == read.arrivals.profile


def test_a_trace_travels_with_its_points(tmp_path):
    (tmp_path / "my.csv").write_text("at_s,rate_rps\n0,100\n60,700\n")
    trace = {"kind": "trace", "file": str(tmp_path / "my.csv")}
    document = load_document(scenario(load={"arrivals": trace}), "http://127.64.0.2:8080")
    (tmp_path / "my.csv").unlink()

    assert 60 == check_loadtest(yaml.safe_load(yaml.safe_dump(document)), where="a test").arrivals.seconds


def program(folder, text):
    folder.mkdir(exist_ok=True)
    path = folder / "helm"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def chart(tmp_path):
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("name: serving\n")

    def made(says):
        helm = program(tmp_path / "bin", says)
        return HelmRelease(
            connection(tmp_path, executables={"helm": helm}),
            tmp_path / "chart",
            {"a": {"b": 1}},
            folder=tmp_path / "out",
        )

    return made


def test_values_that_helm_took_stay_in_force(chart, tmp_path):
    release = chart(f'echo "$@" >> {tmp_path}/asked')
    release.upgrade({"a": {"c": 2}})

    assert {"a": {"b": 1, "c": 2}} == release.values
    assert {"a": {"b": 1, "c": 2}} == yaml.safe_load((tmp_path / "out/values.yaml").read_text())
    assert f"upgrade --install mnist {tmp_path}/chart --values {tmp_path}/out/values.yaml --namespace serving\n" == (
        (tmp_path / "asked").read_text()
    )


def test_what_helm_refuses_is_told_in_its_words_and_not_kept(chart):
    release = chart("echo 'Error: additional properties replicaCuont not allowed' >&2; exit 1")
    with pytest.raises(ChartRefused, match="additional properties replicaCuont not allowed"):
        release.upgrade({"replicaCuont": 3})

    assert {"a": {"b": 1}} == release.values


def test_a_folder_that_is_no_chart_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ChartRefused, match="expected the chart helm/serving"):
        HelmRelease(connection(), tmp_path, {}, folder=tmp_path)


def test_only_alerts_that_were_seen_are_told_with_the_wait_that_they_have_in_the_chart(tmp_path):
    waits = [
        ShortenedWait(alert="SlipwayPodUnschedulable", chart_wait_s=900, rehearsed_wait_s=15),
        ShortenedWait(alert="SlipwayNotScaling", chart_wait_s=600, rehearsed_wait_s=15),
    ]
    prometheus_folder(tmp_path).mkdir()
    write_shortened(tmp_path, waits)
    seen = observed(samples=samples(lambda at_s: sample(at_s, alerts=(alert(),))))
    (note,) = _notes(connection(tmp_path), seen)

    assert "held for 15 s" in note
    assert note.endswith("In the chart an alert waits longer: SlipwayPodUnschedulable waits 900 s.")
    assert () == _notes(connection(tmp_path / "elsewhere"), seen)


def test_values_that_cannot_be_written_are_told_with_the_way_out(chart, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RehearsalReportError, match="--report-dir"):
        chart("true").upgrade()


def test_two_rehearsals_that_begin_at_once_have_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(new_report_folder, ["mine/step.yaml"] * 8))

    assert 8 == len(folders)
    assert all(folder.is_dir() and folder.name.startswith("step-") for folder in folders)
