/* An open ONNX file on one device, with its tensors in the order of the configuration. */
#ifndef SLIPWAY_SESSION_H
#define SLIPWAY_SESSION_H

#include "model.h"

typedef struct {
  size_t input;
  size_t axis;
} DimSource;

typedef struct {
  const char *name;
  OrtElementType type;
  TRITONSERVER_DataType triton_type;
  size_t element_bytes; /* 0 for strings */
  size_t rank;
  int64_t *dims;        /* the file's; -1 is variable */
  char **symbols;       /* names of the variable ones, or "" */
  DimSource *sources;   /* of an output: the input's dimension that a variable one equals */
  bool predictable;     /* of an output: its shape follows from those of the inputs */
} Tensor;

enum { ON_CPU = -1 };

typedef struct {
  const Runtime *runtime;
  int32_t device; /* number of a GPU, or ON_CPU */
  OrtSession *ort;
  OrtRunOptions *run_options;
  OrtMemoryInfo *gpu;  /* NULL on the CPU */
  _Atomic bool trusts_shapes; /* predicted shapes were right so far */
  size_t input_count, output_count;
  Tensor *inputs, *outputs;
  const char **input_names, **output_names;
} Session;

/* Open the file, and see that its tensors are those of the configuration. The caller closes what it gets. */
Error *session_open(const Runtime *runtime, const Model *model, int32_t device, Session **session);
void session_close(Session *session);

/* How the session can use a buffer of Triton's as it is; NULL where it cannot. */
const OrtMemoryInfo *session_memory(const Session *session, const Tensor *tensor, const void *buffer,
                                    TRITONSERVER_MemoryType memory_type, int64_t memory_type_id);

#endif
