/* From the requests of a batch to the inputs of a run, without a copy where one buffer holds it all. */
#ifndef SLIPWAY_FEED_H
#define SLIPWAY_FEED_H

#include "session.h"
#include "strings.h"

typedef struct {
  TRITONBACKEND_Request *request;
  TRITONBACKEND_Response *response; /* owned until it is sent */
  int64_t rows;                     /* 1 without batching */
  Error *error;                     /* owned; what the request is answered with instead */
} Item;

/* One input of the session, from all requests of a batch. */
typedef struct {
  Scratch pieces; /* what each request has of it */
  Scratch shape;  /* of all of them: int64_t, `rank` of them */
  size_t rank;
  Scratch data; /* the requests' bytes behind each other, where they are in more than one buffer */
  OrtValue *value;
} Feed;

/* Make `feed->value` of the tensor in all requests. */
Error *feed_fill(Feed *feed, const Session *session, const Tensor *tensor, const Item *items, size_t count);

/* Release the value; it may point into the requests. */
void feed_clear(Feed *feed, const Session *session);
void feed_free(Feed *feed);

/* The first dimension of the tensor in this request. */
Error *feed_count_rows(const Tensor *tensor, TRITONBACKEND_Request *request, int64_t *rows);

#endif
