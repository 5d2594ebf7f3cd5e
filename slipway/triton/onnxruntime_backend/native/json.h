/* Triton's model configuration is JSON; this reads it into a tree. */
#ifndef SLIPWAY_JSON_H
#define SLIPWAY_JSON_H

#include <stddef.h>
#include <stdint.h>

typedef struct Json Json;

struct Json {
  char *key;   /* in an object; else NULL */
  char *text;  /* of a string, a number or a word such as true; NULL for objects and arrays */
  Json *first; /* of an object or an array */
  Json *next;  /* of the same object or array */
};

/* NULL where it is no JSON, or memory is out. The caller frees it with json_free. */
Json *json_parse(const char *text, size_t length);
void json_free(Json *value);

/* All of these take NULL for an absent value. */
const Json *json_first(const Json *value);
const Json *json_member(const Json *object, const char *key);
const char *json_text(const Json *object, const char *key, const char *otherwise);
int64_t json_integer(const Json *value, int64_t otherwise);
size_t json_count(const Json *array);

#endif
