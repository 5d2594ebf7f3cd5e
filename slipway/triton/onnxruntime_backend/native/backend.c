/* The functions that Triton calls. Who owns what:
 *
 *   backend   one Runtime for the process
 *   model     its Model, and one Session for each device that an instance runs on
 *   instance  a Worker and an Activity; it uses the Session of its device
 *
 * Instances of a device share a session: ONNX Runtime's sessions can run in several threads at once, and a second one
 * would hold the weights, the arena and the threads a second time.
 */
#define _GNU_SOURCE /* clock_nanosleep */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "activity.h"
#include "batch.h"

typedef struct OpenSession OpenSession;

struct OpenSession {
  Session *session;
  OpenSession *next;
};

typedef struct {
  const Runtime *runtime;
  Model *model;
  pthread_mutex_t lock; /* of `sessions` */
  OpenSession *sessions;
} ModelState;

typedef struct {
  TRITONBACKEND_ModelInstance *triton;
  const Model *model;
  Worker worker;
  Activity activity;
  Scratch items;
} Instance;

/* --- backend --- */

TRITONBACKEND_EXPORT Error *TRITONBACKEND_Initialize(TRITONBACKEND_Backend *backend)
{
  uint32_t major = 0, minor = 0;
  Runtime *runtime = NULL;
  TRY(TRITONBACKEND_ApiVersion(&major, &minor));
  if (major != TRITONBACKEND_API_MAJOR || minor < TRITONBACKEND_API_MINOR) {
    return fail(TRITONSERVER_ERROR_UNSUPPORTED, "expected a tritonserver with backend API %d.%d or later, got %u.%u",
                TRITONBACKEND_API_MAJOR, TRITONBACKEND_API_MINOR, major, minor);
  }
  TRY(runtime_open(&runtime));
  Error *error = TRITONBACKEND_BackendSetState(backend, runtime);
  if (error != NULL) runtime_close(runtime);
  return error;
}

TRITONBACKEND_EXPORT Error *TRITONBACKEND_Finalize(TRITONBACKEND_Backend *backend)
{
  void *runtime = NULL;
  TRY(TRITONBACKEND_BackendState(backend, &runtime));
  runtime_close(runtime);
  return NULL;
}

/* --- model --- */

static void close_model(ModelState *state)
{
  while (state->sessions != NULL) {
    OpenSession *open = state->sessions;
    state->sessions = open->next;
    session_close(open->session);
    free(open);
  }
  pthread_mutex_destroy(&state->lock);
  model_free(state->model);
  free(state);
}

static Error *open_model(TRITONBACKEND_Model *model, ModelState *state)
{
  TRITONBACKEND_Backend *backend = NULL;
  void *runtime = NULL;
  TRY(TRITONBACKEND_ModelBackend(model, &backend));
  TRY(TRITONBACKEND_BackendState(backend, &runtime));
  state->runtime = runtime;
  TRY(model_read(model, &state->model));
  return TRITONBACKEND_ModelSetState(model, state);
}

TRITONBACKEND_EXPORT Error *TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model *model)
{
  ModelState *state = calloc(1, sizeof *state);
  if (state == NULL) return out_of_memory();
  pthread_mutex_init(&state->lock, NULL);
  Error *error = open_model(model, state);
  if (error != NULL) close_model(state);
  return error;
}

TRITONBACKEND_EXPORT Error *TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model *model)
{
  void *state = NULL;
  TRY(TRITONBACKEND_ModelState(model, &state));
  if (state != NULL) close_model(state); /* NULL where it was not initialized: Triton finalizes it all the same */
  return NULL;
}

static Error *find_session(ModelState *state, int32_t device, Session **session)
{
  OpenSession *open = state->sessions;
  while (open != NULL && open->session->device != device) open = open->next;
  if (open == NULL) {
    if ((open = calloc(1, sizeof *open)) == NULL) return out_of_memory();
    Error *error = session_open(state->runtime, state->model, device, &open->session);
    if (error != NULL) {
      free(open);
      return error;
    }
    open->next = state->sessions;
    state->sessions = open;
  }
  *session = open->session;
  return NULL;
}

/* --- instance --- */

static void close_instance(Instance *instance)
{
  if (instance->worker.session != NULL) worker_close(&instance->worker);
  activity_close(&instance->activity);
  scratch_free(&instance->items);
  free(instance);
}

static Error *open_instance(Instance *instance)
{
  TRITONSERVER_InstanceGroupKind kind = TRITONSERVER_INSTANCEGROUPKIND_AUTO;
  TRITONBACKEND_Model *model = NULL;
  int32_t device = ON_CPU;
  void *state = NULL;
  Session *session = NULL;
  TRY(TRITONBACKEND_ModelInstanceModel(instance->triton, &model));
  TRY(TRITONBACKEND_ModelState(model, &state));
  TRY(TRITONBACKEND_ModelInstanceKind(instance->triton, &kind));
  if (kind == TRITONSERVER_INSTANCEGROUPKIND_GPU) {
    TRY(TRITONBACKEND_ModelInstanceDeviceId(instance->triton, &device));
  }
  ModelState *own = state;
  instance->model = own->model;
  pthread_mutex_lock(&own->lock);
  Error *error = find_session(own, device, &session);
  pthread_mutex_unlock(&own->lock);
  TRY(error);
  TRY(worker_open(&instance->worker, session, own->model->batches));
  activity_open(&instance->activity);
  return TRITONBACKEND_ModelInstanceSetState(instance->triton, instance);
}

TRITONBACKEND_EXPORT Error *TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance *triton)
{
  Instance *instance = calloc(1, sizeof *instance);
  if (instance == NULL) return out_of_memory();
  instance->triton = triton;
  Error *error = open_instance(instance);
  if (error != NULL) close_instance(instance);
  return error;
}

TRITONBACKEND_EXPORT Error *TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance *triton)
{
  void *instance = NULL;
  TRY(TRITONBACKEND_ModelInstanceState(triton, &instance));
  if (instance != NULL) close_instance(instance);
  return NULL;
}

/* --- a batch of requests --- */

static Error *take(const Instance *instance, Item *item)
{
  const Session *session = instance->worker.session;
  item->rows = 1;
  TRY(TRITONBACKEND_ResponseNew(&item->response, item->request));
  if (!instance->model->batches || session->inputs.count == 0) return NULL;
  return feed_count_rows(&session->inputs.tensors[0], item->request, &item->rows);
}

/* Without a response the client would wait for ever: where there was no memory for one, there may be some now. */
static void send_response(Item *item)
{
  if (item->response == NULL) {
    Error *error = TRITONBACKEND_ResponseNew(&item->response, item->request);
    if (error != NULL) {
      log_error(explain(error, "a request is not answered: "));
      return;
    }
  }
  log_error(TRITONBACKEND_ResponseSend(item->response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, item->error));
  item->response = NULL;
}

static void wait_until(uint64_t time_ns)
{
  struct timespec until = {.tv_sec = (time_t)(time_ns / 1000000000u), .tv_nsec = (long)(time_ns % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) continue;
}

/* Answered first and counted then: the client need not wait for the counting. */
static void count_and_release(Instance *instance, Item *items, size_t count, uint64_t start_ns)
{
  const Worker *worker = &instance->worker;
  uint64_t end_ns = clock_ns(), rows = 0;
  for (size_t i = 0; i < count; ++i) {
    rows += (uint64_t)items[i].rows;
    log_error(TRITONBACKEND_ModelInstanceReportStatistics(instance->triton, items[i].request, items[i].error == NULL,
                                                          start_ns, worker->compute_start_ns, worker->compute_end_ns,
                                                          end_ns));
    if (items[i].error != NULL) TRITONSERVER_ErrorDelete(items[i].error);
    log_error(TRITONBACKEND_RequestRelease(items[i].request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  log_error(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance->triton, rows, start_ns,
                                                             worker->compute_start_ns, worker->compute_end_ns, end_ns));
}

static void execute(Instance *instance, Item *items, TRITONBACKEND_Request **requests, size_t count)
{
  uint64_t start_ns = clock_ns();
  for (size_t i = 0; i < count; ++i) {
    items[i] = (Item){.request = requests[i]};
    items[i].error = take(instance, &items[i]);
  }
  worker_answer(&instance->worker, items, count);
  if (instance->model->least_ns > 0) {
    wait_until(start_ns + instance->model->least_ns);
    instance->worker.compute_end_ns = clock_ns();
  }
  for (size_t i = 0; i < count; ++i) send_response(&items[i]);
  count_and_release(instance, items, count, start_ns);
}

TRITONBACKEND_EXPORT Error *TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance *triton,
                                                               TRITONBACKEND_Request **requests, const uint32_t count)
{
  void *state = NULL;
  TRY(TRITONBACKEND_ModelInstanceState(triton, &state));
  Instance *instance = state;
  TRY(scratch_reserve(&instance->items, count * sizeof(Item)));
  activity_count(&instance->activity);
  execute(instance, instance->items.data, requests, count);
  activity_count(&instance->activity);
  return NULL;
}
