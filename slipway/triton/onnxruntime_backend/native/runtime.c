#define _GNU_SOURCE /* strdup */
#include "runtime.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char library_variable[] = "SLIPWAY_ONNXRUNTIME_LIBRARY";

/* ONNX Runtime's own lines go into the server's log, in its format. */
static void log_line(void *context, int severity, const char *category, const char *id, const char *location,
                     const char *message)
{
  (void)context, (void)category, (void)id, (void)location;
  Error *line = fail(TRITONSERVER_ERROR_INTERNAL, "onnxruntime: %s", message);
  TRITONSERVER_LogLevel level = severity >= ORT_LOG_ERROR ? TRITONSERVER_LOG_ERROR : TRITONSERVER_LOG_WARN;
  Error *unlogged = TRITONSERVER_LogMessage(level, "onnxruntime", 0, TRITONSERVER_ErrorMessage(line));
  if (unlogged != NULL) TRITONSERVER_ErrorDelete(unlogged);
  TRITONSERVER_ErrorDelete(line);
}

static Error *load_library(Runtime *runtime)
{
  const char *path = getenv(library_variable);
  if (path == NULL || path[0] == '\0') {
    return fail(TRITONSERVER_ERROR_UNAVAILABLE, "expected the path of libonnxruntime.so in %s, got none",
                library_variable);
  }
  if ((runtime->library = strdup(path)) == NULL) return out_of_memory();
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    return fail(TRITONSERVER_ERROR_UNAVAILABLE, "expected ONNX Runtime's library in %s: %s", library_variable,
                dlerror());
  }
  /* Never closed: threads of it may still run when the last session has ended. */
  const OrtApiBase *(*get_base)(void) = NULL;
  *(void **)&get_base = dlsym(library, "OrtGetApiBase");
  if (get_base == NULL) {
    return fail(TRITONSERVER_ERROR_UNAVAILABLE, "expected ONNX Runtime's library in %s, got %s, which has no "
                "OrtGetApiBase", library_variable, path);
  }
  runtime->version = get_base()->GetVersionString();
  runtime->api = get_base()->GetApi(ORT_API_VERSION);
  if (runtime->api == NULL) {
    return fail(TRITONSERVER_ERROR_UNAVAILABLE, "expected ONNX Runtime 1.%d or later in %s, got %s: %s",
                ORT_API_VERSION, library_variable, runtime->version, path);
  }
  return NULL;
}

static Error *create_environment(Runtime *runtime)
{
  const OrtApi *api = runtime->api;
  TRY(fail_ort(api, api->CreateEnvWithCustomLogger(log_line, NULL, ORT_LOG_WARNING, "slipway", &runtime->env)));
  TRY(fail_ort(api, api->GetAllocatorWithDefaultOptions(&runtime->allocator)));
  return fail_ort(api, api->CreateMemoryInfo("Cpu", ORT_DEVICE_ALLOCATOR, 0, ORT_MEMORY_DEFAULT, &runtime->cpu));
}

Error *runtime_open(Runtime **out)
{
  Runtime *runtime = calloc(1, sizeof *runtime);
  if (runtime == NULL) return out_of_memory();
  Error *error = load_library(runtime);
  if (error == NULL) error = create_environment(runtime);
  if (error != NULL) runtime_close(runtime);
  else *out = runtime;
  return error;
}

void runtime_close(Runtime *runtime)
{
  if (runtime == NULL) return;
  if (runtime->cpu != NULL) runtime->api->ReleaseMemoryInfo(runtime->cpu);
  if (runtime->env != NULL) runtime->api->ReleaseEnv(runtime->env);
  free(runtime->library);
  free(runtime);
}
