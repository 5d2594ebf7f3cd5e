/* Errors as Triton takes them: NULL is success; every text is one line. */
#ifndef SLIPWAY_ERROR_H
#define SLIPWAY_ERROR_H

#include "onnxruntime_api.h"
#include "triton_api.h"

typedef TRITONSERVER_Error Error;

/* Return the error of `expression` from this function, if there is one. */
#define TRY(expression)                 \
  do {                                  \
    Error *try_error = (expression);    \
    if (try_error != NULL) return try_error; \
  } while (0)

Error *fail(TRITONSERVER_Error_Code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What ONNX Runtime says of `status`, which is released; NULL for NULL. */
Error *fail_ort(const OrtApi *api, OrtStatus *status);

/* `error` with `format` before its text; takes it over. */
Error *explain(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where nobody can be answered: into the server's log. Takes the error over, NULL does nothing. */
void log_error(Error *error);

Error *out_of_memory(void);

#endif
