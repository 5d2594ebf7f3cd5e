"""What a client of the native backend gets where ONNX Runtime or tritonserver fails below it."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from onnx import helper
from tritonclient.utils import InferenceServerException

import slipway.triton
from slipway.triton import ServerSettings, TritonServer
from slipway.triton._native_backend import onnxruntime_library
from tests.integration.onnx_models import Model, Tensor

pytestmark = pytest.mark.triton

NATIVE = Path(slipway.triton.__file__).parent / "onnxruntime_backend" / "native"
# ONNX Runtime, of which every second access to the data of an output fails.
FAULTY_ONNXRUNTIME = """
#include <dlfcn.h>
#include "onnxruntime_api.h"
static OrtApi table;
static const OrtApiBase *base;
static OrtStatus *(*create_status)(int code, const char *text);
static OrtStatus *(*get_data)(OrtValue *, void **);
static OrtStatus *get_every_second(OrtValue *value, void **data)
{
  static int calls;
  return ++calls % 2 == 0 ? create_status(1, "no data") : get_data(value, data);
}
static const OrtApi *get_api(uint32_t version)
{
  const OrtApi *api = base->GetApi(version);
  table = *api;
  *(void **)&create_status = *(void *const *)api; /* the first of all functions */
  get_data = api->GetTensorMutableData;
  table.GetTensorMutableData = get_every_second;
  return &table;
}
static const char *get_version(void) { return base->GetVersionString(); }
static const OrtApiBase own = {get_api, get_version};
const OrtApiBase *OrtGetApiBase(void)
{
  const OrtApiBase *(*get_base)(void) = 0;
  *(void **)&get_base = dlsym(dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), "OrtGetApiBase");
  base = get_base();
  return &own;
}
"""
# Goes before tritonserver's own function, and fails once.
FAULTY_TRITONSERVER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include "triton_api.h"
TRITONSERVER_Error *TRITONBACKEND_ResponseNew(TRITONBACKEND_Response **response, TRITONBACKEND_Request *request)
{
  static bool failed;
  TRITONSERVER_Error *(*new)(TRITONBACKEND_Response **, TRITONBACKEND_Request *) = 0;
  TRITONSERVER_Error *(*error)(TRITONSERVER_Error_Code, const char *) = 0;
  *(void **)&new = dlsym(RTLD_NEXT, "TRITONBACKEND_ResponseNew");
  *(void **)&error = dlsym(RTLD_NEXT, "TRITONSERVER_ErrorNew");
  if (failed) return new(response, request);
  failed = true;
  return error(TRITONSERVER_ERROR_INTERNAL, "no response");
}
"""
# Two requests whose input has no dimension, which tritonserver does not let through.
REQUESTS_WITHOUT_ROWS = """
#include <stdio.h>
#include "feed.h"
Error *TRITONBACKEND_RequestInput(TRITONBACKEND_Request *request, const char *name, TRITONBACKEND_Input **input)
{
  return NULL;
}
Error *TRITONBACKEND_InputProperties(TRITONBACKEND_Input *input, const char **name, TRITONSERVER_DataType *type,
                                     const int64_t **shape, uint32_t *rank, uint64_t *bytes, uint32_t *buffers)
{
  static const int64_t rows[] = {1};
  *type = TRITONSERVER_TYPE_INT32;
  *shape = rows;
  *rank = 0;
  *bytes = 4;
  *buffers = 1;
  return NULL;
}
int main(void)
{
  Item items[2] = {{.rows = 1}, {.rows = 1}};
  Tensor tensor = {.name = "in", .triton_type = TRITONSERVER_TYPE_INT32, .element_bytes = 4};
  Session session = {0};
  Feed feed = {0};
  puts(TRITONSERVER_ErrorMessage(feed_fill(&feed, &session, &tensor, items, 2)));
}
"""


def library(folder, source, *flags):
    path = folder / "faulty.so"
    path.with_suffix(".c").write_text(source)
    words = ("-std=c11", "-shared", "-fPIC", "-I", NATIVE, *flags, "-o", path, path.with_suffix(".c"), "-ldl")
    subprocess.run(["cc", *words], check=True)
    return path


def two_outputs():
    """`one = in + in`, `two = in * in`, of two requests in a batch."""
    model = Model(
        name="two_outputs",
        nodes=(helper.make_node("Add", ["in", "in"], ["one"]), helper.make_node("Mul", ["in", "in"], ["two"])),
        inputs=(Tensor(name="in", dtype="INT32", dims=(2,), axes=("batch", 2)),),
        outputs=tuple(Tensor(name=name, dtype="INT32", dims=(2,), axes=("batch", 2)) for name in ("one", "two")),
    )
    together = "dynamic_batching { preferred_batch_size: [ 2 ] max_queue_delay_microseconds: 60000000 }"
    alone, _, _ = model.config().partition("dynamic_batching")
    return model, alone + together


def ask(server, values):
    tensor = triton_grpc.InferInput("in", [1, 2], "INT32")
    tensor.set_data_from_numpy(np.array([values], np.int32))
    with triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        try:
            answer = client.infer("two_outputs", [tensor], client_timeout=30)
        except InferenceServerException as exc:
            return exc.message()
        return {output.name: answer.as_numpy(output.name).tolist() for output in answer.get_response().outputs}


def test_a_batch_whose_outputs_cannot_be_handed_over_is_answered_with_errors_and_not_run_again(tmp_path, monkeypatch):
    faulty = library(tmp_path, FAULTY_ONNXRUNTIME, f'-DLIBRARY="{onnxruntime_library()}"')
    monkeypatch.setenv("SLIPWAY_ONNXRUNTIME_LIBRARY", str(faulty))
    model, config = two_outputs()
    model.write(tmp_path / "models", config=config)
    settings = ServerSettings(repository=tmp_path / "models", verify=False, backend="native")
    with TritonServer(settings) as server, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda values: ask(server, values), [(1, 2), (3, 4)]))

    assert ["onnxruntime: FAIL: no data"] * 2 == answers


def test_a_request_without_a_response_is_answered_with_the_error(tmp_path, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", str(library(tmp_path, FAULTY_TRITONSERVER)))
    model, _ = two_outputs()
    model.write(tmp_path / "models")
    with TritonServer(ServerSettings(repository=tmp_path / "models", verify=False, backend="native")) as server:
        answers = [ask(server, (1, 2)), ask(server, (3, 4))]

    assert ["no response", {"one": [[6, 8]], "two": [[9, 16]]}] == answers


def test_requests_without_a_batch_dimension_share_no_batch(tmp_path):
    (tmp_path / "main.c").write_text(REQUESTS_WITHOUT_ROWS)
    server = library(tmp_path, Path(__file__).with_name("triton_without_server.c").read_text())
    sources = (tmp_path / "main.c", *(path for path in NATIVE.glob("*.c") if path.name != "backend.c"))
    words = ("-std=c11", "-I", NATIVE, "-o", tmp_path / "main", *sources, server, "-ldl", "-lpthread")
    subprocess.run(["cc", *words], check=True)
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True, timeout=60).stdout

    assert 'input "in": expected a batch dimension, got none\n' == said
