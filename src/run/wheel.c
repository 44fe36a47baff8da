#include "run/wheel.h"

#include "base/compiler.h"

enum { TICK_SHIFT = 14, LEVEL_SHIFT = 6, SLOT_MASK = CHENGI_WHEEL_SLOTS - 1 };

void chengi_wheel_init(struct wheel *wheel, int64_t now_ns)
{
    wheel->now = (uint64_t)now_ns >> TICK_SHIFT;
    for (int level = 0; level < CHENGI_WHEEL_LEVELS; level++) {
        wheel->used[level] = 0;
        for (int slot = 0; slot < CHENGI_WHEEL_SLOTS; slot++)
            chengi_list_init(&wheel->slots[level][slot]);
    }
}

static uint64_t tick_of(int64_t deadline_ns)
{
    return ((uint64_t)deadline_ns + ((1u << TICK_SHIFT) - 1)) >> TICK_SHIFT;
}

static void place(struct wheel *wheel, struct timer *timer)
{
    uint64_t tick = tick_of(timer->deadline_ns);
    if (tick <= wheel->now)
        tick = wheel->now + 1; /* due already: the next tick */
    int level = (63 - __builtin_clzll(tick ^ wheel->now)) / LEVEL_SHIFT;
    unsigned slot = (unsigned)(tick >> (level * LEVEL_SHIFT)) & SLOT_MASK;
    wheel->used[level] |= (uint64_t)1 << slot;
    chengi_list_push_back(&wheel->slots[level][slot], &timer->link);
}

void chengi_wheel_set(struct wheel *wheel, struct timer *timer, int64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns < 1 ? 1 : deadline_ns;
    place(wheel, timer);
}

/* The slot's bit stays, when this was its last timer, until the present passes it: clearing it would need
 * the slot's number, and an empty slot costs one early wake-up at most. */
void chengi_wheel_cancel(struct wheel *wheel, struct timer *timer)
{
    (void)wheel;
    chengi_list_remove(&timer->link);
    timer->link.next = NULL;
}

/* The first tick at which a used slot begins; false: none. Slots at or behind the present's place in a level
 * belong to the next round of that level, which lies in a higher one: so bits above the place suffice. */
static bool next_slot(const struct wheel *wheel, uint64_t *tick, int *at_level)
{
    for (int level = 0; level < CHENGI_WHEEL_LEVELS; level++) {
        unsigned shift = (unsigned)level * LEVEL_SHIFT;
        unsigned place = (unsigned)(wheel->now >> shift) & SLOT_MASK;
        uint64_t ahead = place == SLOT_MASK ? 0 : wheel->used[level] & (~(uint64_t)0 << (place + 1));
        if (ahead == 0)
            continue;
        uint64_t slot = (uint64_t)__builtin_ctzll(ahead);
        uint64_t base =
            shift + LEVEL_SHIFT >= 64 ? 0 : wheel->now >> (shift + LEVEL_SHIFT) << (shift + LEVEL_SHIFT);
        *tick = base | slot << shift;
        *at_level = level;
        return true;
    }
    return false;
}

int64_t chengi_wheel_next(const struct wheel *wheel)
{
    uint64_t tick;
    int level;
    if (!next_slot(wheel, &tick, &level))
        return 0;
    return tick > (uint64_t)INT64_MAX >> TICK_SHIFT ? INT64_MAX : (int64_t)(tick << TICK_SHIFT);
}

struct timer *chengi_wheel_expire(struct wheel *wheel, int64_t now_ns)
{
    uint64_t until = (uint64_t)now_ns >> TICK_SHIFT, tick;
    int level;
    /* what is due at the present tick: slots of level 0 are emptied one timer a call */
    for (;;) {
        unsigned present = (unsigned)wheel->now & SLOT_MASK;
        struct link *link = chengi_list_pop_front(&wheel->slots[0][present]);
        if (link != NULL) {
            link->next = NULL;
            return CHENGI_CONTAINER(link, struct timer, link);
        }
        wheel->used[0] &= ~((uint64_t)1 << present);
        if (!next_slot(wheel, &tick, &level) || tick > until) {
            if (until > wheel->now)
                wheel->now = until; /* nothing lies between: no slot is skipped */
            return NULL;
        }
        wheel->now = tick;
        if (level > 0) { /* the slot's time has come: its timers move down */
            unsigned slot = (unsigned)(tick >> ((unsigned)level * LEVEL_SHIFT)) & SLOT_MASK;
            struct link moving = wheel->slots[level][slot], *head = &wheel->slots[level][slot];
            wheel->used[level] &= ~((uint64_t)1 << slot);
            if (chengi_list_empty(head))
                continue;
            moving.next->prev = moving.prev->next = &moving;
            chengi_list_init(head);
            while ((link = chengi_list_pop_front(&moving)) != NULL) {
                struct timer *timer = CHENGI_CONTAINER(link, struct timer, link);
                if (tick_of(timer->deadline_ns) <= tick) { /* due now: the present slot of level 0 */
                    chengi_list_push_back(&wheel->slots[0][tick & SLOT_MASK], &timer->link);
                    wheel->used[0] |= (uint64_t)1 << (tick & SLOT_MASK);
                } else {
                    place(wheel, timer);
                }
            }
        }
    }
}
