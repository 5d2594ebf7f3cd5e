from pathlib import Path

import pytest

from slipway.triton import AdminKey, Ports, ServerSettings, SettingsInvalid, arguments

PORTS = Ports(http=8000, grpc=8001, metrics=8002)
ADMIN = AdminKey(secret="0123")
CLOSED = (
    "--http-restricted-api=model-repository,shared-memory,trace,logging:slipway-admin=0123",
    "--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:slipway-admin=0123",
)


def test_arguments_of_the_embedded_server():
    settings = ServerSettings(repository=Path("/repository"), models=("digits", "letters"))

    assert (
        "--model-repository=/repository",
        "--model-control-mode=explicit",
        "--load-model=digits",
        "--load-model=letters",
        "--disable-auto-complete-config",
        "--backend-directory=/backends",
        "--http-address=127.0.0.1",
        "--http-port=8000",
        "--grpc-address=127.0.0.1",
        "--grpc-port=8001",
        "--metrics-address=127.0.0.1",
        "--metrics-port=8002",
        "--allow-gpu-metrics=false",
        "--backend-config=python,shm-region-prefix-name=run-1-",
        "--exit-timeout-secs=30",
        *CLOSED,
    ) == arguments(settings, PORTS, Path("/backends"), admin=ADMIN, shared_memory="run-1", gpu_metrics=False)


def test_a_server_without_the_python_backend_is_told_nothing_of_its_shared_memory():
    settings = ServerSettings(repository=Path("/repository"), models=("digits",))
    words = arguments(settings, PORTS, Path("/backends"), admin=ADMIN, shared_memory=None)

    assert not [word for word in words if "backend-config" in word]


def test_arguments_of_a_server_that_knows_its_backends_and_gpus():
    settings = ServerSettings(
        repository=Path("/repository"),
        models=("digits",),
        address="0.0.0.0",
        config_name="gpu",
        exit_timeout_s=5,
        extra_args=("--log-verbose=1",),
    )

    assert (
        "--model-repository=/repository",
        "--model-control-mode=explicit",
        "--load-model=digits",
        "--model-config-name=gpu",
        "--disable-auto-complete-config",
        "--http-address=0.0.0.0",
        "--http-port=8000",
        "--grpc-address=0.0.0.0",
        "--grpc-port=8001",
        "--metrics-address=0.0.0.0",
        "--metrics-port=8002",
        "--backend-config=python,shm-region-prefix-name=run-1-",
        "--exit-timeout-secs=5",
        *CLOSED,
        "--log-verbose=1",
    ) == arguments(settings, PORTS, None, admin=ADMIN, shared_memory="run-1")


def test_no_names_are_every_model():
    assert "--load-model=*" in arguments(
        ServerSettings(repository=Path("/repository")), PORTS, None, admin=ADMIN, shared_memory="run-1"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"http_port": 0}, "http port: expected 1 to 65535, or none for a free one, got 0"),
        ({"grpc_port": 65536}, "grpc port: expected 1 to 65535, or none for a free one, got 65536"),
        ({"http_port": 80, "metrics_port": 80}, "ports: expected three different ones, got .*80.*80"),
        ({"address": "localhost"}, "address: expected IPv4 .* got 'localhost'"),
        ({"models": ()}, "models: expected at least one name"),
        ({"ready_timeout_s": 0}, "ready_timeout_s: expected more than 0, got 0"),
        ({"exit_timeout_s": -1}, "exit_timeout_s: expected 0 or more, got -1"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(SettingsInvalid, match=message):
        ServerSettings(repository=Path("/repository"), **wrong)


def test_a_server_on_every_interface_is_reached_over_loopback():
    assert "127.0.0.1" == ServerSettings(repository=Path(), address="0.0.0.0").reachable_address
    assert "127.0.1.7" == ServerSettings(repository=Path(), address="127.0.1.7").reachable_address


def test_each_start_has_a_key_of_its_own_which_its_text_does_not_show():
    key = AdminKey()

    assert key != AdminKey()
    assert 32 <= len(key.secret)
    assert key.secret not in f"{key} {key!r}"
