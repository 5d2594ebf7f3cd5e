"""The Grafana dashboard of the serving chart."""

import json
import re
from itertools import combinations

import pytest

pytest.importorskip("helm_python")

from tests.chart.alert_cases import SERVICE
from tests.chart.promtool_runs import Rules, check, metrics_in, with_recorded
from tests.chart.rendering import HELM, rendered

FILE = json.loads((HELM / "serving" / "files" / "dashboard.json").read_text())
PANELS = [panel for panel in FILE["panels"] if panel["type"] != "row"]
# What Grafana fills in.
VARIABLES = {"$__rate_interval": "1m", "$namespace": "serving", "$service": "mnist"}
by_title = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def installed(release="mnist", namespace="serving", **dashboard):
    values = SERVICE | {"monitoring": {"dashboard": dashboard}}
    config = rendered("serving", values, release=release, namespace=namespace)["ConfigMap", f"{release}-dashboard"]
    ((name, text),) = config["data"].items()
    return config, name, json.loads(text)


def expressions():
    for panel in PANELS:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield panel["title"], expression


@by_title
def test_panel_says_how_to_read_it_and_in_which_unit(panel):
    assert len(panel["description"]) > 30
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["legendFormat"] for target in panel["targets"])


def test_panels_have_their_own_identity():
    identities = [panel["id"] for panel in FILE["panels"]]

    assert len(identities) == len(set(identities))


def test_targets_of_a_panel_have_their_own_letters():
    for panel in PANELS:
        letters = [target["refId"] for target in panel["targets"]]

        assert len(letters) == len(set(letters)), panel["title"]


def test_panels_do_not_overlap_and_stay_in_24_columns():
    for panel in FILE["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    for one, other in combinations(FILE["panels"], 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )

        assert apart, f"{one['title']} lies on {other['title']}"


def test_everything_asks_the_data_source_that_was_chosen():
    asking = [*PANELS, *(target for panel in PANELS for target in panel["targets"])]
    asking += [variable for variable in FILE["templating"]["list"] if variable["type"] == "query"]

    assert {("prometheus", "${datasource}")} == {(x["datasource"]["type"], x["datasource"]["uid"]) for x in asking}


def test_every_expression_parses(promtool, tmp_path):
    rules = [{"record": f"panel:{number}", "expr": text} for number, (_, text) in enumerate(expressions())]

    assert not [rule["expr"] for rule in rules if "$" in rule["expr"]]
    check(promtool, tmp_path, with_recorded("dashboard", rules))


def test_every_record_that_is_drawn_is_recorded():
    drawn = {name for _, text in expressions() for name in metrics_in(text) if name.startswith("slipway:")}

    assert {"slipway:inference_in_flight:sum", "slipway:replica_target:in_flight"} < drawn
    assert set() == drawn - set(Rules.of(SERVICE).records)


def test_every_expression_is_about_the_service_that_was_chosen():
    cluster = {"GPU nodes"}
    for title, text in expressions():
        for selector in re.findall(r"\{([^}]*)\}", text):
            assert title in cluster or ('="serving"' in selector and "mnist" in selector), f"{title}: {text}"


def test_installed_dashboard_shows_its_own_service():
    _, name, board = installed()
    chosen = {variable["name"]: variable["current"].get("value") for variable in board["templating"]["list"]}

    assert "slipway-serving-mnist.json" == name
    assert "Slipway serving: serving/mnist" == board["title"]
    assert {"datasource": None, "namespace": "serving", "service": "mnist"} == chosen
    assert FILE["panels"] == board["panels"]


def test_dashboards_of_releases_do_not_replace_each_other():
    boards = [installed(), installed(release="digits"), installed(namespace="staging"), installed(release="m" * 40)]
    uids = {board["uid"] for _, _, board in boards}

    assert 4 == len(uids)
    assert all(len(uid) <= 40 for uid in uids)
    assert 4 == len({name for _, name, _ in boards})


def test_sidecar_finds_it_by_the_labels_of_the_values():
    plain, _, _ = installed()
    own, _, _ = installed(labels={"dashboards": "ours"}, annotations={"grafana_folder": "Serving"})

    assert "1" == plain["metadata"]["labels"]["grafana_dashboard"]
    assert "annotations" not in plain["metadata"]
    assert "ours" == own["metadata"]["labels"]["dashboards"]
    assert {"grafana_folder": "Serving"} == own["metadata"]["annotations"]
