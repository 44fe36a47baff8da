#include "io/resolve.h"

#include <cheng/socket.h>

#include <errno.h>
#include <string.h>

#include "base/deadline.h"
#include "task/offload.h"

static bool keep_text(char *to, size_t room, const char *text)
{
    size_t size = text == NULL ? 0 : strlen(text) + 1;
    if (size > room)
        return false;
    memcpy(to, text == NULL ? "" : text, size == 0 ? 1 : size);
    return true;
}

int chengi_resolve(struct net_addresses *out, const char *host, const char *service, cheng_deadline deadline)
{
    struct net_query query = { .any_host = host == NULL, .numeric = true };
    if (!keep_text(query.host, sizeof query.host, host) ||
        !keep_text(query.service, sizeof query.service, service))
        return -EINVAL;
    int rc = chengi_sys_lookup(&query, out);
    if (rc != -ENOENT)
        return rc;
    if (chengi_is_now(deadline))
        return -EAGAIN;
    query.numeric = false;
    return chengi_offload_copies(chengi_sys_lookup, &query, sizeof query, out, sizeof *out, deadline);
}

int cheng_resolve(const char *host, cheng_address *addresses, size_t room, size_t *found)
{
    struct net_addresses list;
    int rc = host == NULL || addresses == NULL || room == 0
                 ? -EINVAL
                 : chengi_resolve(&list, host, NULL, CHENG_FOREVER);
    if (rc < 0)
        return rc;
    size_t n = list.count < room ? list.count : room;
    for (size_t i = 0; i < n; i++)
        chengi_sys_address_text(&list.list[i], addresses[i].text, &addresses[i].v6);
    *found = n;
    return 0;
}
