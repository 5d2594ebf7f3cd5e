from pathlib import Path

import pytest

from rehearsal.cluster.node_agent.environment import ConfigError, Places, expand, field, references, variables

POD = {
    "metadata": {
        "name": "mnist-0",
        "namespace": "serving",
        "uid": "u-1",
        "labels": {"app": "isvc.mnist"},
        "annotations": {"slipway/model-version": "7"},
    },
    "spec": {"nodeName": "gpu-1"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("admin=$(KEY)", "admin=secret"),
        ("$(KEY)$(KEY)", "secretsecret"),
        ("$$(KEY)", "$(KEY)"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$KEY ${KEY} $(date -u)", "$KEY ${KEY} $(date -u)"),
        ("costs 5$", "costs 5$"),
        ("", ""),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text, expected):
    assert expected == expand(text, {"KEY": "secret"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "mnist-0"),
        ("metadata.namespace", "serving"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "isvc.mnist"),
        ("metadata.annotations['slipway/model-version']", "7"),
        ("metadata.annotations['not-there']", ""),
        ("status.podIP", "127.64.1.1"),
        ("spec.nodeName", "gpu-1"),
    ],
)
def test_the_downward_api_tells_a_pod_about_itself(path, expected):
    assert expected == field(POD, path, address="127.64.1.1")


def test_an_unknown_field_is_named():
    with pytest.raises(ConfigError, match=r"expected one of metadata\.name, .*, got spec\.priority"):
        field(POD, "spec.priority", address="127.64.1.1")


def declared(container, entries=None):
    return variables(container, POD, address="127.64.1.1", entries=entries or {})


def test_a_variable_sees_those_before_it_and_not_those_behind():
    container = {
        "env": [
            {"name": "A", "value": "$(B)"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "C", "value": "<$(B)>"},
            {"name": "EMPTY"},
        ]
    }

    assert {"A": "$(B)", "B": "u-1", "C": "<u-1>", "EMPTY": ""} == declared(container)


CONTAINER = {
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "all"}}],
    "env": [
        {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "some", "key": "one"}}},
        {"name": "TWO", "valueFrom": {"secretKeyRef": {"name": "some", "key": "two"}}},
    ],
}
ENTRIES = {("ConfigMap", "all"): {"X": "1"}, ("ConfigMap", "some"): {"one": "a"}, ("Secret", "some"): {"two": "b"}}


def test_config_maps_and_secrets_are_read():
    assert {"P_X": "1", "ONE": "a", "TWO": "b"} == declared(CONTAINER, ENTRIES)
    assert ENTRIES.keys() == references(CONTAINER)


@pytest.mark.parametrize("key", ENTRIES, ids="/".join)
def test_a_missing_object_is_named(key):
    with pytest.raises(ConfigError, match=rf'^{key[0].lower()} "{key[1]}" not found$'):
        declared(CONTAINER, {other: held for other, held in ENTRIES.items() if other != key})


def test_a_missing_key_is_named_unless_it_is_optional():
    source = {"configMapKeyRef": {"name": "some", "key": "other"}}
    with pytest.raises(ConfigError, match="couldn't find key other in ConfigMap some"):
        declared({"env": [{"name": "A", "valueFrom": source}]}, ENTRIES)
    source["configMapKeyRef"]["optional"] = True

    assert {} == declared({"env": [{"name": "A", "valueFrom": source}]}, ENTRIES)


PLACES = Places(
    {"/mnt/models": Path("/store/models"), "/tmp": Path("/pod/tmp"), "/mnt": Path("/m"), "/dev/shm": Path("/pod/shm")}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/mnt/models", "/store/models"),
        ("--model-repository=/tmp/model_repository", "--model-repository=/pod/tmp/model_repository"),
        ("cp '/mnt/models/a' /mnt/b", "cp '/store/models/a' /m/b"),
        ("/mnt/modelsAndMore /tmpfs /var/tmp x/tmp", "/m/modelsAndMore /tmpfs /var/tmp x/tmp"),
        ("http://host/tmp", "http://host/tmp"),
        ("/dev/shm/region", "/dev/shm/region"),
        ("/tmp:/mnt/models:/tmp/", "/pod/tmp:/store/models:/pod/tmp/"),
    ],
)
def test_mount_paths_become_folders_of_this_machine(text, expected):
    assert expected == PLACES.here(text)


def test_without_mounts_nothing_is_replaced():
    assert "/tmp" == Places({}).here("/tmp")
