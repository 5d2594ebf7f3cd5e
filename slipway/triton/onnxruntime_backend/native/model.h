/* A model as Triton's configuration describes it, before its file is read. */
#ifndef SLIPWAY_MODEL_H
#define SLIPWAY_MODEL_H

#include "json.h"
#include "runtime.h"

typedef struct {
  Json *config;
  char *path; /* of the ONNX file */
  bool batches;
  uint64_t least_ns; /* what a batch takes at least: simulated_batch_ms */
} Model;

/* The caller frees what it gets with model_free. */
Error *model_read(TRITONBACKEND_Model *triton, Model **model);
void model_free(Model *model);

/* A value of `parameters`; NULL where it is not there. */
const char *model_parameter(const Model *model, const char *key);

#endif
