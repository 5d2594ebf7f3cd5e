#define _GNU_SOURCE /* open_memstream, strdup */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

/* What ONNX Runtime and Triton share, by ONNX Runtime's number. */
static const struct {
  TRITONSERVER_DataType triton;
  size_t bytes;
  const char *name;
} types[] = {
    [ORT_TYPE_FLOAT] = {TRITONSERVER_TYPE_FP32, 4, "TYPE_FP32"},
    [ORT_TYPE_UINT8] = {TRITONSERVER_TYPE_UINT8, 1, "TYPE_UINT8"},
    [ORT_TYPE_INT8] = {TRITONSERVER_TYPE_INT8, 1, "TYPE_INT8"},
    [ORT_TYPE_UINT16] = {TRITONSERVER_TYPE_UINT16, 2, "TYPE_UINT16"},
    [ORT_TYPE_INT16] = {TRITONSERVER_TYPE_INT16, 2, "TYPE_INT16"},
    [ORT_TYPE_INT32] = {TRITONSERVER_TYPE_INT32, 4, "TYPE_INT32"},
    [ORT_TYPE_INT64] = {TRITONSERVER_TYPE_INT64, 8, "TYPE_INT64"},
    [ORT_TYPE_STRING] = {TRITONSERVER_TYPE_BYTES, 0, "TYPE_STRING"},
    [ORT_TYPE_BOOL] = {TRITONSERVER_TYPE_BOOL, 1, "TYPE_BOOL"},
    [ORT_TYPE_FLOAT16] = {TRITONSERVER_TYPE_FP16, 2, "TYPE_FP16"},
    [ORT_TYPE_DOUBLE] = {TRITONSERVER_TYPE_FP64, 8, "TYPE_FP64"},
    [ORT_TYPE_UINT32] = {TRITONSERVER_TYPE_UINT32, 4, "TYPE_UINT32"},
    [ORT_TYPE_UINT64] = {TRITONSERVER_TYPE_UINT64, 8, "TYPE_UINT64"},
    [ORT_TYPE_BFLOAT16] = {TRITONSERVER_TYPE_BF16, 2, "TYPE_BF16"},
};

/* Inputs and outputs are read alike. */
typedef struct {
  const char *kind;
  const ConfiguredTensors *configured;
  Tensor *tensors;
  OrtStatus *(*count)(const OrtSession *, size_t *);
  OrtStatus *(*name)(const OrtSession *, size_t, OrtAllocator *, char **);
  OrtStatus *(*type)(const OrtSession *, size_t, OrtTypeInfo **);
} Side;

static Error *fail_names(const Session *session, const Side *side)
{
  char *text = NULL;
  size_t length = 0, count = 0;
  FILE *out = open_memstream(&text, &length);
  if (out == NULL) return out_of_memory();
  for (size_t i = 0; i < side->configured->count; ++i) {
    fprintf(out, i > 0 ? ", %s" : "%s", side->configured->tensors[i].name);
  }
  fputs("] as in config.pbtxt, got [", out);
  Error *error = fail_ort(session->runtime->api, side->count(session->ort, &count));
  for (size_t i = 0; i < count && error == NULL; ++i) {
    char *name = NULL;
    error = fail_ort(session->runtime->api, side->name(session->ort, i, session->runtime->allocator, &name));
    if (error != NULL) break;
    fprintf(out, i > 0 ? ", %s" : "%s", name);
    error = fail_ort(session->runtime->api, session->runtime->api->AllocatorFree(session->runtime->allocator, name));
  }
  if (fclose(out) != 0 && error == NULL) error = out_of_memory();
  if (error == NULL) error = fail(TRITONSERVER_ERROR_INVALID_ARG, "expected %ss [%s]", side->kind, text);
  free(text);
  return error;
}

static void write_tensor(FILE *out, const char *type, const int64_t *dims, size_t rank)
{
  fprintf(out, "%s [", type);
  for (size_t axis = 0; axis < rank; ++axis) fprintf(out, axis > 0 ? ", %lld" : "%lld", (long long)dims[axis]);
  fputs("]", out);
}

static Error *fail_tensor(const Side *side, const ConfiguredTensor *expected, const char *type, const Tensor *found)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  if (out == NULL) return out_of_memory();
  write_tensor(out, expected->type, expected->dims, expected->rank);
  fputs(" as in config.pbtxt, got ", out);
  write_tensor(out, type, found->dims, found->rank);
  Error *error = fclose(out) != 0 ? out_of_memory()
                                  : fail(TRITONSERVER_ERROR_INVALID_ARG, "%s \"%s\": expected %s", side->kind,
                                         expected->name, text);
  free(text);
  return error;
}

/* Whether the configuration allows what the file has, by the rule of Triton's own ONNX Runtime backend. */
static bool dims_agree(const ConfiguredTensor *configured, const Tensor *tensor)
{
  if (configured->rank != tensor->rank) return false;
  for (size_t axis = 0; axis < tensor->rank; ++axis) {
    if (tensor->dims[axis] != -1 && tensor->dims[axis] != configured->dims[axis]) return false;
  }
  return true;
}

static Error *read_dims(const OrtApi *api, const OrtTensorTypeAndShapeInfo *info, Tensor *tensor)
{
  TRY(fail_ort(api, api->GetDimensionsCount(info, &tensor->rank)));
  tensor->dims = calloc(tensor->rank + 1, sizeof *tensor->dims);
  tensor->symbols = calloc(tensor->rank + 1, sizeof *tensor->symbols);
  tensor->sources = calloc(tensor->rank + 1, sizeof *tensor->sources);
  const char **symbols = calloc(tensor->rank + 1, sizeof *symbols);
  Error *error = tensor->dims && tensor->symbols && tensor->sources && symbols ? NULL : out_of_memory();
  if (error == NULL) error = fail_ort(api, api->GetDimensions(info, tensor->dims, tensor->rank));
  if (error == NULL) error = fail_ort(api, api->GetSymbolicDimensions(info, symbols, tensor->rank));
  for (size_t axis = 0; axis < tensor->rank && error == NULL; ++axis) {
    if ((tensor->symbols[axis] = strdup(symbols[axis])) == NULL) error = out_of_memory();
  }
  free(symbols);
  return error;
}

static Error *check_tensor(const OrtApi *api, const Side *side, const OrtTypeInfo *type,
                           const ConfiguredTensor *configured, Tensor *tensor)
{
  const OrtTensorTypeAndShapeInfo *info = NULL;
  TRY(fail_ort(api, api->CastTypeInfoToTensorInfo(type, &info)));
  if (info == NULL) {
    return fail(TRITONSERVER_ERROR_UNSUPPORTED, "%s \"%s\" is no tensor", side->kind, configured->name);
  }
  TRY(fail_ort(api, api->GetTensorElementType(info, &tensor->type)));
  if (tensor->type >= sizeof types / sizeof *types || types[tensor->type].name == NULL) {
    return fail(TRITONSERVER_ERROR_UNSUPPORTED, "%s \"%s\": expected a type that Triton has, got element type %d of ONNX",
                side->kind, configured->name, (int)tensor->type);
  }
  TRY(read_dims(api, info, tensor));
  tensor->name = configured->name;
  tensor->triton_type = types[tensor->type].triton;
  tensor->element_bytes = types[tensor->type].bytes;
  tensor->predictable = api->TensorTypeAndShape_HasShape(info);
  bool agrees = !tensor->predictable || dims_agree(configured, tensor);
  if (agrees && strcmp(configured->type, types[tensor->type].name) == 0) return NULL;
  return fail_tensor(side, configured, types[tensor->type].name, tensor);
}

/* The file's tensor `index`, put where the configuration has it. */
static Error *read_tensor(const Session *session, const Side *side, size_t index)
{
  const OrtApi *api = session->runtime->api;
  char *name = NULL;
  OrtTypeInfo *type = NULL;
  size_t place = 0;
  TRY(fail_ort(api, side->name(session->ort, index, session->runtime->allocator, &name)));
  while (place < side->configured->count && strcmp(side->configured->tensors[place].name, name) != 0) ++place;
  TRY(fail_ort(api, api->AllocatorFree(session->runtime->allocator, name)));
  if (place == side->configured->count) return fail_names(session, side);
  TRY(fail_ort(api, side->type(session->ort, index, &type)));
  Error *error = check_tensor(api, side, type, &side->configured->tensors[place], &side->tensors[place]);
  api->ReleaseTypeInfo(type);
  return error;
}

static Error *read_side(const Session *session, const Side *side, const char **names)
{
  size_t count = 0;
  TRY(fail_ort(session->runtime->api, side->count(session->ort, &count)));
  if (count != side->configured->count) return fail_names(session, side);
  for (size_t i = 0; i < count; ++i) TRY(read_tensor(session, side, i));
  for (size_t i = 0; i < count; ++i) names[i] = side->configured->tensors[i].name;
  return NULL;
}

static bool find_source(const Session *session, const char *symbol, DimSource *source)
{
  for (size_t input = 0; input < session->input_count && symbol[0] != '\0'; ++input) {
    const Tensor *tensor = &session->inputs[input];
    for (size_t axis = 0; axis < tensor->rank; ++axis) {
      if (strcmp(tensor->symbols[axis], symbol) != 0) continue;
      *source = (DimSource){input, axis};
      return true;
    }
  }
  return false;
}

/* The shape of an output is known before the run if each of its variable dimensions is named as an input's is. */
static void find_predictable(Session *session)
{
  for (size_t i = 0; i < session->output_count; ++i) {
    Tensor *output = &session->outputs[i];
    for (size_t axis = 0; axis < output->rank && output->predictable; ++axis) {
      output->predictable = output->dims[axis] >= 0 ||
                            find_source(session, output->symbols[axis], &output->sources[axis]);
    }
  }
}

static Error *read_tensors(Session *session, const Model *model)
{
  const OrtApi *api = session->runtime->api;
  session->inputs = calloc(model->inputs.count + 1, sizeof *session->inputs);
  session->outputs = calloc(model->outputs.count + 1, sizeof *session->outputs);
  session->input_names = calloc(model->inputs.count + 1, sizeof *session->input_names);
  session->output_names = calloc(model->outputs.count + 1, sizeof *session->output_names);
  if (!session->inputs || !session->outputs || !session->input_names || !session->output_names) return out_of_memory();
  session->input_count = model->inputs.count;
  session->output_count = model->outputs.count;
  Side inputs = {"input", &model->inputs, session->inputs, api->SessionGetInputCount, api->SessionGetInputName,
                 api->SessionGetInputTypeInfo};
  Side outputs = {"output", &model->outputs, session->outputs, api->SessionGetOutputCount, api->SessionGetOutputName,
                  api->SessionGetOutputTypeInfo};
  TRY(read_side(session, &inputs, session->input_names));
  TRY(read_side(session, &outputs, session->output_names));
  find_predictable(session);
  return NULL;
}

static Error *open_file(Session *session, const Model *model)
{
  const OrtApi *api = session->runtime->api;
  OrtSessionOptions *options = NULL;
  TRY(fail_ort(api, api->CreateSessionOptions(&options)));
  Error *error = options_apply(session->runtime, model, session->device, options);
  if (error == NULL) {
    error = fail_ort(api, api->CreateSession(session->runtime->env, model->path, options, &session->ort));
    error = explain(error, "%s cannot be loaded: ", model->path);
  }
  api->ReleaseSessionOptions(options);
  return error;
}

/* A run that fails answers its requests with its text; the log would have it once more, as often as a client likes. */
static Error *prepare_runs(Session *session)
{
  const OrtApi *api = session->runtime->api;
  TRY(fail_ort(api, api->CreateRunOptions(&session->run_options)));
  TRY(fail_ort(api, api->RunOptionsSetRunLogSeverityLevel(session->run_options, ORT_LOG_FATAL)));
  if (session->device == ON_CPU) return NULL;
  return fail_ort(api, api->CreateMemoryInfo("Cuda", ORT_DEVICE_ALLOCATOR, session->device, ORT_MEMORY_DEFAULT,
                                             &session->gpu));
}

Error *session_open(const Runtime *runtime, const Model *model, int32_t device, Session **out)
{
  Session *session = calloc(1, sizeof *session);
  if (session == NULL) return out_of_memory();
  *session = (Session){.runtime = runtime, .device = device, .trusts_shapes = true};
  Error *error = open_file(session, model);
  if (error == NULL) error = explain(read_tensors(session, model), "%s: ", model->path);
  if (error == NULL) error = prepare_runs(session);
  if (error != NULL) session_close(session);
  else *out = session;
  return error;
}

static void free_tensors(Tensor *tensors, size_t count)
{
  for (size_t i = 0; i < count && tensors != NULL; ++i) {
    for (size_t axis = 0; axis < tensors[i].rank && tensors[i].symbols != NULL; ++axis) free(tensors[i].symbols[axis]);
    free(tensors[i].symbols);
    free(tensors[i].sources);
    free(tensors[i].dims);
  }
  free(tensors);
}

void session_close(Session *session)
{
  if (session == NULL) return;
  if (session->gpu != NULL) session->runtime->api->ReleaseMemoryInfo(session->gpu);
  if (session->run_options != NULL) session->runtime->api->ReleaseRunOptions(session->run_options);
  if (session->ort != NULL) session->runtime->api->ReleaseSession(session->ort);
  free_tensors(session->inputs, session->input_count);
  free_tensors(session->outputs, session->output_count);
  free(session->input_names);
  free(session->output_names);
  free(session);
}

const OrtMemoryInfo *session_memory(const Session *session, const Tensor *tensor, const void *buffer,
                                    TRITONSERVER_MemoryType memory_type, int64_t memory_type_id)
{
  if (buffer == NULL || tensor->element_bytes == 0 || (uintptr_t)buffer % tensor->element_bytes != 0) return NULL;
  if (memory_type != TRITONSERVER_MEMORY_GPU) return session->runtime->cpu;
  return memory_type_id == session->device ? session->gpu : NULL;
}
