/* Triton's backend functions that are called until an instance is initialized, for a machine that has a GPU: so much of
 * tritonserver as it takes to see the native backend ask for one. The test loads it before the backend. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int code;
  char text[2048];
} Error;

static const char *config, *folder;
static void *backend_state, *model_state, *instance_state;
static int32_t kind;

void describe(const char *new_config, const char *new_folder, int32_t new_kind)
{
  config = new_config;
  folder = new_folder;
  kind = new_kind;
  backend_state = model_state = instance_state = NULL;
}

Error *TRITONSERVER_ErrorNew(int code, const char *text)
{
  Error *error = calloc(1, sizeof *error);
  error->code = code;
  strncpy(error->text, text, sizeof error->text - 1);
  return error;
}

void TRITONSERVER_ErrorDelete(Error *error) { free(error); }
const char *TRITONSERVER_ErrorMessage(Error *error) { return error->text; }
int TRITONSERVER_ErrorCode(Error *error) { return error->code; }

static Error *set(void **place, void *value)
{
  *place = value;
  return NULL;
}

Error *TRITONSERVER_LogMessage(int level, const char *file, int line, const char *text)
{
  (void)level, (void)file, (void)line, (void)text;
  return NULL;
}

Error *TRITONSERVER_MessageSerializeToJson(void *message, const char **base, size_t *size)
{
  (void)message;
  *base = config;
  *size = strlen(config);
  return NULL;
}

Error *TRITONSERVER_MessageDelete(void *message) { return (void)message, NULL; }

Error *TRITONBACKEND_ApiVersion(uint32_t *major, uint32_t *minor)
{
  *major = 1;
  *minor = 19;
  return NULL;
}

Error *TRITONBACKEND_BackendState(void *backend, void **state) { return (void)backend, set(state, backend_state); }
Error *TRITONBACKEND_BackendSetState(void *backend, void *state) { return (void)backend, set(&backend_state, state); }
Error *TRITONBACKEND_ModelState(void *model, void **state) { return (void)model, set(state, model_state); }
Error *TRITONBACKEND_ModelSetState(void *model, void *state) { return (void)model, set(&model_state, state); }
Error *TRITONBACKEND_ModelBackend(void *model, void **backend) { return (void)model, set(backend, NULL); }
Error *TRITONBACKEND_ModelInstanceModel(void *instance, void **model) { return (void)instance, set(model, NULL); }
Error *TRITONBACKEND_ModelConfig(void *model, uint32_t version, void **message)
{
  return (void)model, (void)version, set(message, NULL);
}
Error *TRITONBACKEND_ModelInstanceState(void *instance, void **state)
{
  return (void)instance, set(state, instance_state);
}
Error *TRITONBACKEND_ModelInstanceSetState(void *instance, void *state)
{
  return (void)instance, set(&instance_state, state);
}

Error *TRITONBACKEND_ModelVersion(void *model, uint64_t *version)
{
  (void)model;
  *version = 1;
  return NULL;
}

Error *TRITONBACKEND_ModelRepository(void *model, int *type, const char **location)
{
  (void)model, (void)type;
  *location = folder;
  return NULL;
}

Error *TRITONBACKEND_ModelInstanceKind(void *instance, int32_t *found)
{
  (void)instance;
  *found = kind;
  return NULL;
}

Error *TRITONBACKEND_ModelInstanceDeviceId(void *instance, int32_t *device)
{
  (void)instance;
  *device = 0;
  return NULL;
}

/* Of requests: no instance here gets one. */
#define NEVER(name) \
  void name(void) { abort(); }
NEVER(TRITONBACKEND_InputBuffer)
NEVER(TRITONBACKEND_InputProperties)
NEVER(TRITONBACKEND_ModelInstanceReportBatchStatistics)
NEVER(TRITONBACKEND_ModelInstanceReportStatistics)
NEVER(TRITONBACKEND_OutputBuffer)
NEVER(TRITONBACKEND_RequestInput)
NEVER(TRITONBACKEND_RequestOutputCount)
NEVER(TRITONBACKEND_RequestOutputName)
NEVER(TRITONBACKEND_RequestRelease)
NEVER(TRITONBACKEND_ResponseNew)
NEVER(TRITONBACKEND_ResponseOutput)
NEVER(TRITONBACKEND_ResponseSend)
