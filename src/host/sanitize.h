/* What the sanitizers and Valgrind must be told of stacks. Empty in an ordinary build. */
#ifndef CHENG_HOST_SANITIZE_H
#define CHENG_HOST_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define CHENGI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHENGI_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CHENGI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHENGI_TSAN 1
#endif
#endif

#if defined(CHENGI_ASAN)
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **old_bottom, size_t *old_size);
void __lsan_disable(void);
void __lsan_enable(void);
void __lsan_register_root_region(const void *base, size_t size);
void __lsan_unregister_root_region(const void *base, size_t size);
void __asan_unpoison_memory_region(const volatile void *base, size_t size);
#endif
#if defined(CHENGI_TSAN)
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_set_fiber_name(void *fiber, const char *name);
#endif

/* What they keep of a stack, or of a thread's own stack. */
struct sanitize {
#if defined(CHENGI_ASAN)
    const void *bottom;
    size_t size;
#endif
#if defined(CHENGI_TSAN)
    void *fiber;
#endif
    char unused; /* a struct must not be empty */
};

/* Pages that hold pointers to allocated memory and are not on the heap themselves: leak checking looks there. */
static inline void chengi_sanitize_pages(const void *base, size_t size)
{
    (void)base, (void)size;
#if defined(CHENGI_ASAN)
    __lsan_register_root_region(base, size);
#endif
}

/* What libc allocates in between is no leak: it hangs on a thread that a fork's child has not. */
static inline void chengi_sanitize_keep(bool begins)
{
    (void)begins;
#if defined(CHENGI_ASAN)
    (begins ? __lsan_disable : __lsan_enable)();
#endif
}

static inline void chengi_sanitize_stack_made(struct sanitize *s, const void *bottom, size_t size)
{
    (void)s, (void)bottom, (void)size;
#if defined(CHENGI_ASAN)
    s->bottom = bottom;
    s->size = size;
    __lsan_register_root_region(bottom, size);
#endif
#if defined(CHENGI_TSAN)
    s->fiber = __tsan_create_fiber(0);
#endif
}

static inline void chengi_sanitize_stack_gone(struct sanitize *s)
{
    (void)s;
#if defined(CHENGI_ASAN)
    __lsan_unregister_root_region(s->bottom, s->size);
    __asan_unpoison_memory_region(s->bottom, s->size);
#endif
#if defined(CHENGI_TSAN)
    __tsan_destroy_fiber(s->fiber);
#endif
}

/* The calling thread's own stack, before the first switch away from it. */
static inline void chengi_sanitize_thread(struct sanitize *s)
{
    (void)s;
#if defined(CHENGI_TSAN)
    s->fiber = __tsan_get_current_fiber();
#endif
}

/* What the present stack runs, for reports; "": nothing. A macro, since a name is not made where nobody asks for it. */
#if defined(CHENGI_TSAN)
#define CHENGI_SANITIZE_NAME(name) __tsan_set_fiber_name(__tsan_get_current_fiber(), (name))
#else
#define CHENGI_SANITIZE_NAME(name) ((void)0)
#endif

/* Around each switch: before it, on the old stack; after it, on the stack that goes on. */
static inline void *chengi_sanitize_leave(struct sanitize *to)
{
    void *fake = NULL;
    (void)to;
#if defined(CHENGI_ASAN)
    __sanitizer_start_switch_fiber(&fake, to->bottom, to->size);
#endif
#if defined(CHENGI_TSAN)
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    return fake;
}

static inline void chengi_sanitize_arrive(void *fake, struct sanitize *from)
{
    (void)fake, (void)from;
#if defined(CHENGI_ASAN)
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(fake, &bottom, &size);
    if (from->bottom == NULL) { /* a thread's stack: only now are its bounds known */
        from->bottom = bottom;
        from->size = size;
    }
#endif
}

#endif
