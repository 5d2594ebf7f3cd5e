#define _GNU_SOURCE /* clock_gettime */
#include "batch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Where Triton wants an output. */
typedef struct {
  void *buffer;
  TRITONSERVER_MemoryType memory_type;
  int64_t memory_type_id;
} Target;

uint64_t clock_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool wants(const Item *item, const Tensor *output)
{
  uint32_t count = 0;
  bool found = false;
  Error *error = TRITONBACKEND_RequestOutputCount(item->request, &count);
  for (uint32_t i = 0; i < count && error == NULL && !found; ++i) {
    const char *name = NULL;
    error = TRITONBACKEND_RequestOutputName(item->request, i, &name);
    found = error == NULL && strcmp(name, output->name) == 0;
  }
  log_error(error);
  return found;
}

static Error *allocate(const Item *item, const Tensor *output, const int64_t *shape, size_t rank, size_t bytes,
                       Target *target)
{
  TRITONBACKEND_Output *triton = NULL;
  *target = (Target){NULL, TRITONSERVER_MEMORY_CPU, 0};
  TRY(TRITONBACKEND_ResponseOutput(item->response, &triton, output->name, output->triton_type, shape, (uint32_t)rank));
  return TRITONBACKEND_OutputBuffer(triton, &target->buffer, bytes, &target->memory_type, &target->memory_type_id);
}

/* --- the only request of a batch: outputs whose shape is known go straight into its response --- */

static Error *place_output(Worker *worker, const Item *item, size_t index)
{
  const Session *session = worker->session;
  const OrtApi *api = session->runtime->api;
  const Tensor *output = &session->outputs.tensors[index];
  Place *place = &worker->places[index];
  Target target;
  TRY(scratch_reserve(&worker->shape, output->rank * sizeof(int64_t)));
  int64_t *shape = memcpy(worker->shape.data, output->dims, output->rank * sizeof(int64_t));
  if (output->rank > 0 && shape[0] < 0) shape[0] = item->rows;
  if (!count_bytes(shape, output->rank, output->element_bytes, &place->bytes) || place->bytes == 0) return NULL;
  TRY(allocate(item, output, shape, output->rank, place->bytes, &target));
  place->buffer = target.buffer;
  place->memory_type = target.memory_type;
  const OrtMemoryInfo *memory =
      session_memory(session, output, target.buffer, target.memory_type, target.memory_type_id);
  place->direct = memory != NULL;
  if (!place->direct) TRY(scratch_reserve(&place->aside, place->bytes));
  return fail_ort(api, api->CreateTensorWithDataAsOrtValue(
                           place->direct ? memory : session->runtime->cpu,
                           place->direct ? place->buffer : place->aside.data, place->bytes, shape, output->rank,
                           output->type, &worker->outputs[index]));
}

/* In the order of the configuration, until the first whose shape is not known: so the response has that order too. */
static Error *place_outputs(Worker *worker, const Item *item)
{
  for (size_t i = 0; i < worker->session->outputs.count; ++i) {
    const Tensor *output = &worker->session->outputs.tensors[i];
    if (!output->known_shape || output->element_bytes == 0) return NULL;
    if (!wants(item, output)) continue;
    TRY(place_output(worker, item, i));
    if (worker->places[i].buffer == NULL) return NULL;
  }
  return NULL;
}

/* --- from an output of the run to the responses --- */

static Error *read_shape(Worker *worker, OrtValue *value, size_t *rank)
{
  const OrtApi *api = worker->session->runtime->api;
  OrtTensorTypeAndShapeInfo *info = NULL;
  TRY(fail_ort(api, api->GetTensorTypeAndShape(value, &info)));
  Error *error = fail_ort(api, api->GetDimensionsCount(info, rank));
  if (error == NULL) error = scratch_reserve(&worker->shape, *rank * sizeof(int64_t));
  if (error == NULL) error = fail_ort(api, api->GetDimensions(info, worker->shape.data, *rank));
  api->ReleaseTensorTypeAndShapeInfo(info);
  return error;
}

/* An output can be divided if it has a row for each row of the requests. */
static Error *check_rows(Worker *worker, int64_t rows)
{
  for (size_t i = 0; i < worker->session->outputs.count; ++i) {
    size_t rank = 0;
    TRY(read_shape(worker, worker->outputs[i], &rank));
    int64_t found = rank > 0 ? *(const int64_t *)worker->shape.data : 0;
    if (found == rows) continue;
    return fail(TRITONSERVER_ERROR_INTERNAL, "output \"%s\": expected %lld rows, got %lld",
                worker->session->outputs.names[i], (long long)rows, (long long)found);
  }
  return NULL;
}

/* Hand one request its part of an output: the bytes at `data`. */
static Error *give(const Item *item, const Tensor *output, const int64_t *shape, size_t rank, const char *data,
                   size_t bytes)
{
  Target target;
  TRY(allocate(item, output, shape, rank, bytes, &target));
  return copy_bytes(target.buffer, target.memory_type, data, TRITONSERVER_MEMORY_CPU, bytes);
}

/* Where the elements from `first` to `last` are, in bytes. */
static const char *slice(const Worker *worker, const Tensor *output, const char *data, size_t first, size_t last,
                         size_t *bytes)
{
  const size_t *offsets = worker->strings.offsets.data;
  size_t start = output->element_bytes != 0 ? first * output->element_bytes : offsets[first];
  size_t end = output->element_bytes != 0 ? last * output->element_bytes : offsets[last];
  *bytes = end - start;
  return data + start;
}

static Error *divide(Worker *worker, size_t index, Item *items, size_t count)
{
  const OrtApi *api = worker->session->runtime->api;
  const Tensor *output = &worker->session->outputs.tensors[index];
  size_t rank = 0, elements = 0, first = 0;
  void *data = NULL;
  TRY(read_shape(worker, worker->outputs[index], &rank));
  int64_t *shape = worker->shape.data;
  if (!count_bytes(shape, rank, 1, &elements)) return out_of_memory();
  if (output->element_bytes == 0) {
    TRY(strings_write(api, worker->outputs[index], elements, &worker->strings));
    data = worker->strings.text.data;
  } else {
    TRY(fail_ort(api, api->GetTensorMutableData(worker->outputs[index], &data)));
  }
  for (size_t i = 0; i < count; ++i) {
    size_t bytes = 0, last = elements;
    if (count > 1) {
      shape[0] = items[i].rows;
      (void)count_bytes(shape, rank, 1, &last);
      last += first;
    }
    const char *part = slice(worker, output, data, first, last, &bytes);
    first = last;
    if (items[i].error == NULL && wants(&items[i], output)) {
      items[i].error = give(&items[i], output, shape, rank, part, bytes);
    }
  }
  return NULL;
}

static Error *hand_over(Worker *worker, Item *items, size_t count)
{
  for (size_t i = 0; i < worker->session->outputs.count; ++i) {
    const Place *place = &worker->places[i];
    if (place->buffer == NULL) TRY(divide(worker, i, items, count));
    else if (!place->direct) {
      TRY(copy_bytes(place->buffer, place->memory_type, place->aside.data, TRITONSERVER_MEMORY_CPU, place->bytes));
    }
  }
  return NULL;
}

/* --- one run --- */

static int64_t total_rows(const Item *items, size_t count)
{
  int64_t rows = 0;
  for (size_t i = 0; i < count; ++i) rows += items[i].rows;
  return rows;
}

static Error *run(Worker *worker, const Item *items, size_t count)
{
  const Session *session = worker->session;
  const OrtApi *api = session->runtime->api;
  for (size_t i = 0; i < session->inputs.count; ++i) {
    TRY(feed_fill(&worker->feeds[i], session, &session->inputs.tensors[i], items, count));
    worker->inputs[i] = worker->feeds[i].value;
  }
  if (count == 1) TRY(place_outputs(worker, items));
  if (worker->compute_start_ns == 0) worker->compute_start_ns = clock_ns();
  OrtStatus *status = api->Run(session->ort, session->run_options, session->inputs.names, worker->inputs,
                               session->inputs.count, session->outputs.names, session->outputs.count, worker->outputs);
  worker->compute_end_ns = clock_ns();
  TRY(fail_ort(api, status));
  return count > 1 ? check_rows(worker, total_rows(items, count)) : NULL;
}

static void clear(Worker *worker)
{
  const Session *session = worker->session;
  for (size_t i = 0; i < session->inputs.count; ++i) feed_clear(&worker->feeds[i], session);
  for (size_t i = 0; i < session->outputs.count; ++i) {
    worker->places[i].buffer = NULL;
    if (worker->outputs[i] != NULL) session->runtime->api->ReleaseValue(worker->outputs[i]);
    worker->outputs[i] = NULL;
  }
}

static Error *answer_alone(Worker *worker, Item *item)
{
  Error *error = run(worker, item, 1);
  if (error == NULL) error = hand_over(worker, item, 1);
  clear(worker);
  return explain(error, "onnxruntime: ");
}

static void fail_all(Item *items, size_t count, Error *error)
{
  for (size_t i = 0; i < count && error != NULL; ++i) {
    if (items[i].error != NULL) continue;
    items[i].error = fail(TRITONSERVER_ErrorCode(error), "onnxruntime: %s", TRITONSERVER_ErrorMessage(error));
  }
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
}

/* False if the run failed; the responses are then as they were. Once it succeeded they may have outputs. */
static bool answer_together(Worker *worker, Item *items, size_t count)
{
  Error *error = run(worker, items, count);
  bool ran = error == NULL;
  if (ran) fail_all(items, count, hand_over(worker, items, count));
  else TRITONSERVER_ErrorDelete(error);
  clear(worker);
  return ran;
}

/* If the run of several fails, each runs alone: a request that makes it fail costs only itself. */
void worker_answer(Worker *worker, Item *items, size_t count)
{
  worker->compute_start_ns = 0;
  if (count > 1 && worker->batches && answer_together(worker, items, count)) return;
  for (size_t i = 0; i < count; ++i) {
    if (items[i].error == NULL) items[i].error = answer_alone(worker, &items[i]);
  }
  if (worker->compute_start_ns == 0) worker->compute_start_ns = worker->compute_end_ns = clock_ns();
}

Error *worker_open(Worker *worker, Session *session, bool batches)
{
  *worker = (Worker){.session = session, .batches = batches};
  worker->feeds = calloc(session->inputs.count + 1, sizeof *worker->feeds);
  worker->inputs = calloc(session->inputs.count + 1, sizeof *worker->inputs);
  worker->places = calloc(session->outputs.count + 1, sizeof *worker->places);
  worker->outputs = calloc(session->outputs.count + 1, sizeof *worker->outputs);
  return worker->feeds && worker->inputs && worker->places && worker->outputs ? NULL : out_of_memory();
}

void worker_close(Worker *worker)
{
  for (size_t i = 0; worker->feeds != NULL && i < worker->session->inputs.count; ++i) feed_free(&worker->feeds[i]);
  for (size_t i = 0; worker->places != NULL && i < worker->session->outputs.count; ++i) {
    scratch_free(&worker->places[i].aside);
  }
  free(worker->feeds);
  free(worker->inputs);
  free(worker->places);
  free(worker->outputs);
  scratch_free(&worker->shape);
  scratch_free(&worker->strings.text);
  scratch_free(&worker->strings.offsets);
}
