#define _GNU_SOURCE /* vasprintf */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The names that ONNX Runtime's Python package shows, by code. */
static const char *const ort_codes[] = {
    "OK", "FAIL", "INVALID_ARGUMENT", "NO_SUCHFILE", "NO_MODEL", "ENGINE_ERROR",
    "RUNTIME_EXCEPTION", "INVALID_PROTOBUF", "MODEL_LOADED", "NOT_IMPLEMENTED", "INVALID_GRAPH", "EP_FAIL",
};

static Error *new_error(TRITONSERVER_Error_Code code, char *text)
{
  for (char *at = text; *at != '\0'; ++at) {
    if ((unsigned char)*at < ' ' || *at == 0x7f) *at = ' ';
  }
  return TRITONSERVER_ErrorNew(code, text);
}

static char *format_text(const char *format, va_list values)
{
  char *text = NULL;
  if (vasprintf(&text, format, values) < 0) return NULL;
  return text;
}

Error *out_of_memory(void)
{
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_UNAVAILABLE, "onnxruntime: out of memory");
}

Error *fail(TRITONSERVER_Error_Code code, const char *format, ...)
{
  va_list values;
  va_start(values, format);
  char *text = format_text(format, values);
  va_end(values);
  if (text == NULL) return out_of_memory();
  Error *error = new_error(code, text);
  free(text);
  return error;
}

Error *fail_ort(const OrtApi *api, OrtStatus *status)
{
  if (status == NULL) return NULL;
  size_t code = (size_t)api->GetErrorCode(status);
  const char *name = code < sizeof ort_codes / sizeof *ort_codes ? ort_codes[code] : "FAIL";
  Error *error = fail(TRITONSERVER_ERROR_INTERNAL, "%s: %s", name, api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return error;
}

Error *explain(Error *error, const char *format, ...)
{
  if (error == NULL) return NULL;
  va_list values;
  va_start(values, format);
  char *text = format_text(format, values);
  va_end(values);
  if (text == NULL) return error;
  Error *longer = fail(TRITONSERVER_ErrorCode(error), "%s%s", text, TRITONSERVER_ErrorMessage(error));
  free(text);
  TRITONSERVER_ErrorDelete(error);
  return longer;
}

void log_error(Error *error)
{
  if (error == NULL) return;
  Error *unlogged = TRITONSERVER_LogMessage(TRITONSERVER_LOG_ERROR, "onnxruntime", 0, TRITONSERVER_ErrorMessage(error));
  if (unlogged != NULL) TRITONSERVER_ErrorDelete(unlogged);
  TRITONSERVER_ErrorDelete(error);
}
