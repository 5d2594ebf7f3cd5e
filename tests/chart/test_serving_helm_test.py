"""helm/serving: the pods of `helm test`."""

import base64
import io
import json

import pytest
from PIL import Image

from tests.chart.serving_release import release, with_


def test_helm_test_asks_readiness_both_protocols_and_metrics():
    objects = release(with_(model={"version": "3"}))
    words = {name: obj["spec"]["containers"][0]["args"] for (kind, name), obj in objects.items() if kind == "Pod"}

    assert {f"mnist-test-{check}" for check in ("ready", "http", "grpc", "metrics")} == set(words)
    assert "http://mnist-predictor.serving.svc:80" in words["mnist-test-http"]
    assert "grpc://mnist-predictor.serving.svc:9000" in words["mnist-test-grpc"]
    assert "http://mnist-predictor.serving.svc:8002/metrics" in words["mnist-test-metrics"]
    assert all("3" == args[args.index("--version") + 1] for args in words.values())
    assert all(
        "7" == words[f"mnist-test-{name}"][words[f"mnist-test-{name}"].index("--expect") + 1]
        for name in ("http", "grpc")
    )


def test_the_pods_of_helm_test_are_hooks_that_may_reach_the_service():
    objects = release(with_())
    pod = objects["Pod", "mnist-test-http"]
    (peer,) = [
        peer
        for peer in objects["NetworkPolicy", "mnist-predictor"]["spec"]["ingress"][0]["from"]
        if "test" in json.dumps(peer) and "loadtest" not in json.dumps(peer)
    ]

    assert "test" == pod["metadata"]["annotations"]["helm.sh/hook"]
    assert peer["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_the_pods_of_helm_test_are_let_out_to_the_services_own_address_too():
    # The policies of EKS are asked before the Service's address becomes a pod's: they find the Service by its selector,
    # which is KServe's `app`, and by its ports.
    to_dns, to_service = release(with_())["NetworkPolicy", "mnist-test"]["spec"]["egress"]

    assert [{"podSelector": {"matchLabels": {"app": "isvc.mnist-predictor"}}}] == to_service["to"]
    assert {80, 8080, 9000, 8002} == {port["port"] for port in to_service["ports"]}
    assert {53} == {port["port"] for port in to_dns["ports"]}


@pytest.mark.parametrize("own", [False, True], ids=["seven", "own"])
def test_the_picture_that_is_asked_about_is_a_picture(own):
    file = io.BytesIO()
    Image.new("L", (28, 28), 7).save(file, "PNG")
    values = (
        with_(tests={"pictureBase64": base64.b64encode(file.getvalue()).decode(), "expect": "1"}) if own else with_()
    )
    data = base64.b64decode(release(values)["ConfigMap", "mnist-test-picture"]["binaryData"]["picture.png"])

    assert (28, 28) == Image.open(io.BytesIO(data)).size
    assert own is (file.getvalue() == data)


def test_helm_test_can_be_left_out():
    objects = release(with_(tests={"enabled": False}))

    assert not {"Pod"} & {kind for kind, _ in objects}
    assert "test" not in json.dumps(objects["NetworkPolicy", "mnist-predictor"]).replace("loadtest", "")
