/* cheng/version.h: the version. This file is the one place where it is written; the build reads it from
 * here. Semantic versioning: before 1.0 a new minor version may change the interface. */
#ifndef CHENG_VERSION_H
#define CHENG_VERSION_H

#include <cheng/base.h>

#define CHENG_VERSION_MAJOR 0
#define CHENG_VERSION_MINOR 1
#define CHENG_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, "0.1.0"; the macros are that of the headers. A constant string. */
CHENG_API const char *cheng_version(void);

#ifdef __cplusplus
}
#endif
#endif
