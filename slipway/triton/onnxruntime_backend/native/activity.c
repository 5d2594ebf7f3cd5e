#define _GNU_SOURCE /* asprintf */
#include "activity.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void activity_open(Activity *activity)
{
  static atomic_uint opened;
  const char *folder = getenv("SLIPWAY_ACTIVITY");
  char *path = NULL;
  activity->count = NULL;
  if (folder == NULL || asprintf(&path, "%s/%ld-%u", folder, (long)getpid(), atomic_fetch_add(&opened, 1)) < 0) return;
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  free(path);
  if (file < 0) return;
  /* Not ftruncate: on a full disk the first count would be a SIGBUS. */
  if (posix_fallocate(file, 0, sizeof *activity->count) == 0) {
    void *memory = mmap(NULL, sizeof *activity->count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED) activity->count = memory;
  }
  close(file);
}

void activity_close(Activity *activity)
{
  if (activity->count != NULL) munmap((void *)activity->count, sizeof *activity->count);
  activity->count = NULL;
}

void activity_count(Activity *activity)
{
  if (activity->count != NULL) atomic_fetch_add(activity->count, 1);
}
