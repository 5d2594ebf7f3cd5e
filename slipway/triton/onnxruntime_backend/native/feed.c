#include "feed.h"

#include <string.h>

/* What one request has of an input. */
typedef struct {
  TRITONBACKEND_Input *input;
  const int64_t *shape;
  uint32_t rank;
  uint64_t bytes;
  uint32_t buffers;
} Piece;

static Error *read_piece(const Tensor *tensor, TRITONBACKEND_Request *request, Piece *piece)
{
  TRITONSERVER_DataType type;
  size_t expected = 0;
  TRY(TRITONBACKEND_RequestInput(request, tensor->name, &piece->input));
  TRY(TRITONBACKEND_InputProperties(piece->input, NULL, &type, &piece->shape, &piece->rank, &piece->bytes,
                                    &piece->buffers));
  if (type != tensor->triton_type) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG, "input \"%s\" is of another data type than the model's", tensor->name);
  }
  bool counted = count_bytes(piece->shape, piece->rank, tensor->element_bytes, &expected);
  if (!counted || (tensor->element_bytes != 0 && expected != piece->bytes)) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG, "input \"%s\": expected %zu bytes, got %llu", tensor->name, expected,
                (unsigned long long)piece->bytes);
  }
  return NULL;
}

static Error *require_rows(const Tensor *tensor, const Piece *piece)
{
  if (piece->rank > 0) return NULL;
  return fail(TRITONSERVER_ERROR_INVALID_ARG, "input \"%s\": expected a batch dimension, got none", tensor->name);
}

Error *feed_count_rows(const Tensor *tensor, TRITONBACKEND_Request *request, int64_t *rows)
{
  Piece piece;
  TRY(read_piece(tensor, request, &piece));
  TRY(require_rows(tensor, &piece));
  *rows = piece.shape[0];
  return NULL;
}

/* Requests share a batch if they differ in nothing but their number of rows. */
static Error *add_rows(const Tensor *tensor, Feed *feed, const Piece *piece)
{
  int64_t *shape = feed->shape.data;
  if (piece->rank != feed->rank || memcmp(shape + 1, piece->shape + 1, (feed->rank - 1) * sizeof *shape) != 0) {
    return fail(TRITONSERVER_ERROR_INVALID_ARG, "input \"%s\" differs in shape between requests", tensor->name);
  }
  shape[0] += piece->shape[0];
  return NULL;
}

static Error *read_pieces(Feed *feed, const Tensor *tensor, const Item *items, size_t count, size_t *bytes)
{
  TRY(scratch_reserve(&feed->pieces, count * sizeof(Piece)));
  Piece *pieces = feed->pieces.data;
  *bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    TRY(read_piece(tensor, items[i].request, &pieces[i]));
    if (count > 1) TRY(require_rows(tensor, &pieces[i]));
    if (i == 0) {
      feed->rank = pieces[i].rank;
      TRY(scratch_reserve(&feed->shape, feed->rank * sizeof *pieces[i].shape));
      memcpy(feed->shape.data, pieces[i].shape, feed->rank * sizeof *pieces[i].shape);
    } else {
      TRY(add_rows(tensor, feed, &pieces[i]));
    }
    if (count > 1 && pieces[i].shape[0] != items[i].rows) {
      return fail(TRITONSERVER_ERROR_INVALID_ARG, "input \"%s\": expected a batch of %lld, got %lld", tensor->name,
                  (long long)items[i].rows, (long long)pieces[i].shape[0]);
    }
    *bytes += pieces[i].bytes;
  }
  return NULL;
}

static Error *append_buffers(const Piece *piece, char *to)
{
  for (uint32_t i = 0; i < piece->buffers; ++i) {
    const void *buffer = NULL;
    uint64_t bytes = 0;
    TRITONSERVER_MemoryType memory_type = TRITONSERVER_MEMORY_CPU;
    int64_t memory_type_id = 0;
    TRY(TRITONBACKEND_InputBuffer(piece->input, i, &buffer, &bytes, &memory_type, &memory_type_id));
    TRY(copy_bytes(to, TRITONSERVER_MEMORY_CPU, buffer, memory_type, bytes));
    to += bytes;
  }
  return NULL;
}

static Error *gather(Feed *feed, size_t count, size_t bytes)
{
  const Piece *pieces = feed->pieces.data;
  TRY(scratch_reserve(&feed->data, bytes));
  char *to = feed->data.data;
  for (size_t i = 0; i < count; ++i) {
    TRY(append_buffers(&pieces[i], to));
    to += pieces[i].bytes;
  }
  return NULL;
}

static Error *fill_strings(Feed *feed, const Session *session, const Tensor *tensor, size_t count, size_t bytes)
{
  const Runtime *runtime = session->runtime;
  const Piece *pieces = feed->pieces.data;
  size_t first = 0;
  TRY(gather(feed, count, bytes));
  TRY(fail_ort(runtime->api, runtime->api->CreateTensorAsOrtValue(runtime->allocator, feed->shape.data, feed->rank,
                                                                  tensor->type, &feed->value)));
  const char *text = feed->data.data;
  for (size_t i = 0; i < count; ++i) {
    size_t strings = 0;
    (void)count_bytes(pieces[i].shape, pieces[i].rank, 1, &strings);
    TRY(explain(strings_read(runtime->api, text, pieces[i].bytes, feed->value, first, strings), "input \"%s\": ",
                tensor->name));
    text += pieces[i].bytes;
    first += strings;
  }
  return NULL;
}

/* The only buffer of the only request, if ONNX Runtime can read it where it is; else `memory` stays. */
static Error *borrow(const Piece *piece, const Session *session, const Tensor *tensor, void **data,
                     const OrtMemoryInfo **memory)
{
  const void *buffer = NULL;
  uint64_t bytes = 0;
  int64_t memory_type_id = 0;
  TRITONSERVER_MemoryType memory_type = session->device == ON_CPU ? TRITONSERVER_MEMORY_CPU : TRITONSERVER_MEMORY_GPU;
  if (piece->buffers != 1) return NULL;
  TRY(TRITONBACKEND_InputBuffer(piece->input, 0, &buffer, &bytes, &memory_type, &memory_type_id));
  *memory = session_memory(session, tensor, buffer, memory_type, memory_type_id);
  *data = (void *)buffer; /* ONNX Runtime only reads an input */
  return NULL;
}

Error *feed_fill(Feed *feed, const Session *session, const Tensor *tensor, const Item *items, size_t count)
{
  const Runtime *runtime = session->runtime;
  const OrtMemoryInfo *memory = NULL;
  void *data = NULL;
  size_t bytes = 0;
  TRY(read_pieces(feed, tensor, items, count, &bytes));
  if (tensor->element_bytes == 0) return fill_strings(feed, session, tensor, count, bytes);
  if (count == 1) TRY(borrow(feed->pieces.data, session, tensor, &data, &memory));
  if (memory == NULL) {
    TRY(gather(feed, count, bytes));
    data = feed->data.data;
    memory = runtime->cpu;
  }
  return fail_ort(runtime->api,
                  runtime->api->CreateTensorWithDataAsOrtValue(memory, data, bytes, feed->shape.data, feed->rank,
                                                               tensor->type, &feed->value));
}

void feed_clear(Feed *feed, const Session *session)
{
  if (feed->value != NULL) session->runtime->api->ReleaseValue(feed->value);
  feed->value = NULL;
}

void feed_free(Feed *feed)
{
  scratch_free(&feed->pieces);
  scratch_free(&feed->shape);
  scratch_free(&feed->data);
}
