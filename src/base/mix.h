/* 64 bits well mixed: the finaliser of splitmix64 (S. Vigna). For hashes and lots, not for secrets. */
#ifndef CHENG_BASE_MIX_H
#define CHENG_BASE_MIX_H

#include <stdint.h>

static inline uint64_t chengi_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#endif
