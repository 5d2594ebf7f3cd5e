#define _GNU_SOURCE /* asprintf */
#include "model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Error *read_config(TRITONBACKEND_Model *triton, Model *model)
{
  TRITONSERVER_Message *message = NULL;
  const char *text = NULL;
  size_t length = 0;
  TRY(TRITONBACKEND_ModelConfig(triton, 1, &message));
  Error *error = TRITONSERVER_MessageSerializeToJson(message, &text, &length);
  if (error == NULL && (model->config = json_parse(text, length)) == NULL) {
    error = fail(TRITONSERVER_ERROR_INTERNAL, "the model's configuration cannot be read: expected JSON");
  }
  log_error(TRITONSERVER_MessageDelete(message));
  return error;
}

static Error *find_file(TRITONBACKEND_Model *triton, Model *model)
{
  TRITONBACKEND_ArtifactType kind;
  const char *folder = NULL;
  uint64_t version = 0;
  TRY(TRITONBACKEND_ModelRepository(triton, &kind, &folder));
  TRY(TRITONBACKEND_ModelVersion(triton, &version));
  const char *file = json_text(model->config, "default_model_filename", "model.onnx");
  if (asprintf(&model->path, "%s/%" PRIu64 "/%s", folder, version, file) < 0) {
    model->path = NULL;
    return out_of_memory();
  }
  if (access(model->path, R_OK) == 0) return NULL;
  if (errno == ENOENT) {
    return fail(TRITONSERVER_ERROR_NOT_FOUND, "%s is missing: publish this version again", model->path);
  }
  return fail(TRITONSERVER_ERROR_UNAVAILABLE, "%s cannot be read: %s", model->path, strerror(errno));
}

static Error *read_tensor(const Json *config, bool batches, ConfiguredTensor *tensor)
{
  const Json *reshape = json_member(config, "reshape");
  const Json *dims = reshape != NULL ? json_member(reshape, "shape") : json_member(config, "dims");
  tensor->name = json_text(config, "name", "");
  tensor->type = json_text(config, "data_type", "TYPE_INVALID");
  tensor->rank = json_count(dims) + batches;
  tensor->dims = calloc(tensor->rank + 1, sizeof *tensor->dims);
  if (tensor->dims == NULL) return out_of_memory();
  size_t axis = 0;
  if (batches) tensor->dims[axis++] = -1;
  for (const Json *dim = dims != NULL ? dims->first : NULL; dim != NULL; dim = dim->next) {
    tensor->dims[axis++] = json_integer(dim, -1);
  }
  return NULL;
}

static Error *read_tensors(const Json *config, bool batches, ConfiguredTensors *tensors)
{
  tensors->tensors = calloc(json_count(config) + 1, sizeof *tensors->tensors);
  if (tensors->tensors == NULL) return out_of_memory();
  for (const Json *tensor = config != NULL ? config->first : NULL; tensor != NULL; tensor = tensor->next) {
    TRY(read_tensor(tensor, batches, &tensors->tensors[tensors->count++]));
  }
  return NULL;
}

static Error *read_least_time(Model *model)
{
  const char *text = model_parameter(model, "simulated_batch_ms");
  if (text == NULL) return NULL;
  char *end = NULL;
  double milliseconds = strtod(text, &end);
  if (end == text || *end != '\0' || !(milliseconds >= 0 && milliseconds <= 3.6e6)) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG,
                "parameter simulated_batch_ms: expected milliseconds between 0 and 3600000, got \"%s\"", text);
  }
  model->least_ns = (uint64_t)(milliseconds * 1e6);
  return NULL;
}

static Error *read_model(TRITONBACKEND_Model *triton, Model *model)
{
  TRY(read_config(triton, model));
  TRY(find_file(triton, model));
  TRY(read_least_time(model));
  model->batches = json_integer(json_member(model->config, "max_batch_size"), 0) > 0;
  TRY(read_tensors(json_member(model->config, "input"), model->batches, &model->inputs));
  return read_tensors(json_member(model->config, "output"), model->batches, &model->outputs);
}

Error *model_read(TRITONBACKEND_Model *triton, Model **out)
{
  Model *model = calloc(1, sizeof *model);
  if (model == NULL) return out_of_memory();
  Error *error = read_model(triton, model);
  if (error != NULL) model_free(model);
  else *out = model;
  return error;
}

static void free_tensors(ConfiguredTensors *tensors)
{
  for (size_t i = 0; i < tensors->count; ++i) free(tensors->tensors[i].dims);
  free(tensors->tensors);
}

void model_free(Model *model)
{
  if (model == NULL) return;
  free_tensors(&model->inputs);
  free_tensors(&model->outputs);
  free(model->path);
  json_free(model->config);
  free(model);
}

const char *model_parameter(const Model *model, const char *key)
{
  return json_text(json_member(json_member(model->config, "parameters"), key), "string_value", NULL);
}
