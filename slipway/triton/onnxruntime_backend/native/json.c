#define _GNU_SOURCE /* strndup, strdup */
#include "json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64 };

typedef struct {
  const char *at;
  const char *end;
} Reader;

static Json *read_value(Reader *reader, int depth);

static void skip_space(Reader *reader)
{
  while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL) ++reader->at;
}

static bool take(Reader *reader, char expected)
{
  skip_space(reader);
  if (reader->at >= reader->end || *reader->at != expected) return false;
  ++reader->at;
  return true;
}

/* Writes the UTF-8 of `code`, at most 3 bytes: a surrogate stays a surrogate, for names need none. */
static char *put_code_point(char *out, unsigned long code)
{
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xc0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3f));
  } else {
    *out++ = (char)(0xe0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    *out++ = (char)(0x80 | (code & 0x3f));
  }
  return out;
}

/* Behind a backslash. NULL where it is no escape. */
static char *read_escape(Reader *reader, char *out)
{
  static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
  char letter = *reader->at++;
  const char *found = strchr(letters, letter);
  if (letter == 'u') {
    char digits[5] = "";
    if (reader->end - reader->at < 4) return NULL;
    memcpy(digits, reader->at, 4);
    reader->at += 4;
    return put_code_point(out, strtoul(digits, NULL, 16));
  }
  *out++ = found != NULL && letter != '\0' ? meanings[found - letters] : letter;
  return out;
}

/* Behind the opening quote. An escape is never longer than what it stands for. */
static char *read_string(Reader *reader)
{
  char *text = malloc((size_t)(reader->end - reader->at) + 1), *out = text;
  while (out != NULL && reader->at < reader->end) {
    char letter = *reader->at++;
    if (letter == '"') {
      *out = '\0';
      char *shorter = realloc(text, (size_t)(out - text) + 1);
      return shorter != NULL ? shorter : text;
    }
    if (letter != '\\') *out++ = letter;
    else if (reader->at < reader->end) out = read_escape(reader, out);
  }
  free(text);
  return NULL;
}

static char *read_word(Reader *reader)
{
  const char *start = reader->at;
  while (reader->at < reader->end && strchr(",]} \t\r\n", *reader->at) == NULL) ++reader->at;
  return start == reader->at ? NULL : strndup(start, (size_t)(reader->at - start));
}

static bool read_members(Reader *reader, Json *parent, bool keys, int depth)
{
  char closing = keys ? '}' : ']';
  Json **tail = &parent->first;
  if (take(reader, closing)) return true;
  do {
    char *key = NULL;
    if (keys && !(take(reader, '"') && (key = read_string(reader)) != NULL && take(reader, ':'))) {
      free(key);
      return false;
    }
    if ((*tail = read_value(reader, depth + 1)) == NULL) {
      free(key);
      return false;
    }
    (*tail)->key = key;
    tail = &(*tail)->next;
  } while (take(reader, ','));
  return take(reader, closing);
}

static Json *read_value(Reader *reader, int depth)
{
  Json *value = calloc(1, sizeof *value);
  bool whole = value != NULL && depth < DEEPEST;
  if (!whole) {
    free(value);
    return NULL;
  }
  if (take(reader, '{')) whole = read_members(reader, value, true, depth);
  else if (take(reader, '[')) whole = read_members(reader, value, false, depth);
  else whole = (value->text = take(reader, '"') ? read_string(reader) : read_word(reader)) != NULL;
  if (whole) return value;
  json_free(value);
  return NULL;
}

Json *json_parse(const char *text, size_t length)
{
  Reader reader = {text, text + length};
  return read_value(&reader, 0);
}

void json_free(Json *value)
{
  while (value != NULL) {
    Json *next = value->next;
    json_free(value->first);
    free(value->key);
    free(value->text);
    free(value);
    value = next;
  }
}

const Json *json_first(const Json *value)
{
  return value != NULL ? value->first : NULL;
}

const Json *json_member(const Json *object, const char *key)
{
  const Json *member = json_first(object);
  while (member != NULL && (member->key == NULL || strcmp(member->key, key) != 0)) member = member->next;
  return member;
}

const char *json_text(const Json *object, const char *key, const char *otherwise)
{
  const Json *member = json_member(object, key);
  return member != NULL && member->text != NULL && member->text[0] != '\0' ? member->text : otherwise;
}

int64_t json_integer(const Json *value, int64_t otherwise)
{
  return value != NULL && value->text != NULL ? strtoll(value->text, NULL, 10) : otherwise;
}

size_t json_count(const Json *array)
{
  size_t count = 0;
  for (const Json *member = json_first(array); member != NULL; member = member->next) ++count;
  return count;
}
