"""TensorRT in a model's configuration, and the engines that one server builds and the next one finds."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.model_config import parse_config
from slipway.triton import CacheUnsafe
from slipway.triton._gpu import Gpu
from slipway.triton._tensorrt import asks_for_tensorrt, use_tensorrt

GPU = Gpu(
    names=("NVIDIA H200",),
    onnxruntime=Path("/site/libonnxruntime.so.1.31.1"),
    onnxruntime_version="1.31.1",
    tensorrt_version=101601,
    library_directories=(),
)
CONFIG = """
name: "mnist" backend: "onnxruntime" max_batch_size: 16
input { name: "image" data_type: TYPE_UINT8 dims: [28, 28, 1] }
output { name: "probabilities" data_type: TYPE_FP32 dims: 10 }
instance_group { kind: KIND_GPU count: 1 }
"""
ACCELERATOR = 'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" %s } } }'


def option(key, value):
    return f'parameters {{ key: "{key}" value: "{value}" }}'


class Server:
    """One start of a server on the same cache: what it is shown, and what it builds."""

    def __init__(self, folder, cache, *, config=CONFIG, weights=b"weights", gpu=GPU, precision="fp16"):
        self.config = folder / "mnist/configs/gpu.pbtxt"
        self.config.parent.mkdir(parents=True)
        self.config.write_text(config)
        (folder / "mnist/1").mkdir()
        (folder / "mnist/1/model.onnx").write_bytes(weights)
        self.engines = use_tensorrt(
            folder / "mnist", self.config, precision=precision, gpu=gpu, used=folder / "engines", cache=cache
        )

    @property
    def options(self):
        config = parse_config(self.config.read_text())
        (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert accelerator.name == "tensorrt"
        return dict(accelerator.parameters)

    def build(self, content=b"engine"):
        """What TensorRT leaves behind for one part of a model."""
        (self.engines.used / "part_sm90.profile").write_bytes(b"profile of " + content)
        (self.engines.used / "part_sm90.engine").write_bytes(content)
        self.engines.keep()

    def found(self):
        return {path.name: path.read_bytes() for path in self.engines.used.iterdir()}


def test_the_configuration_names_tensorrt_the_batch_sizes_and_the_folder_of_engines(tmp_path):
    server = Server(tmp_path / "server", tmp_path / "cache")

    assert {
        "precision_mode": "FP16",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(server.engines.used),
        "trt_timing_cache_path": str(server.engines.used),
        "trt_profile_min_shapes": "image:1x28x28x1",
        "trt_profile_opt_shapes": "image:16x28x28x1",
        "trt_profile_max_shapes": "image:16x28x28x1",
    } == server.options
    assert 16 == parse_config(server.config.read_text()).max_batch_size


@pytest.mark.parametrize(("before", "after"), [("max_batch_size: 16", "max_batch_size: 0"), ("28, 28, 1", "-1, 28, 1")])
def test_shapes_that_are_not_known_are_left_to_tensorrt(tmp_path, before, after):
    server = Server(tmp_path / "server", tmp_path / "cache", config=CONFIG.replace(before, after))

    assert {
        "precision_mode",
        "trt_engine_cache_enable",
        "trt_engine_cache_path",
        "trt_timing_cache_path",
    } == set(server.options)


def test_a_configuration_that_asks_for_tensorrt_keeps_its_options(tmp_path):
    config = CONFIG + ACCELERATOR % (
        option("precision_mode", "FP16")
        + option("trt_builder_optimization_level", "5")
        + option("trt_engine_cache_path", "/elsewhere")
        + option("trt_timing_cache_path", "/elsewhere")
    )
    server = Server(tmp_path / "server", tmp_path / "cache", config=config, precision=None)

    assert "FP16" == server.options["precision_mode"]
    assert "5" == server.options["trt_builder_optimization_level"]
    assert str(server.engines.used) == server.options["trt_engine_cache_path"]
    assert str(server.engines.used) == server.options["trt_timing_cache_path"]


def test_a_configuration_says_whether_it_asks_for_tensorrt(tmp_path):
    path = tmp_path / "config.pbtxt"
    path.write_text(CONFIG)
    without = asks_for_tensorrt(path)
    path.write_text(CONFIG + ACCELERATOR % "")

    assert (False, True) == (without, asks_for_tensorrt(path))


def test_a_second_start_finds_the_engines_of_the_first(tmp_path):
    first = Server(tmp_path / "first", tmp_path / "cache")
    before = first.found()
    first.build()
    second = Server(tmp_path / "second", tmp_path / "cache")

    assert {} == before
    assert {"part_sm90.engine": b"engine", "part_sm90.profile": b"profile of engine"} == second.found()


@pytest.mark.parametrize(
    "other",
    [
        {"weights": b"other weights"},
        {"precision": "fp32"},
        {"gpu": replace(GPU, names=("NVIDIA L4",))},
        {"gpu": replace(GPU, tensorrt_version=101602)},
        {"gpu": replace(GPU, onnxruntime_version="1.32.0")},
        {"config": CONFIG.replace("max_batch_size: 16", "max_batch_size: 32")},
    ],
    ids=["weights", "precision", "gpu", "tensorrt", "onnxruntime", "batch"],
)
def test_engines_of_something_else_are_not_found(tmp_path, other):
    Server(tmp_path / "first", tmp_path / "cache").build()

    assert {} == Server(tmp_path / "second", tmp_path / "cache", **other).found()


def test_engines_that_a_server_built_anew_replace_those_that_were_kept(tmp_path):
    Server(tmp_path / "first", tmp_path / "cache").build(b"old engine")
    second = Server(tmp_path / "second", tmp_path / "cache")
    second.build(b"new engine")

    assert b"new engine" == Server(tmp_path / "third", tmp_path / "cache").found()["part_sm90.engine"]


def test_a_server_never_writes_into_what_another_one_reads(tmp_path):
    Server(tmp_path / "first", tmp_path / "cache").build()
    second, third = Server(tmp_path / "second", tmp_path / "cache"), Server(tmp_path / "third", tmp_path / "cache")
    (second.engines.used / "part_sm90.engine").write_bytes(b"half")

    assert b"engine" == third.found()["part_sm90.engine"]
    assert b"engine" == Server(tmp_path / "fourth", tmp_path / "cache").found()["part_sm90.engine"]


def test_a_server_that_built_nothing_leaves_nothing(tmp_path):
    Server(tmp_path / "server", tmp_path / "cache").engines.keep()

    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_keeps_no_server_from_running(tmp_path):
    (tmp_path / "cache").write_text("a file")

    Server(tmp_path / "server", tmp_path / "cache").build()

    assert {} == Server(tmp_path / "second", tmp_path / "cache").found()


def test_no_engine_is_loaded_from_a_cache_that_others_can_write(tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    Server(tmp_path / "first", tmp_path / "cache").build()
    tmp_path.chmod(0o777)

    with pytest.raises(CacheUnsafe, match=r"mode 0777.*set SLIPWAY_CACHE to a folder of your own"):
        Server(tmp_path / "second", tmp_path / "cache")


def test_engines_that_others_could_write_are_built_again(tmp_path):
    first = Server(tmp_path / "first", tmp_path / "cache")
    first.build(b"planted")
    first.engines.kept.chmod(0o777)
    second = Server(tmp_path / "second", tmp_path / "cache")
    before = second.found()
    second.build()

    assert {} == before
    assert b"engine" == Server(tmp_path / "third", tmp_path / "cache").found()["part_sm90.engine"]


def test_engines_of_models_that_were_not_served_for_long_are_forgotten(tmp_path):
    cache = tmp_path / "cache"
    for number in range(32):
        (cache / f"old-{number}").mkdir(parents=True)
        os.utime(cache / f"old-{number}", (number, number))
    Server(tmp_path / "server", cache).build()

    assert {f"old-{number}" for number in range(1, 32)} == {path.name for path in cache.glob("old-*")}
