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

int chengi_resolve(struct net_addresses *out, const char *host, const char *service, bool datagram,
                   cheng_deadline deadline)
{
    if (chengi_sys_is_unix_host(host)) {
        out->count = 1;
        return chengi_sys_unix_endpoint(&out->list[0], host);
    }
    struct net_query query = { .any_host = host == NULL, .numeric = true, .datagram = datagram };
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

int cheng_resolve_until(const char *host, cheng_address *addresses, size_t room, size_t *found,
                        cheng_deadline deadline)
{
    struct net_addresses list;
    int rc = host == NULL || chengi_sys_is_unix_host(host) || addresses == NULL || room == 0
                 ? -EINVAL
                 : chengi_resolve(&list, host, NULL, false, deadline);
    if (rc < 0)
        return rc;
    size_t n = list.count < room ? list.count : room;
    for (size_t i = 0; i < n; i++)
        chengi_sys_address_text(&list.list[i], addresses[i].text, &addresses[i].v6);
    *found = n;
    return 0;
}

int cheng_resolve(const char *host, cheng_address *addresses, size_t room, size_t *found)
{
    return cheng_resolve_until(host, addresses, room, found, CHENG_FOREVER);
}

int cheng_resolve_endpoint(cheng_endpoint *out, const char *host, const char *service,
                           cheng_deadline deadline)
{
    struct net_addresses list;
    int rc = host == NULL ? -EINVAL : chengi_resolve(&list, host, service, true, deadline);
    if (rc == 0)
        *out = list.list[0];
    return rc;
}

int cheng_resolve_name(char *name, size_t size, const char *address, cheng_deadline deadline)
{
    struct net_query query = { .numeric = true };
    struct net_addresses list;
    struct net_name found;
    if (address == NULL || name == NULL || !keep_text(query.host, sizeof query.host, address))
        return -EINVAL;
    int rc = chengi_sys_lookup(&query, &list);
    if (rc == -ENOENT)
        return -EINVAL; /* no numbers */
    if (rc == 0 && chengi_is_now(deadline))
        return -EAGAIN;
    if (rc == 0)
        rc = chengi_offload_copies(chengi_sys_lookup_name, &list.list[0], sizeof list.list[0], &found,
                                   sizeof found, deadline);
    if (rc == 0 && !keep_text(name, size, found.text))
        rc = -EMSGSIZE;
    return rc;
}
