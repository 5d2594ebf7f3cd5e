#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 64 };

static Error *read_int(const Model *model, const char *key, int *value)
{
  const char *text = model_parameter(model, key);
  if (text == NULL) return NULL;
  char *end = NULL;
  errno = 0;
  long number = strtol(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || number < 0 || number > INT_MAX) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG, "parameter %s: expected a whole number from 0, got \"%s\"", key, text);
  }
  *value = (int)number;
  return NULL;
}

/* `optimization.graph.level` is the official backend's; the parameter has the names of ONNX Runtime's levels. */
static Error *read_level(const Model *model, int *level)
{
  const char *name = model_parameter(model, "graph_optimization_level");
  const Json *graph = json_member(json_member(model->config, "optimization"), "graph");
  int64_t official = json_integer(json_member(graph, "level"), 0);
  if (official != 0) *level = official < 0 ? ORT_ENABLE_BASIC : official == 1 ? ORT_ENABLE_EXTENDED : ORT_DISABLE_ALL;
  if (name == NULL) return NULL;
  if (strcmp(name, "disable") == 0) *level = ORT_DISABLE_ALL;
  else if (strcmp(name, "basic") == 0) *level = ORT_ENABLE_BASIC;
  else if (strcmp(name, "extended") == 0) *level = ORT_ENABLE_EXTENDED;
  else if (strcmp(name, "all") == 0) *level = ORT_ENABLE_ALL;
  else {
    return fail(TRITONSERVER_ERROR_INVALID_ARG,
                "parameter graph_optimization_level: expected disable, basic, extended or all, got \"%s\"", name);
  }
  return NULL;
}

/* Only these: other entries of ONNX Runtime name files, and a configuration shall not. */
static const char *const session_entries[] = {
    "session.disable_prepacking",
    "session.dynamic_block_base",
    "session.inter_op.allow_spinning",
    "session.intra_op.allow_spinning",
    "session.set_denormal_as_zero",
    "session.use_device_allocator_for_initializers",
};

static Error *apply_parameters(const OrtApi *api, const Model *model, OrtSessionOptions *options)
{
  int intra = 0, inter = 0, mode = 0, arena = 1, pattern = 1, level = ORT_ENABLE_ALL;
  TRY(read_int(model, "intra_op_thread_count", &intra));
  TRY(read_int(model, "inter_op_thread_count", &inter));
  TRY(read_int(model, "execution_mode", &mode));
  TRY(read_int(model, "enable_mem_arena", &arena));
  TRY(read_int(model, "enable_mem_pattern", &pattern));
  TRY(read_level(model, &level));
  TRY(fail_ort(api, api->SetIntraOpNumThreads(options, intra)));
  TRY(fail_ort(api, api->SetInterOpNumThreads(options, inter)));
  TRY(fail_ort(api, api->SetSessionExecutionMode(options, mode)));
  TRY(fail_ort(api, api->SetSessionGraphOptimizationLevel(options, level)));
  if (!arena) TRY(fail_ort(api, api->DisableCpuMemArena(options)));
  if (!pattern) TRY(fail_ort(api, api->DisableMemPattern(options)));
  for (size_t i = 0; i < sizeof session_entries / sizeof *session_entries; ++i) {
    const char *value = model_parameter(model, session_entries[i]);
    if (value != NULL) TRY(fail_ort(api, api->AddSessionConfigEntry(options, session_entries[i], value)));
  }
  return NULL;
}

/* CUDA's and TensorRT's functions in ONNX Runtime's table have the same form. */
typedef struct {
  const char *name;
  OrtStatus *(*create)(OrtProviderOptions **);
  OrtStatus *(*update)(OrtProviderOptions *, const char *const *keys, const char *const *values, size_t count);
  OrtStatus *(*append)(OrtSessionOptions *, const OrtProviderOptions *);
  void (*release)(OrtProviderOptions *);
} Provider;

typedef struct {
  const char *keys[MOST_OPTIONS];
  const char *values[MOST_OPTIONS];
  size_t count;
} ProviderSettings;

static Error *add_setting(ProviderSettings *settings, const char *key, const char *value)
{
  if (settings->count == MOST_OPTIONS) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG, "execution accelerator: expected at most %d parameters", MOST_OPTIONS);
  }
  settings->keys[settings->count] = key;
  settings->values[settings->count++] = value;
  return NULL;
}

static Error *append_provider(const Runtime *runtime, const Provider *provider, const ProviderSettings *settings,
                              OrtSessionOptions *options)
{
  const OrtApi *api = runtime->api;
  OrtProviderOptions *own = NULL;
  OrtStatus *status = provider->create(&own);
  if (status == NULL) status = provider->update(own, settings->keys, settings->values, settings->count);
  if (status == NULL) status = provider->append(options, own);
  if (own != NULL) provider->release(own);
  return explain(fail_ort(api, status), "expected %s in ONNX Runtime %s, %s, got: ", provider->name, runtime->version,
                 runtime->library);
}

/* A CUDA graph replays the addresses of the run that it was captured from, and every batch has others: it would answer
 * with the values of an old one. */
static Error *refuse_graphs(const char *accelerator, const char *key, const char *value)
{
  if (strcmp(value, "0") == 0) return NULL;
  return fail(TRITONSERVER_ERROR_UNSUPPORTED,
              "execution accelerator %s: expected %s 0 or none, because CUDA graphs need tensors at fixed addresses "
              "and each batch has its own, got \"%s\"", accelerator, key, value);
}

/* Only these: others name a library of plugins, files, or addresses in memory. */
static const char *const tensorrt_settings[] = {
    "trt_auxiliary_streams",
    "trt_build_heuristics_enable",
    "trt_builder_optimization_level",
    "trt_context_memory_sharing_enable",
    "trt_detailed_build_log",
    "trt_dla_core",
    "trt_dla_enable",
    "trt_engine_cache_enable",
    "trt_engine_cache_path",
    "trt_engine_cache_prefix",
    "trt_force_sequential_engine_build",
    "trt_force_timing_cache",
    "trt_layer_norm_fp32_fallback",
    "trt_max_partition_iterations",
    "trt_min_subgraph_size",
    "trt_profile_max_shapes",
    "trt_profile_min_shapes",
    "trt_profile_opt_shapes",
    "trt_sparsity_enable",
    "trt_tactic_sources",
    "trt_timing_cache_enable",
    "trt_timing_cache_path",
};

static Error *add_tensorrt_setting(ProviderSettings *settings, const char *key, const char *value)
{
  static const char *const precisions[][2] = {
      {"FP16", "trt_fp16_enable"}, {"BF16", "trt_bf16_enable"}, {"INT8", "trt_int8_enable"}};
  if (strcmp(key, "precision_mode") == 0) {
    if (strcmp(value, "FP32") == 0) return NULL;
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; ++i) {
      if (strcmp(value, precisions[i][0]) == 0) return add_setting(settings, precisions[i][1], "1");
    }
    return fail(TRITONSERVER_ERROR_INVALID_ARG,
                "execution accelerator tensorrt: expected precision_mode FP32, FP16, BF16 or INT8, got \"%s\"", value);
  }
  if (strcmp(key, "trt_cuda_graph_enable") == 0) return refuse_graphs("tensorrt", key, value);
  if (strcmp(key, "max_workspace_size_bytes") == 0) return add_setting(settings, "trt_max_workspace_size", value);
  if (strcmp(key, "int8_calibration_table_name") == 0 || strcmp(key, "int8_use_native_calibration_table") == 0) {
    return fail(TRITONSERVER_ERROR_UNSUPPORTED,
                "execution accelerator tensorrt: parameter %s is not supported, because ONNX Runtime looks for the "
                "table beside the engines and not in the model's folder; for INT8, publish an ONNX file that is "
                "quantized (QuantizeLinear), which needs no table", key);
  }
  for (size_t i = 0; i < sizeof tensorrt_settings / sizeof *tensorrt_settings; ++i) {
    if (strcmp(key, tensorrt_settings[i]) == 0) return add_setting(settings, key, value);
  }
  return fail(TRITONSERVER_ERROR_INVALID_ARG, "execution accelerator tensorrt: parameter %s is not supported", key);
}

/* Addresses of functions or streams are of another process: ONNX Runtime would call them. */
static Error *add_cuda_setting(ProviderSettings *settings, const char *key, const char *value)
{
  if (strncmp(key, "gpu_external_", 13) == 0 || strstr(key, "user_compute_stream") != NULL) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG, "execution accelerator cuda: parameter %s is not supported", key);
  }
  if (strcmp(key, "device_id") == 0) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG,
                "execution accelerator cuda: expected the GPU in instance_group { gpus }, got the parameter device_id");
  }
  if (strcmp(key, "enable_cuda_graph") == 0) return refuse_graphs("cuda", key, value);
  return add_setting(settings, key, value);
}

static Error *read_settings(const Json *accelerator, const char *device,
                            Error *(*add)(ProviderSettings *, const char *key, const char *value),
                            ProviderSettings *settings)
{
  const Json *parameters = json_member(accelerator, "parameters");
  TRY(add_setting(settings, "device_id", device));
  for (const Json *one = json_first(parameters); one != NULL; one = one->next) {
    TRY(add(settings, one->key, one->text != NULL ? one->text : ""));
  }
  return NULL;
}

/* On a GPU: TensorRT where it is asked for, then CUDA, which takes what TensorRT does not. */
static Error *append_gpu(const Runtime *runtime, const Json *accelerators, int32_t device, OrtSessionOptions *options)
{
  const OrtApi *api = runtime->api;
  const Provider tensorrt = {"TensorRT", api->CreateTensorRTProviderOptions, api->UpdateTensorRTProviderOptions,
                             api->SessionOptionsAppendExecutionProvider_TensorRT_V2,
                             api->ReleaseTensorRTProviderOptions};
  const Provider cuda = {"CUDA", api->CreateCUDAProviderOptions, api->UpdateCUDAProviderOptions,
                         api->SessionOptionsAppendExecutionProvider_CUDA_V2, api->ReleaseCUDAProviderOptions};
  const Json *list = json_member(accelerators, "gpu_execution_accelerator"), *cuda_accelerator = NULL;
  char number[16];
  snprintf(number, sizeof number, "%d", (int)device);
  for (const Json *one = json_first(list); one != NULL; one = one->next) {
    const char *name = json_text(one, "name", "");
    if (strcmp(name, "cuda") == 0) {
      cuda_accelerator = one;
    } else if (strcmp(name, "tensorrt") == 0) {
      ProviderSettings settings = {.count = 0};
      TRY(read_settings(one, number, add_tensorrt_setting, &settings));
      TRY(append_provider(runtime, &tensorrt, &settings, options));
    } else {
      return fail(TRITONSERVER_ERROR_INVALID_ARG, "gpu_execution_accelerator: expected cuda or tensorrt, got \"%s\"",
                  name);
    }
  }
  ProviderSettings settings = {.count = 0};
  TRY(read_settings(cuda_accelerator, number, add_cuda_setting, &settings));
  return append_provider(runtime, &cuda, &settings, options);
}

Error *options_apply(const Runtime *runtime, const Model *model, int32_t device, OrtSessionOptions *options)
{
  const Json *accelerators = json_member(json_member(model->config, "optimization"), "execution_accelerators");
  const Json *cpu = json_member(accelerators, "cpu_execution_accelerator");
  TRY(apply_parameters(runtime->api, model, options));
  if (json_count(cpu) > 0) {
    return fail(TRITONSERVER_ERROR_UNSUPPORTED, "cpu_execution_accelerator: expected none, got \"%s\"",
                json_text(cpu->first, "name", ""));
  }
  return device < 0 ? NULL : append_gpu(runtime, accelerators, device, options);
}
