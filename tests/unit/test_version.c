#include "unit/harness.h"

#include <cheng/version.h>

TEST(string_matches_macros)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", CHENG_VERSION_MAJOR, CHENG_VERSION_MINOR, CHENG_VERSION_PATCH);
    assert_string_equal(cheng_version(), text);
}
