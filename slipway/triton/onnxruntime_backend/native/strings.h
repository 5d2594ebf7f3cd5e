/* Tensors of strings: Triton's have each element behind its length, 4 bytes, little-endian. */
#ifndef SLIPWAY_STRINGS_H
#define SLIPWAY_STRINGS_H

#include "memory.h"
#include "runtime.h"

/* Write the `count` elements at `bytes` into `tensor` from element `first` on. */
Error *strings_read(const OrtApi *api, const char *bytes, size_t length, OrtValue *tensor, size_t first, size_t count);

/* All of a tensor's strings in Triton's form. */
typedef struct {
  Scratch text;
  Scratch offsets; /* where each of the strings starts in `text`, and where the last one ends: size_t */
} Strings;

Error *strings_write(const OrtApi *api, const OrtValue *tensor, size_t count, Strings *strings);

#endif
