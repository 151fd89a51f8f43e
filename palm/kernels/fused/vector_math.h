/* Elementwise functions that a compiler turns into vector instructions: no branches, no tables, no library calls. */
#ifndef PALM_VECTOR_MATH_H
#define PALM_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

enum { BLOCK = 32 }; /* rows and columns of a block */

static inline int64_t padded(int64_t count) { return (count + BLOCK - 1) / BLOCK * BLOCK; }

typedef float Floats __attribute__((vector_size(64))); /* 16 of them */

static inline Floats load_floats(const float *from) { Floats v; memcpy(&v, from, sizeof v); return v; }
static inline void store_floats(float *to, Floats v) { memcpy(to, &v, sizeof v); }

/* The same for the first `count` of them, if there are not more; zeros for the others. */
static inline Floats load_some(const float *from, int64_t count) {
    Floats v = {0};
    if (count >= 16) return load_floats(from);
    if (count > 0) memcpy(&v, from, sizeof(float) * count);
    return v;
}
static inline void store_some(float *to, Floats v, int64_t count) {
    if (count >= 16) store_floats(to, v);
    else memcpy(to, &v, sizeof(float) * count);
}

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
    int64_t first;      /* rows before these: where several processes share a batch, those of the processes before */
} Dropout;

static inline Dropout dropout_of(float probability, uint32_t seed, int64_t first) {
    Dropout drop = {seed, (uint32_t)((double)probability * 4294967296.0), 1.0f / (1.0f - probability), first};
    return drop;
}

static inline uint32_t row_seed(Dropout drop, int64_t row) {
    row += drop.first;
    return mixed(drop.seed ^ mixed((uint32_t)row * 0x9e3779b9u + (uint32_t)((uint64_t)row >> 32)));
}

/* The factor of an element: 0 or `scale`. */
static inline float kept(Dropout drop, uint32_t row, uint32_t column) {
    return mixed(row + column * 0x9e3779b9u) >= drop.threshold ? drop.scale : 0.0f;
}

/* ---- 16 numbers at once, for results that are rounded to bfloat16 ---- */

typedef uint32_t Words __attribute__((vector_size(64))); /* 16 of them */

static inline Floats fused_of(Floats a, Floats b, Floats c) { /* a * b + c */
#if defined(__AVX512F__)
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
    return a * b + c;
#endif
}

static inline Floats all_of(float value) { return (Floats){0} + value; }
static inline Floats where(Words mask, Floats values) { return (Floats)((Words)values & mask); } /* others 0 */

/* a > b ? a : b, which is `b` where one of them is NaN; and a < b ? a : b. */
static inline Floats larger_of(Floats a, Floats b) {
#if defined(__AVX512F__)
    return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#else
    Words mask = (Words)(a > b);
    return (Floats)(((Words)a & mask) | ((Words)b & ~mask));
#endif
}
static inline Floats smaller_of(Floats a, Floats b) {
#if defined(__AVX512F__)
    return (Floats)_mm512_min_ps((__m512)a, (__m512)b);
#else
    Words mask = (Words)(a < b);
    return (Floats)(((Words)a & mask) | ((Words)b & ~mask));
#endif
}

/* The largest of 16 numbers, their sum. */
static inline float largest_of(Floats v) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)v);
#else
    float largest = v[0];
    for (int j = 1; j < 16; j++) largest = v[j] > largest ? v[j] : largest;
    return largest;
#endif
}
static inline float total_of(Floats v) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)v);
#else
    float total = 0.0f;
    for (int j = 0; j < 16; j++) total += v[j];
    return total;
#endif
}

static const Words COUNT = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Of each of [0, 1, … 15] + first: whether it is below `end`. */
static inline Words below(int64_t first, int64_t end) {
    return (Words)(COUNT < (uint32_t)(end - first < 0 ? 0 : end - first));
}

/* 2^x for x <= 1, relative error below 5e-6; below -126, 2^-126; NaN stays NaN. A minimax polynomial of 2^f for |f| <= 1/2. */
static inline Floats exp2_of(Floats x) {
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to the nearest integer */
    x = larger_of(all_of(-126.0f), x);
    Floats shifted = x + to_integer, f = x - (shifted - to_integer);
    Floats p = all_of(0.00957010221f);
    p = fused_of(p, f, all_of(0.0559178628f));
    p = fused_of(p, f, all_of(0.240247443f));
    p = fused_of(p, f, all_of(0.693121791f));
    p = fused_of(p, f, all_of(0.999999285f));
    return (Floats)((Words)p + ((Words)shifted << 23));
}

/* GELU, x Phi(x) with the normal distribution function Phi, as max(x, 0) - t (1 - Phi(t)), t = |x|, of at most 4.25: 99.9 %
 * of all bfloat16 x above -4 give the bfloat16 nearest to the true value, the absolute error is below 6e-5 everywhere.
 * Minimax polynomials in x^2 of (Phi(x) - 1/2) / x, weighted by (1 - Phi)^-1/4, and of (GELU'(x) - 1/2) / x. */
static inline Floats gelu_of(Floats x) {
    Floats t = (Floats)((Words)x & 0x7fffffffu);
    t = smaller_of(t, all_of(4.25f));
    Floats u = t * t, p = all_of(-1.99468478e-12f);
    p = fused_of(p, u, all_of(2.2332472e-10f));
    p = fused_of(p, u, all_of(-1.12420153e-08f));
    p = fused_of(p, u, all_of(3.39115957e-07f));
    p = fused_of(p, u, all_of(-6.91488594e-06f));
    p = fused_of(p, u, all_of(0.000102181511f));
    p = fused_of(p, u, all_of(-0.00114315888f));
    p = fused_of(p, u, all_of(0.00988863222f));
    p = fused_of(p, u, all_of(-0.0664117187f));
    p = fused_of(p, u, all_of(0.398919433f));
    return fused_of(u, p, fused_of(t, all_of(-0.5f), larger_of(all_of(0.0f), x))); /* NaN stays NaN */
}

/* Its derivative, absolute error below 2e-4. */
static inline Floats gelu_slope_of(Floats x) {
    Floats t = smaller_of(all_of(4.25f), larger_of(all_of(-4.25f), x)); /* NaN stays NaN */
    Floats u = t * t, p = all_of(-3.42680676e-11f);
    p = fused_of(p, u, all_of(3.55249341e-09f));
    p = fused_of(p, u, all_of(-1.63492217e-07f));
    p = fused_of(p, u, all_of(4.43268527e-06f));
    p = fused_of(p, u, all_of(-7.93629952e-05f));
    p = fused_of(p, u, all_of(0.000996549265f));
    p = fused_of(p, u, all_of(-0.00904046278f));
    p = fused_of(p, u, all_of(0.0590925552f));
    p = fused_of(p, u, all_of(-0.265392601f));
    p = fused_of(p, u, all_of(0.797756433f));
    return fused_of(t, p, all_of(0.5f));
}

static inline Words mixed_words(Words x) { /* `mixed` */
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

/* Dropout of 16 numbers but for its scale: those whose mixed hash is below the threshold become 0. */
static inline Floats where_kept(Dropout drop, Words hash, Floats values) {
#if defined(__AVX512F__)
    return (Floats)_mm512_maskz_mov_ps(_mm512_cmpge_epu32_mask((__m512i)hash, _mm512_set1_epi32((int)drop.threshold)), (__m512)values);
#else
    return where((Words)(hash >= drop.threshold), values);
#endif
}

/* The hashes of 16 columns of a row, from that of `first` on. */
static inline Words column_hashes(uint32_t row, int64_t first) { return mixed_words((COUNT + (uint32_t)first) * 0x9e3779b9u + row); }

#endif
