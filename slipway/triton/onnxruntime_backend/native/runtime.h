/* ONNX Runtime as one process has it: its library, its table of functions, its environment. */
#ifndef SLIPWAY_RUNTIME_H
#define SLIPWAY_RUNTIME_H

#include "error.h"

typedef struct {
  const OrtApi *api;
  OrtEnv *env;
  OrtAllocator *allocator; /* ONNX Runtime's own */
  OrtMemoryInfo *cpu;
  char *library;       /* path */
  const char *version; /* such as 1.32.0; the library's */
} Runtime;

/* Load the library that the environment variable SLIPWAY_ONNXRUNTIME_LIBRARY names. The caller closes what it gets.
 * A model configuration cannot name one: it would run code. */
Error *runtime_open(Runtime **runtime);
void runtime_close(Runtime *runtime);

#endif
