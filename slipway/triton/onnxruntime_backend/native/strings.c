#include "strings.h"

#include <string.h>

enum { LENGTH_BYTES = 4 };

static size_t read_length(const char *bytes)
{
  const unsigned char *digits = (const unsigned char *)bytes;
  return (size_t)digits[0] | (size_t)digits[1] << 8 | (size_t)digits[2] << 16 | (size_t)digits[3] << 24;
}

static void write_length(char *bytes, size_t length)
{
  for (int digit = 0; digit < LENGTH_BYTES; ++digit) bytes[digit] = (char)(length >> (8 * digit));
}

Error *strings_read(const OrtApi *api, const char *bytes, size_t length, OrtValue *tensor, size_t first, size_t count)
{
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    char *element = NULL;
    size_t size = length - at >= LENGTH_BYTES ? read_length(bytes + at) : 0;
    if (length - at < LENGTH_BYTES || size > length - at - LENGTH_BYTES) {
      return fail(TRITONSERVER_ERROR_INVALID_ARG, "expected %zu strings, got %zu", count, i);
    }
    TRY(fail_ort(api, api->GetResizedStringTensorElementBuffer(tensor, first + i, size, &element)));
    memcpy(element, bytes + at + LENGTH_BYTES, size);
    at += LENGTH_BYTES + size;
  }
  if (at == length) return NULL;
  return fail(TRITONSERVER_ERROR_INVALID_ARG, "expected %zu strings, got %zu bytes more", count, length - at);
}

/* ONNX Runtime gives the strings one behind the other; from the last one on they are moved to where they belong. */
Error *strings_write(const OrtApi *api, const OrtValue *tensor, size_t count, Strings *strings)
{
  size_t bytes = 0;
  TRY(fail_ort(api, api->GetStringTensorDataLength(tensor, &bytes)));
  TRY(scratch_reserve(&strings->text, bytes + LENGTH_BYTES * count));
  TRY(scratch_reserve(&strings->offsets, (count + 1) * sizeof(size_t)));
  char *text = strings->text.data;
  size_t *offsets = strings->offsets.data;
  if (count > 0) TRY(fail_ort(api, api->GetStringTensorContent(tensor, text, bytes, offsets, count)));
  offsets[count] = bytes;
  for (size_t i = count; i-- > 0;) {
    size_t length = offsets[i + 1] - offsets[i], to = offsets[i] + LENGTH_BYTES * i;
    memmove(text + to + LENGTH_BYTES, text + offsets[i], length);
    write_length(text + to, length);
    offsets[i + 1] += LENGTH_BYTES * (i + 1);
  }
  return NULL;
}

