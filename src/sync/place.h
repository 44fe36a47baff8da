/* Where a primitive lives: its words are private to the process, or shared through an arena. Events, semaphores,
 * conditions and wait groups are written once over this. */
#ifndef CHENG_SYNC_PLACE_H
#define CHENG_SYNC_PLACE_H

#include "arena/arena.h"
#include "park/park.h"

struct place {
    int64_t bound_ns; /* 0: private */
};

/* From a primitive's kind word. 0; -EINVAL: private but in an arena, or another kind of object; -EBADMSG,
 * -EOPNOTSUPP: see chengi_arena_locate. */
int chengi_place_find(struct place *place, const void *object, uint32_t kind, enum arena_tag tag);

/* As chengi_park and chengi_park_shared. */
int chengi_place_wait(const struct place *place, uint32_t *word, uint32_t value, int64_t deadline_ns,
                      const struct why *why, unsigned flags);
void chengi_place_wake(uint32_t kind, uint32_t *word, unsigned n);

#endif
