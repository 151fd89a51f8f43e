/* Matrix products of 8-bit integers with exact 32-bit sums, in blocks of 32 x 32, and the rounding to them.
 *
 * Left operands are rows of unsigned bytes: x = scale * (byte - zero), with a scale and a zero point of each row, taken from
 * its smallest and largest number. Right operands are weights of signed bytes, w = scale * byte, with a scale of each column.
 * So x . w = scale * scale' * (the sum of bytes' products - zero * the sum of the column's bytes).
 *
 * Right operands are packed in tiles of 64 x 16 bytes whose rows lie four by four, as the instructions want them:
 * tile[four rows][column][4]. A packed matrix holds, for each 16 columns, `depth` tiles from top to bottom; rows are padded
 * with zeros to a multiple of 64, columns to one of 32.
 *
 * `multiply_bytes` is the only function that uses tiles (AMX-INT8) or dot products of four bytes (AVX512-VNNI). All ways give
 * the same integers: none of them saturates, which VNNI's predecessor, `maddubs`, does. A sum is exact for up to 66,000 rows.
 */
#ifndef PALM_INT8_TILES_H
#define PALM_INT8_TILES_H

#include "bf16_tiles.h"

#if defined(__AMX_INT8__) && PALM_AMX
#define PALM_AMX_INT8 1
#else
#define PALM_AMX_INT8 0
#endif
#if defined(__AVX512VNNI__) && defined(__AVX512F__)
#define PALM_VNNI 1
#include <immintrin.h>
#else
#define PALM_VNNI 0
#endif

enum { DEEP = 64, BYTE_TILE = 1024 }; /* rows of a packed tile; its bytes */

typedef int32_t Integers __attribute__((vector_size(64))); /* 16 of them */

static inline int64_t padded_deep(int64_t count) { return (count + DEEP - 1) / DEEP * DEEP; }

static inline Integers load_integers(const int32_t *from) { Integers v; memcpy(&v, from, sizeof v); return v; }

/* ---- Rounding ---- */

/* To the nearest integer, ties to even, for |x| < 2^22. */
static inline int32_t nearest(float x) {
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to the nearest integer */
    return (int32_t)(bits_of_float(x + to_integer) - bits_of_float(to_integer));
}

/* How a row was rounded: x = scale * (byte - zero). */
typedef struct {
    float scale;
    int32_t zero;
} Rounding;

/* Rounds x[count] into to[padded_count]. The row's range is widened to contain 0, which is then exact. A row with a number
 * that is not finite gets the scale NaN, so that all of its products are NaN: it is not made finite in silence. */
static inline Rounding round_bytes(const float *restrict x, int64_t count, int64_t padded_count, uint8_t *restrict to) {
    float low = 0.0f, high = 0.0f, probe = 0.0f;
#pragma omp simd reduction(min : low) reduction(max : high) reduction(+ : probe)
    for (int64_t j = 0; j < count; j++) {
        low = x[j] < low ? x[j] : low;
        high = x[j] > high ? x[j] : high;
        probe += x[j] * 0.0f; /* NaN if x is not finite */
    }
    float scale = high / 255.0f - low / 255.0f, rate = scale > 0.0f ? 1.0f / scale : 0.0f;
    if (!(probe == 0.0f) || !(rate <= 3e38f)) { /* not finite; or so small that 1 / scale overflows */
        memset(to, 0, padded_count);
        return (Rounding){probe == 0.0f ? 0.0f : NAN, 0};
    }
    int32_t zero = nearest(-low * rate);
    zero = zero > 255 ? 255 : zero;
#pragma omp simd
    for (int64_t j = 0; j < count; j++) {
        int32_t byte = nearest(x[j] * rate) + zero;
        byte = byte < 0 ? 0 : byte;
        to[j] = (uint8_t)(byte > 255 ? 255 : byte);
    }
    memset(to + count, 0, padded_count - count); /* meets rows of zeros in the weights */
    return (Rounding){scale, zero};
}

/* ---- Weights ---- */

/* A weight[rows columns] as a right operand. */
typedef struct {
    int64_t rows, columns, depth; /* depth: tiles from top to bottom */
    int8_t *tiles;
    float *scale;  /* [padded(columns)], 0 in the padding */
    int32_t *sum;  /* [padded(columns)]: the sums of its bytes */
} ByteWeight;

/* Lays out a weight in memory from `at` on, a multiple of 64. */
static inline ByteWeight byte_weight(char **at, int64_t rows, int64_t columns) {
    ByteWeight w = {rows, columns, padded_deep(rows) / DEEP};
    w.tiles = (int8_t *)*at, *at += padded_deep(rows) * padded(columns);
    w.scale = (float *)*at, *at += sizeof(float) * padded(columns);
    w.sum = (int32_t *)*at, *at += sizeof(int32_t) * padded(columns);
    *at += (64 - (int64_t)(intptr_t)*at % 64) % 64;
    return w;
}

/* Rounds and packs 16 columns, from `column` on. */
static inline void pack_bytes(const float *from, ByteWeight *w, int64_t column) {
    float largest[16] = {0}, probe[16] = {0}, rate[16];
    int32_t sum[16] = {0};
    int64_t count = w->columns - column < 16 ? w->columns - column : 16;
    for (int64_t k = 0; k < w->rows; k++)
        for (int64_t j = 0; j < count; j++) {
            float size = fabsf(from[k * w->columns + column + j]);
            largest[j] = size > largest[j] ? size : largest[j];
            probe[j] += size * 0.0f;
        }
    for (int j = 0; j < 16; j++) {
        float scale = largest[j] / 127.0f, inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
        int usable = probe[j] == 0.0f && inverse <= 3e38f;
        rate[j] = usable ? inverse : 0.0f;
        w->scale[column + j] = probe[j] == 0.0f ? (usable ? scale : 0.0f) : NAN;
    }
    int8_t *tile = w->tiles + column / 16 * w->depth * BYTE_TILE;
    memset(tile, 0, w->depth * BYTE_TILE);
    for (int64_t k = 0; k < w->rows; k++)
        for (int64_t j = 0; j < count; j++) {
            int32_t byte = rate[j] > 0.0f ? nearest(from[k * w->columns + column + j] * rate[j]) : 0;
            byte = byte > 127 ? 127 : byte < -127 ? -127 : byte;
            tile[k / 4 * 64 + j * 4 + k % 4] = (int8_t)byte;
            sum[j] += byte;
        }
    memcpy(w->sum + column, sum, sizeof sum);
}

/* Rounds and packs weight[rows columns]; part of a parallel region. */
static inline void pack_byte_weight(const float *weight, ByteWeight w) {
#pragma omp for schedule(static)
    for (int64_t column = 0; column < padded(w.columns); column += 16) {
        if (column < w.columns) pack_bytes(weight, &w, column);
        else {
            memset(w.tiles + column / 16 * w.depth * BYTE_TILE, 0, w.depth * BYTE_TILE);
            memset(w.scale + column, 0, sizeof(float) * 16);
            memset(w.sum + column, 0, sizeof(int32_t) * 16);
        }
    }
}

/* ---- The block product ---- */

#if PALM_VNNI && !PALM_AMX_INT8

enum { TALL = 8 }; /* rows at once: 16 sums stay in registers */

/* out[8 32] = left . right, for two packed columns `right` and `right + next`. */
static inline void multiply_rows(const uint8_t *left, int64_t stride, const int8_t *right, int64_t next, int64_t depth, int32_t *out) {
    __m512i sum[TALL][2];
#pragma GCC unroll 8
    for (int i = 0; i < TALL; i++) sum[i][0] = sum[i][1] = _mm512_setzero_si512();
    for (int64_t p = 0; p < depth * 16; p++) {
        __m512i first = _mm512_loadu_si512(right + p * 64), second = _mm512_loadu_si512(right + next + p * 64);
#pragma GCC unroll 8
        for (int i = 0; i < TALL; i++) {
            int32_t four;
            memcpy(&four, left + i * stride + p * 4, sizeof four);
            sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], _mm512_set1_epi32(four), first);
            sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], _mm512_set1_epi32(four), second);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < TALL; i++) {
        _mm512_storeu_si512(out + i * BLOCK, sum[i][0]);
        _mm512_storeu_si512(out + i * BLOCK + 16, sum[i][1]);
    }
}

#elif !PALM_AMX_INT8

enum { TALL = 4 };

/* The same without such instructions. */
static inline void multiply_rows(const uint8_t *left, int64_t stride, const int8_t *right, int64_t next, int64_t depth, int32_t *out) {
    Integers sum[TALL][2] = {0};
    for (int64_t p = 0; p < depth * 16; p++)
        for (int half = 0; half < 2; half++) {
            Integers words = load_integers((const int32_t *)(right + half * next + p * 64));
            Integers byte[4] = {(words << 24) >> 24, (words << 16) >> 24, (words << 8) >> 24, words >> 24};
            for (int i = 0; i < TALL; i++) {
                const uint8_t *four = left + i * stride + p * 4;
                sum[i][half] += byte[0] * four[0] + byte[1] * four[1] + byte[2] * four[2] + byte[3] * four[3];
            }
        }
    for (int i = 0; i < TALL; i++) memcpy(out + i * BLOCK, sum[i], sizeof sum[i]);
}

#endif

/* out[32 32] = left[32 64*depth] . right, for two packed columns of `depth` tiles; only the first `rows` rows matter. */
static inline void multiply_bytes(const uint8_t *left, int64_t stride, int64_t rows, const int8_t *right, int64_t depth, int32_t *out) {
    int64_t next = depth * BYTE_TILE;
#if PALM_AMX_INT8
    _tile_zero(0);
    _tile_zero(1);
    if (rows <= 16) {
        for (int64_t k = 0; k < depth; k++) {
            _tile_loadd(4, left + k * DEEP, stride);
            _tile_loadd(6, right + k * BYTE_TILE, 64);
            _tile_loadd(7, right + next + k * BYTE_TILE, 64);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
        }
    } else {
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t k = 0; k < depth; k++) {
            _tile_loadd(4, left + k * DEEP, stride);
            _tile_loadd(6, right + k * BYTE_TILE, 64);
            _tile_loadd(7, right + next + k * BYTE_TILE, 64);
            _tile_loadd(5, left + 16 * stride + k * DEEP, stride);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
        }
        _tile_stored(2, out + 16 * BLOCK, BLOCK * 4);
        _tile_stored(3, out + 16 * BLOCK + 16, BLOCK * 4);
    }
    _tile_stored(0, out, BLOCK * 4);
    _tile_stored(1, out + 16, BLOCK * 4);
#else
    for (int64_t first = 0; first < rows; first += TALL)
        multiply_rows(left + first * stride, stride, right, next, depth, out + first * BLOCK);
#endif
}

/* Rows of bytes, each with its rounding; memory for a multiple of 32 rows. */
typedef struct {
    uint8_t *bytes;     /* [rows stride] */
    Rounding *rounding; /* [rows] */
    int64_t stride;
} ByteRows;

/* 16 numbers of a product: its row's rounding, its column's scale and sum. */
static inline Floats product_of_bytes(const int32_t *sums, Rounding row, const ByteWeight *w, int64_t column) {
    Integers exact = load_integers(sums) - row.zero * load_integers(w->sum + column);
    return __builtin_convertvector(exact, Floats) * (load_floats(w->scale + column) * row.scale);
}

/* Columns `first` to `last`, multiples of 32, of left[rows ...] . w, block by block: each row of a block is given to
 * `epilogue` as 32 float32. */
typedef void RowEpilogue(const void *context, const float *numbers, int64_t row, int64_t column);

static inline __attribute__((always_inline)) void multiply_byte_rows(ByteRows left, int64_t rows, const ByteWeight *w, int64_t first,
                                                                     int64_t last, RowEpilogue *epilogue, const void *context) {
    int32_t block[BLOCK * BLOCK] __attribute__((aligned(64)));
    float numbers[BLOCK] __attribute__((aligned(64)));
    for (int64_t column = first; column < last; column += BLOCK)
        for (int64_t row = 0; row < rows; row += BLOCK) {
            int64_t high = rows - row < BLOCK ? rows - row : BLOCK;
            multiply_bytes(left.bytes + row * left.stride, left.stride, high, w->tiles + column / 16 * w->depth * BYTE_TILE, w->depth, block);
            for (int64_t i = 0; i < high; i++) {
                for (int j = 0; j < BLOCK; j += 16)
                    store_floats(numbers + j, product_of_bytes(block + i * BLOCK + j, left.rounding[row + i], w, column + j));
                epilogue(context, numbers, row + i, column);
            }
        }
}

#endif
