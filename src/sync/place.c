#include "sync/place.h"

#include <errno.h>

int chengi_place_find(struct place *place, const void *object, uint32_t kind, enum arena_tag tag)
{
    struct arena_view view;
    place->bound_ns = 0;
    if (kind == 0)
        return chengi_arena_contains(object) ? -EINVAL : 0;
    if (chengi_arena_tag(kind) != tag)
        return -EINVAL;
    int rc = chengi_arena_locate(object, kind, &view);
    if (rc == 0)
        place->bound_ns = view.bound_ns;
    return rc;
}

int chengi_place_wait(const struct place *place, uint32_t *word, uint32_t value, int64_t deadline_ns,
                      const struct why *why, unsigned flags)
{
    if (place->bound_ns != 0)
        return chengi_park_shared(word, value, deadline_ns, place->bound_ns, why, flags);
    return chengi_park(word, value, deadline_ns, why, flags);
}

void chengi_place_wake(uint32_t kind, uint32_t *word, unsigned n)
{
    if (kind != 0)
        chengi_unpark_shared(word, n);
    else
        chengi_unpark(word, n);
}
