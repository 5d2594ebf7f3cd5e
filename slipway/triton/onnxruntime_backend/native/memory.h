/* Buffers, on the CPU and on a GPU. */
#ifndef SLIPWAY_MEMORY_H
#define SLIPWAY_MEMORY_H

#include "error.h"

typedef struct {
  void *data; /* aligned for every element type */
  size_t capacity;
} Scratch;

/* Make room for `bytes`; what was in there may be gone. */
Error *scratch_reserve(Scratch *scratch, size_t bytes);
void scratch_free(Scratch *scratch);

/* Copy between any two kinds of memory. */
Error *copy_bytes(void *to, TRITONSERVER_MemoryType to_type, const void *from, TRITONSERVER_MemoryType from_type,
                  size_t bytes);

/* The bytes of a tensor of this shape. False where they are more than a size can be, or a dimension is below 0. */
bool count_bytes(const int64_t *shape, size_t rank, size_t element_bytes, size_t *bytes);

#endif
