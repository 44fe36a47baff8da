/* Names to addresses, without stopping a worker. */
#ifndef CHENG_IO_RESOLVE_H
#define CHENG_IO_RESOLVE_H

#include <cheng/time.h>

#include "io/sys_socket.h"

/* Numbers are taken apart here; names are looked up on a helper thread. A host of NULL is every address of this
 * machine; "unix:…" is one address. */
int chengi_resolve(struct net_addresses *out, const char *host, const char *service, bool datagram,
                   cheng_deadline deadline);

#endif
