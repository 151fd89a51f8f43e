/* Elementwise functions that a compiler turns into vector instructions: no branches, no tables, no library calls. */
#ifndef PALM_VECTOR_MATH_H
#define PALM_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 32 }; /* rows and columns of a block */

static inline int64_t padded(int64_t count) { return (count + BLOCK - 1) / BLOCK * BLOCK; }

typedef float Floats __attribute__((vector_size(64))); /* 16 of them */

static inline Floats load_floats(const float *from) { Floats v; memcpy(&v, from, sizeof v); return v; }
static inline void store_floats(float *to, Floats v) { memcpy(to, &v, sizeof v); }

static inline float float_of_bits(uint32_t bits) { float value; memcpy(&value, &bits, 4); return value; }
static inline uint32_t bits_of_float(float value) { uint32_t bits; memcpy(&bits, &value, 4); return bits; }

/* exp(x), relative error below 2e-7 on [-87, 88]; outside, the value at the border. NaN stays NaN.
 * x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's split of ln 2); exp(r) by its Taylor polynomial of degree 7. */
static inline float exp_of(float x) {
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to the nearest integer */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504f + to_integer;
    float n = shifted - to_integer;
    float r = x - n * 0.693145752f - n * 1.42860677e-6f;
    float p = 1.98412698e-4f;
    p = p * r + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 0.166666667f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    uint32_t exponent = bits_of_float(shifted) - bits_of_float(to_integer);
    return float_of_bits(bits_of_float(p) + (exponent << 23));
}

/* Distribution function and density of the normal distribution at x, absolute error below 1.5e-7.
 * Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (erf from one exponential, which the density needs
 * as well). */
static inline void normal_of(float x, float *distribution, float *density) {
    float t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * fabsf(x));
    float e = exp_of(-0.5f * x * x);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    float tail = 0.5f * p * t * e;
    *distribution = x >= 0.0f ? 1.0f - tail : tail;
    *density = e * 0.398942280f;
}

static inline float tanh_of(float x) {
    float e = exp_of(-2.0f * fabsf(x));
    float t = (1.0f - e) / (1.0f + e);
    return x < 0.0f ? -t : t;
}

/* Dropout. An element is kept or not by a hash of (seed, row, column), so that no mask is stored and the result does not
 * depend on the number of threads. The finaliser is Wellons' lowbias32 (github.com/skeeto/hash-prospector). */
static inline uint32_t mixed(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

typedef struct {
    uint32_t seed;
    uint32_t threshold; /* hashes below it drop the element */
    float scale;        /* of the kept elements, so that the mean stays */
} Dropout;

static inline Dropout dropout_of(float probability, uint32_t seed) {
    Dropout drop = {seed, (uint32_t)((double)probability * 4294967296.0), 1.0f / (1.0f - probability)};
    return drop;
}

static inline uint32_t row_seed(Dropout drop, int64_t row) {
    return mixed(drop.seed ^ mixed((uint32_t)row * 0x9e3779b9u + (uint32_t)((uint64_t)row >> 32)));
}

/* The factor of an element: 0 or `scale`. */
static inline float kept(Dropout drop, uint32_t row, uint32_t column) {
    return mixed(row + column * 0x9e3779b9u) >= drop.threshold ? drop.scale : 0.0f;
}

#endif
