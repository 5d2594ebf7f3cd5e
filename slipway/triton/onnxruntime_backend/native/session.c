#define _GNU_SOURCE /* open_memstream */
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
  const Json *configured;
  OrtStatus *(*count)(const OrtSession *, size_t *);
  OrtStatus *(*name)(const OrtSession *, size_t, OrtAllocator *, char **);
  OrtStatus *(*type)(const OrtSession *, size_t, OrtTypeInfo **);
} Side;

static Error *fail_names(const Session *session, const Side *side, size_t count)
{
  const OrtApi *api = session->runtime->api;
  char *text = NULL, *name = NULL;
  size_t length = 0;
  Error *error = NULL;
  FILE *out = open_memstream(&text, &length);
  if (out == NULL) return out_of_memory();
  for (const Json *one = json_first(side->configured); one != NULL; one = one->next) {
    fprintf(out, one->next != NULL ? "%s, " : "%s", json_text(one, "name", ""));
  }
  fputs("] as in config.pbtxt, got [", out);
  for (size_t i = 0; i < count && error == NULL; ++i) {
    error = fail_ort(api, side->name(session->ort, i, session->runtime->allocator, &name));
    if (error != NULL) break;
    fprintf(out, i > 0 ? ", %s" : "%s", name);
    error = fail_ort(api, api->AllocatorFree(session->runtime->allocator, name));
  }
  if (fclose(out) != 0 && error == NULL) error = out_of_memory();
  if (error == NULL) error = fail(TRITONSERVER_ERROR_INVALID_ARG, "expected %ss [%s]", side->kind, text);
  free(text);
  return error;
}

/* Whether the configuration allows what the file has, by the rule of Triton's own ONNX Runtime backend; -1 is the
 * batch. Writes the configured dimensions into `text`. */
static bool compare_dims(const Json *configured, bool batches, const Tensor *tensor, FILE *text)
{
  const Json *reshape = json_member(configured, "reshape");
  const Json *dim = json_first(reshape != NULL ? json_member(reshape, "shape") : json_member(configured, "dims"));
  bool agree = true;
  size_t axis = 0;
  for (bool batch = batches; batch || dim != NULL; ++axis) {
    int64_t expected = batch ? -1 : json_integer(dim, -1);
    fprintf(text, axis > 0 ? ", %lld" : "%lld", (long long)expected);
    agree = agree && axis < tensor->rank && (tensor->dims[axis] == -1 || tensor->dims[axis] == expected);
    if (!batch) dim = dim->next;
    batch = false;
  }
  return agree && axis == tensor->rank;
}

static Error *compare(const Side *side, const Json *configured, bool batches, bool has_shape, const Tensor *tensor)
{
  const char *type = json_text(configured, "data_type", ""), *found = types[tensor->type].name;
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  if (out == NULL) return out_of_memory();
  bool agree = compare_dims(configured, batches, tensor, out) || !has_shape;
  fprintf(out, "] as in config.pbtxt, got %s [", found);
  for (size_t i = 0; i < tensor->rank; ++i) fprintf(out, i > 0 ? ", %lld" : "%lld", (long long)tensor->dims[i]);
  Error *error = fclose(out) != 0 ? out_of_memory() : NULL;
  if (error == NULL && (!agree || strcmp(type, found) != 0)) {
    error = fail(TRITONSERVER_ERROR_INVALID_ARG, "%s \"%s\": expected %s [%s]", side->kind, tensor->name, type, text);
  }
  free(text);
  return error;
}

static Error *describe(const OrtApi *api, const Side *side, const OrtTypeInfo *type, const Json *configured,
                       bool batches, Tensor *tensor)
{
  const OrtTensorTypeAndShapeInfo *info = NULL;
  tensor->name = json_text(configured, "name", "");
  TRY(fail_ort(api, api->CastTypeInfoToTensorInfo(type, &info)));
  if (info == NULL) return fail(TRITONSERVER_ERROR_UNSUPPORTED, "%s \"%s\" is no tensor", side->kind, tensor->name);
  TRY(fail_ort(api, api->GetTensorElementType(info, &tensor->type)));
  if (tensor->type >= sizeof types / sizeof *types || types[tensor->type].name == NULL) {
    return fail(TRITONSERVER_ERROR_UNSUPPORTED,
                "%s \"%s\": expected a type that Triton has, got element type %d of ONNX", side->kind, tensor->name,
                (int)tensor->type);
  }
  TRY(fail_ort(api, api->GetDimensionsCount(info, &tensor->rank)));
  if ((tensor->dims = calloc(tensor->rank + 1, sizeof *tensor->dims)) == NULL) return out_of_memory();
  TRY(fail_ort(api, api->GetDimensions(info, tensor->dims, tensor->rank)));
  tensor->triton_type = types[tensor->type].triton;
  tensor->element_bytes = types[tensor->type].bytes;
  bool has_shape = api->TensorTypeAndShape_HasShape(info);
  tensor->known_shape = has_shape;
  for (size_t axis = 0; axis < tensor->rank; ++axis) {
    if (tensor->dims[axis] < 0 && (axis > 0 || !batches)) tensor->known_shape = false;
  }
  return compare(side, configured, batches, has_shape, tensor);
}

/* The file's tensor `index`, put where the configuration has it. */
static Error *read_tensor(const Session *session, const Side *side, bool batches, size_t index, Tensors *tensors)
{
  const OrtApi *api = session->runtime->api;
  const Json *configured = json_first(side->configured);
  char *name = NULL;
  OrtTypeInfo *type = NULL;
  size_t place = 0;
  TRY(fail_ort(api, side->name(session->ort, index, session->runtime->allocator, &name)));
  while (configured != NULL && strcmp(json_text(configured, "name", ""), name) != 0) {
    configured = configured->next;
    ++place;
  }
  TRY(fail_ort(api, api->AllocatorFree(session->runtime->allocator, name)));
  if (configured == NULL) return fail_names(session, side, tensors->count);
  TRY(fail_ort(api, side->type(session->ort, index, &type)));
  Error *error = describe(api, side, type, configured, batches, &tensors->tensors[place]);
  api->ReleaseTypeInfo(type);
  tensors->names[place] = tensors->tensors[place].name;
  return error;
}

static Error *read_side(const Session *session, const Side *side, bool batches, Tensors *tensors)
{
  TRY(fail_ort(session->runtime->api, side->count(session->ort, &tensors->count)));
  tensors->tensors = calloc(tensors->count + 1, sizeof *tensors->tensors);
  tensors->names = calloc(tensors->count + 1, sizeof *tensors->names);
  if (tensors->tensors == NULL || tensors->names == NULL) return out_of_memory();
  if (tensors->count != json_count(side->configured)) return fail_names(session, side, tensors->count);
  for (size_t i = 0; i < tensors->count; ++i) TRY(read_tensor(session, side, batches, i, tensors));
  return NULL;
}

static Error *read_tensors(Session *session, const Model *model)
{
  const OrtApi *api = session->runtime->api;
  const Side inputs = {"input", json_member(model->config, "input"), api->SessionGetInputCount,
                       api->SessionGetInputName, api->SessionGetInputTypeInfo};
  const Side outputs = {"output", json_member(model->config, "output"), api->SessionGetOutputCount,
                        api->SessionGetOutputName, api->SessionGetOutputTypeInfo};
  TRY(read_side(session, &inputs, model->batches, &session->inputs));
  return read_side(session, &outputs, model->batches, &session->outputs);
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
  *session = (Session){.runtime = runtime, .device = device};
  Error *error = open_file(session, model);
  if (error == NULL) error = explain(read_tensors(session, model), "%s: ", model->path);
  if (error == NULL) error = prepare_runs(session);
  if (error != NULL) session_close(session);
  else *out = session;
  return error;
}

static void free_tensors(Tensors *tensors)
{
  for (size_t i = 0; tensors->tensors != NULL && i < tensors->count; ++i) free(tensors->tensors[i].dims);
  free(tensors->tensors);
  free(tensors->names);
}

void session_close(Session *session)
{
  if (session == NULL) return;
  if (session->gpu != NULL) session->runtime->api->ReleaseMemoryInfo(session->gpu);
  if (session->run_options != NULL) session->runtime->api->ReleaseRunOptions(session->run_options);
  if (session->ort != NULL) session->runtime->api->ReleaseSession(session->ort);
  free_tensors(&session->inputs);
  free_tensors(&session->outputs);
  free(session);
}

const OrtMemoryInfo *session_memory(const Session *session, const Tensor *tensor, const void *buffer,
                                    TRITONSERVER_MemoryType memory_type, int64_t memory_type_id)
{
  if (buffer == NULL || tensor->element_bytes == 0 || (uintptr_t)buffer % tensor->element_bytes != 0) return NULL;
  if (memory_type != TRITONSERVER_MEMORY_GPU) return session->runtime->cpu;
  return memory_type_id == session->device ? session->gpu : NULL;
}
