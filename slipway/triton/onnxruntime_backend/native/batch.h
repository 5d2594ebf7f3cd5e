/* Answering the requests of one batch out of one run of a session. */
#ifndef SLIPWAY_BATCH_H
#define SLIPWAY_BATCH_H

#include "feed.h"

/* One output of the session, where its shape is known before the run of the only request. */
typedef struct {
  void *buffer; /* Triton's; NULL if none was asked for before the run */
  TRITONSERVER_MemoryType memory_type;
  size_t bytes;
  bool direct;   /* ONNX Runtime writes into the buffer; else into `aside` */
  Scratch aside;
} Place;

/* What one model instance needs to run; Triton runs one batch of an instance at a time. */
typedef struct {
  Session *session;
  bool batches;
  Feed *feeds;   /* by input */
  Place *places; /* by output */
  const OrtValue **inputs;
  OrtValue **outputs;
  Scratch shape; /* of one output */
  Strings strings;
  uint64_t compute_start_ns, compute_end_ns; /* of the last batch */
} Worker;

/* The caller closes it, also after an error. */
Error *worker_open(Worker *worker, Session *session, bool batches);
void worker_close(Worker *worker);

/* Fill each item's response, or its error. */
void worker_answer(Worker *worker, Item *items, size_t count);

uint64_t clock_ns(void);

#endif
