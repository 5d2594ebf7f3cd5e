/* Tells whoever stops the server whether an instance has a request in hand: a number in a file, odd if it has. */
#ifndef SLIPWAY_ACTIVITY_H
#define SLIPWAY_ACTIVITY_H

#include <stdint.h>

typedef struct {
  _Atomic uint64_t *count; /* NULL if nobody asks */
} Activity;

/* A file of its own in the folder that the environment variable SLIPWAY_ACTIVITY names, if that is there. It stays
 * empty, and nothing is counted, where the disk is full. */
void activity_open(Activity *activity);
void activity_close(Activity *activity);

/* At the beginning and at the end of each batch. */
void activity_count(Activity *activity);

#endif
