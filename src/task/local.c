/* Task-locals. A local has a place, the same in each task's table, and a number that no other ever has: a value counts
 * only with the number that it was set for, so places can be used again while old values lie about. */
#include <cheng/local.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "host/latch.h"
#include "run/runner.h"
#include "task/local.h"

enum { PLACES = 1024, ROUNDS = 4, ROOM_LEAST = 4 };

struct entry {
    uint32_t number;
    void *value;
};

struct locals {
    uint32_t room;
    struct entry entries[];
};

static struct {
    struct latch latch;
    uint32_t last; /* number given out */
    struct place {
        uint32_t number; /* 0: free */
        void (*destroy)(void *value);
    } places[PLACES];
} registry;

static struct entry *entry_of(struct cheng_task *self, const cheng_local *local)
{
    struct locals *locals = self->locals;
    uint32_t number = load_acquire(&local->number); /* partner: enrol. The place is there then */
    if (number == 0 || !(self->leaves & CHENGI_LEAVES_LOCALS) || local->place >= locals->room ||
        locals->entries[local->place].number != number)
        return NULL;
    return &locals->entries[local->place];
}

void *cheng_local_get(const cheng_local *local)
{
    struct entry *entry = entry_of(chengi_runner_self(), local);
    return entry == NULL ? NULL : entry->value;
}

/* Gives the local its place. */
static int enrol(cheng_local *local)
{
    int rc = -EAGAIN;
    chengi_latch_acquire(&registry.latch);
    for (uint32_t i = 0; i < PLACES && local->number == 0; i++) {
        if (registry.places[i].number != 0)
            continue;
        registry.last += 1 + (registry.last == UINT32_MAX);
        registry.places[i] = (struct place){ registry.last, local->destroy };
        local->place = i;
        store_release(&local->number, registry.last);
    }
    if (local->number != 0)
        rc = 0;
    chengi_latch_release(&registry.latch);
    return rc;
}

static int make_room(struct cheng_task *self, uint32_t place)
{
    /* else the pointer is that of a task that a fork left behind */
    bool any = self->leaves & CHENGI_LEAVES_LOCALS;
    uint32_t had = any ? self->locals->room : 0, room = had == 0 ? ROOM_LEAST : had;
    while (room <= place)
        room *= 2;
    if (room == had)
        return 0;
    struct locals *locals =
        realloc(any ? self->locals : NULL, sizeof *locals + room * sizeof *locals->entries);
    if (locals == NULL)
        return -ENOMEM;
    memset(&locals->entries[had], 0, (room - had) * sizeof *locals->entries);
    locals->room = room;
    self->locals = locals;
    self->leaves |= CHENGI_LEAVES_LOCALS;
    return 0;
}

int cheng_local_set(cheng_local *local, void *value)
{
    struct cheng_task *self = chengi_runner_self();
    struct entry *entry = entry_of(self, local);
    if (entry != NULL) {
        entry->value = value;
        return 0;
    }
    if (value == NULL)
        return 0;
    int rc = load_acquire(&local->number) == 0 ? enrol(local) : 0;
    if (rc == 0)
        rc = make_room(self, local->place);
    if (rc == 0)
        self->locals->entries[local->place] = (struct entry){ local->number, value };
    return rc;
}

void cheng_local_drop(cheng_local *local)
{
    if (local->number == 0)
        return;
    chengi_latch_acquire(&registry.latch);
    registry.places[local->place].number = 0;
    chengi_latch_release(&registry.latch);
    local->number = 0;
}

/* Of a local that may be dropped by another task at this moment. */
static void (*destructor(uint32_t place, uint32_t number))(void *)
{
    void (*destroy)(void *) = NULL;
    chengi_latch_acquire(&registry.latch);
    if (registry.places[place].number == number)
        destroy = registry.places[place].destroy;
    chengi_latch_release(&registry.latch);
    return destroy;
}

/* A destructor may set values, and so move the table. */
static bool destroy_all(struct cheng_task *task)
{
    bool any = false;
    for (uint32_t place = 0; place < task->locals->room; place++) {
        struct entry *entry = &task->locals->entries[place];
        void *value = entry->value;
        if (value == NULL)
            continue;
        entry->value = NULL;
        void (*destroy)(void *) = destructor(place, entry->number);
        if (destroy != NULL) {
            destroy(value);
            any = true;
        }
    }
    return any;
}

void chengi_locals_end(struct cheng_task *task)
{
    for (unsigned round = 0; round < ROUNDS && destroy_all(task); round++)
        ;
    free(task->locals);
    task->locals = NULL;
    task->leaves &= ~(uint32_t)CHENGI_LEAVES_LOCALS;
}

void chengi_locals_after_fork(void)
{
    registry.latch = (struct latch){ 0 };
}
