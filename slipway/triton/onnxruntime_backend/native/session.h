/* An open ONNX file on one device, with its tensors in the order of the configuration. */
#ifndef SLIPWAY_SESSION_H
#define SLIPWAY_SESSION_H

#include "model.h"

enum { ON_CPU = -1 };

typedef struct {
  const char *name; /* the configuration's */
  OrtElementType type;
  TRITONSERVER_DataType triton_type;
  size_t element_bytes; /* 0 for strings */
  size_t rank;
  int64_t *dims;     /* the file's; -1 is variable */
  bool known_shape;  /* known before a run: nothing but the first dimension is variable, and that is the batch */
} Tensor;

typedef struct {
  size_t count;
  Tensor *tensors;
  const char **names;
} Tensors;

typedef struct {
  const Runtime *runtime;
  int32_t device; /* number of a GPU, or ON_CPU */
  OrtSession *ort;
  OrtRunOptions *run_options;
  OrtMemoryInfo *gpu; /* NULL on the CPU */
  Tensors inputs, outputs;
} Session;

/* Open the file, and see that its tensors are those of the configuration. The caller closes what it gets. */
Error *session_open(const Runtime *runtime, const Model *model, int32_t device, Session **session);
void session_close(Session *session);

/* How the session can use a buffer of Triton's as it is; NULL where it cannot. */
const OrtMemoryInfo *session_memory(const Session *session, const Tensor *tensor, const void *buffer,
                                    TRITONSERVER_MemoryType memory_type, int64_t memory_type_id);

#endif
