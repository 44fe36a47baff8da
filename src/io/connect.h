/* Connecting to whichever of several addresses answers first. */
#ifndef CHENG_IO_CONNECT_H
#define CHENG_IO_CONNECT_H

#include <cheng/socket.h>

#include "io/sys_socket.h"

int chengi_connect(cheng_socket **out, const struct net_addresses *to, cheng_deadline deadline);

#endif
