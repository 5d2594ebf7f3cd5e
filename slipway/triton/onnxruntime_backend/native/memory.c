#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "memory.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, CUDA_MEMCPY_DEFAULT = 4 };

Error *scratch_reserve(Scratch *scratch, size_t bytes)
{
  if (bytes <= scratch->capacity && scratch->data != NULL) return NULL;
  size_t capacity = bytes / ALIGNMENT * ALIGNMENT + ALIGNMENT;
  void *data = capacity > bytes ? aligned_alloc(ALIGNMENT, capacity) : NULL;
  if (data == NULL) return out_of_memory();
  free(scratch->data);
  *scratch = (Scratch){data, capacity};
  return NULL;
}

void scratch_free(Scratch *scratch)
{
  free(scratch->data);
  *scratch = (Scratch){NULL, 0};
}

/* A tritonserver with GPU support has CUDA's runtime in it; nothing of CUDA is linked to this library. */
static Error *copy_by_cuda(void *to, const void *from, size_t bytes)
{
  int (*copy)(void *, const void *, size_t, int) = NULL;
  *(void **)&copy = dlsym(RTLD_DEFAULT, "cudaMemcpy");
  if (copy == NULL) {
    return fail(TRITONSERVER_ERROR_UNSUPPORTED, "a tensor is in GPU memory, but this server is built without CUDA");
  }
  int code = copy(to, from, bytes, CUDA_MEMCPY_DEFAULT);
  return code == 0 ? NULL : fail(TRITONSERVER_ERROR_INTERNAL, "cudaMemcpy failed with error %d", code);
}

Error *copy_bytes(void *to, TRITONSERVER_MemoryType to_type, const void *from, TRITONSERVER_MemoryType from_type,
                  size_t bytes)
{
  if (bytes == 0) return NULL;
  if (to_type == TRITONSERVER_MEMORY_GPU || from_type == TRITONSERVER_MEMORY_GPU) return copy_by_cuda(to, from, bytes);
  memcpy(to, from, bytes);
  return NULL;
}

bool count_bytes(const int64_t *shape, size_t rank, size_t element_bytes, size_t *bytes)
{
  *bytes = element_bytes;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (shape[axis] < 0 || __builtin_mul_overflow(*bytes, (size_t)shape[axis], bytes)) return false;
  }
  return true;
}
