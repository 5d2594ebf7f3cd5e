import pytest

from slipway.triton import ModelNotServable
from slipway.triton._models import refuse_other_than_onnx

ONNX = 'backend: "onnxruntime" '


def tensorrt(key, value):
    return (
        'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" '
        f'parameters {{ key: "{key}" value: "{value}" }} }} }} }}'
    )


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "digits" / "configs").mkdir(parents=True, exist_ok=True)
        (tmp_path / "digits" / "config.pbtxt").write_text(text)
        (tmp_path / "digits" / "configs" / "gpu.pbtxt").write_text('backend: "python"')
        return tmp_path

    return write


@pytest.mark.parametrize(
    "text",
    [
        'backend: "onnxruntime"',
        'platform: "onnxruntime_onnx"',
        'backend: "onnxruntime" default_model_filename: "table.onnx" parameters { key: "labels" value { } }',
        'backend: "onnxruntime" output { name: "a" } output { label_filename: "labels.txt" }',
        ONNX + tensorrt("trt_engine_cache_prefix", "digits"),
    ],
)
def test_an_onnx_file_is_served(written, text):
    refuse_other_than_onnx(written(text), ("digits",), None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('backend: "python"', 'backend: "python"'),
        ('backend: "../../tmp/evil"', "evil"),
        ('backend: "onnxruntime" platform: "ensemble"', 'platform: "ensemble"'),
        ("max_batch_size: 1", "neither backend nor platform"),
        (ONNX + 'runtime: "model.py"', 'runtime: "model.py"'),
        (ONNX + 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "x.tar.gz" } }', "EXECUTION_ENV_PATH"),
        (ONNX + 'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { } }', "TRITON_BATCH_STRATEGY_PATH"),
        (ONNX + 'model_repository_agents { agents { name: "evil" } }', "model_repository_agents"),
        (ONNX + 'model_operations { op_library_filename: "libevil.so" }', "op_library_filename"),
        (
            ONNX + tensorrt("trt_extra_plugin_lib_paths", "libevil.so"),
            "libraries of tensorrt, trt_extra_plugin_lib_paths",
        ),
        (ONNX + tensorrt("trt_engine_cache_prefix", "../x"), 'trt_engine_cache_prefix: "../x" of tensorrt, in another'),
        (ONNX + tensorrt("int8_calibration_table_name", "/tmp/x"), '"/tmp/x" of tensorrt, in another folder: name it'),
        (ONNX + 'default_model_filename: "/tmp/other.onnx"', "/tmp/other.onnx"),
        (ONNX + 'default_model_filename: "../2/model.onnx"', "../2/model.onnx"),
        (ONNX + 'cc_model_filenames { key: "9.0" value: "../x.onnx" }', "../x.onnx"),
        (ONNX + 'output { label_filename: "../../../etc/passwd" }', "../../../etc/passwd"),
        (ONNX + 'output { name: "a" } output { label_filename: "\\056./x" }', 'label_filename: "../x"'),
        (
            ONNX + 'model_warmup { inputs { key: "image" value { input_data_file: "/etc/shadow" } } }',
            'input_data_file: "/etc/shadow"',
        ),
        ("not a configuration", "not a Triton model configuration"),
        ('backend: "onnxruntime\\033[2J"', r"\x1b[2J"),
    ],
)
def test_whatever_would_run_other_code_is_refused_by_its_name(written, text, said):
    with pytest.raises(ModelNotServable, match=r"^model 'digits', config\.pbtxt: ") as caught:
        refuse_other_than_onnx(written(text), ("digits",), None)

    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_configuration_that_is_chosen_is_the_one_that_is_looked_at(written):
    with pytest.raises(ModelNotServable, match=r"configs/gpu\.pbtxt: .*python"):
        refuse_other_than_onnx(written(ONNX), ("digits",), "gpu")
