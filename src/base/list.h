/* An intrusive doubly linked list: a ring through its own head. The links live in the items, so nothing is
 * allocated, and an item unlinks itself in constant time without knowing its list. */
#ifndef CHENG_BASE_LIST_H
#define CHENG_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *prev;
};

#define CHENGI_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void chengi_list_init(struct link *head)
{
    head->next = head->prev = head;
}

static inline bool chengi_list_empty(const struct link *head)
{
    return head->next == head;
}

static inline void chengi_list_insert(struct link *item, struct link *before)
{
    item->next = before;
    item->prev = before->prev;
    before->prev->next = item;
    before->prev = item;
}

static inline void chengi_list_push_back(struct link *head, struct link *item)
{
    chengi_list_insert(item, head);
}

static inline void chengi_list_push_front(struct link *head, struct link *item)
{
    chengi_list_insert(item, head->next);
}

static inline void chengi_list_remove(struct link *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
}

static inline struct link *chengi_list_pop_front(struct link *head)
{
    struct link *item = head->next;
    if (item == head)
        return NULL;
    chengi_list_remove(item);
    return item;
}

#endif
