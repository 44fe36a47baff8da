#include <cheng/version.h>

const char *cheng_version(void)
{
    return CHENG_STRINGIFY(CHENG_VERSION_MAJOR.CHENG_VERSION_MINOR.CHENG_VERSION_PATCH);
}
