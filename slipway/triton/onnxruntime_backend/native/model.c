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
  return NULL;
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

void model_free(Model *model)
{
  if (model == NULL) return;
  free(model->path);
  json_free(model->config);
  free(model);
}

const char *model_parameter(const Model *model, const char *key)
{
  return json_text(json_member(json_member(model->config, "parameters"), key), "string_value", NULL);
}
