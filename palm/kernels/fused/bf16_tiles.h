/* Matrix products of bfloat16 numbers with float32 sums, in blocks of 32 x 32.
 *
 * Left operands are row-major. Right operands are packed in tiles of 32 x 16 numbers whose rows lie two by two, as the
 * instructions want them: tile[pair][column][2]. A packed matrix holds, for each 16 columns, `depth` tiles from top to
 * bottom; its rows and columns are padded with zeros to a multiple of 32.
 *
 * `multiply_block` is the only function that uses tile instructions (AMX). Without them the same block is computed in
 * plain C: slower, with the same order of sums, so that everything built on it can be tested on any processor.
 */
#ifndef PALM_BF16_TILES_H
#define PALM_BF16_TILES_H

#include <stdint.h>
#include <string.h>

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
#define PALM_AMX 1
#include <immintrin.h>
#else
#define PALM_AMX 0
#endif

#include "vector_math.h"

typedef uint16_t bf16;

enum { TILE = 512 }; /* numbers in a tile */

typedef uint32_t Words __attribute__((vector_size(64)));   /* 16, each of two bfloat16 */
typedef uint16_t Halves __attribute__((vector_size(32)));  /* 16 */

static inline Halves load_halves(const bf16 *from) { Halves v; memcpy(&v, from, sizeof v); return v; }

/* 16 bfloat16 as float32. */
static inline Floats widened(const bf16 *from) { return (Floats)(__builtin_convertvector(load_halves(from), Words) << 16); }

/* 16 float32 to the nearest bfloat16, ties to even. */
static inline void store_rounded(bf16 *to, Floats v) {
#if PALM_AMX
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh((__m512)v));
#else
    Words bits = (Words)v, nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, nan = (bits >> 16) | 0x40u;
    Words is_nan = (Words)((bits & 0x7fffffffu) > 0x7f800000u); /* all ones where true */
    Halves half = __builtin_convertvector((nan & is_nan) | (nearest & ~is_nan), Halves);
    memcpy(to, &half, sizeof half);
#endif
}

/* to[count] = from[count], and zeros up to `padded_count`, a multiple of 16. */
static inline void round_row(bf16 *restrict to, const float *restrict from, int64_t count, int64_t padded_count) {
    int64_t j = 0;
    for (; j + 16 <= count; j += 16) store_rounded(to + j, load_floats(from + j));
    for (; j < padded_count; j += 16) {
        float rest[16] = {0};
        if (j < count) memcpy(rest, from + j, sizeof(float) * (count - j));
        store_rounded(to + j, load_floats(rest));
    }
}

/* Transposes 16 x 16 words by exchanging ever smaller squares. */
static inline void transpose(Words row[16]) {
#define EXCHANGE(D)                                                                                          \
    {                                                                                                        \
        Words upper, lower;                                                                                  \
        for (int j = 0; j < 16; j++) {                                                                       \
            upper[j] = (j & D) ? 16 + j - D : j;                                                             \
            lower[j] = (j & D) ? 16 + j : j + D;                                                             \
        }                                                                                                    \
        for (int i = 0; i < 16; i++)                                                                         \
            if (!(i & D)) {                                                                                  \
                Words a = row[i], b = row[i | D];                                                            \
                row[i] = __builtin_shuffle(a, b, upper);                                                     \
                row[i | D] = __builtin_shuffle(a, b, lower);                                                 \
            }                                                                                                \
    }
    EXCHANGE(8) EXCHANGE(4) EXCHANGE(2) EXCHANGE(1)
#undef EXCHANGE
}

/* 32 rows of 16 numbers, two by two; rows from `valid` on count as zero. */
static inline void pair_rows(const bf16 *from, int64_t stride, int64_t valid, Words pair[16]) {
    for (int p = 0; p < 16; p++) {
        Words zero = {0}, even = zero, odd = zero;
        if (2 * p < valid) even = __builtin_convertvector(load_halves(from + 2 * p * stride), Words);
        if (2 * p + 1 < valid) odd = __builtin_convertvector(load_halves(from + (2 * p + 1) * stride), Words);
        pair[p] = even | (odd << 16);
    }
}

static inline void store_tile(bf16 *to, const Words row[16]) { memcpy(to, row, sizeof(Words) * 16); }

/* Two packed columns, from `column` on, of from[rows ...] as a right operand. */
static void pack_right_columns(const bf16 *from, int64_t stride, int64_t rows, int64_t column, bf16 *to) {
    int64_t depth = padded(rows) / BLOCK;
    for (int64_t k = 0; k < depth; k++)
        for (int64_t n = column / 16; n < column / 16 + 2; n++) {
            Words pair[16];
            pair_rows(from + k * BLOCK * stride + n * 16, stride, rows - k * BLOCK, pair);
            store_tile(to + (n * depth + k) * TILE, pair);
        }
}

/* from[rows columns] as a right operand; `columns` is a multiple of 32. */
static void pack_right(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, bf16 *to) {
    for (int64_t column = 0; column < columns; column += BLOCK) pack_right_columns(from, stride, rows, column, to);
}

/* The transpose of from[rows columns] as a right operand; both are multiples of 32. */
static void pack_right_transposed(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, bf16 *to) {
    int64_t depth = columns / BLOCK;
    for (int64_t n = 0; n < rows / 16; n++)
        for (int64_t k = 0; k < depth; k++) {
            Words word[16];
            for (int i = 0; i < 16; i++) memcpy(&word[i], from + (n * 16 + i) * stride + k * BLOCK, sizeof(Words));
            transpose(word);
            store_tile(to + (n * depth + k) * TILE, word);
        }
}

/* The transpose of from[rows columns] as a left operand in tiles of 16 x 32: for each 16 columns, `depth` tiles. */
static void pack_left_transposed(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, bf16 *to) {
    int64_t depth = padded(rows) / BLOCK;
    for (int64_t k = 0; k < depth; k++)
        for (int64_t m = 0; m < columns / 16; m++) {
            Words word[16];
            pair_rows(from + k * BLOCK * stride + m * 16, stride, rows - k * BLOCK, word);
            transpose(word);
            store_tile(to + (m * depth + k) * TILE, word);
        }
}

/* ---- The block product ---- */

#if PALM_AMX

/* Sets up this thread's tile registers; every thread of a parallel region calls it before its first product. */
static inline void begin_tiles(void) {
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } setup;
    memset(&setup, 0, sizeof setup);
    setup.palette = 1;
    for (int i = 0; i < 8; i++) { setup.bytes[i] = 64; setup.rows[i] = 16; }
    /* GCC 12 declares that the next instruction reads 8 bytes of its 64, and leaves out what sets the others. */
    __asm__ volatile("" : : "r"(&setup) : "memory");
    _tile_loadconfig(&setup);
}

static inline void end_tiles(void) { _tile_release(); }

#else

static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}

/* out[16 16] += left[16 32] . right, where left has `stride` numbers between rows. */
static inline void multiply_tile(const bf16 *left, int64_t stride, const bf16 *right, float *out, int64_t out_stride) {
    for (int i = 0; i < 16; i++) {
        float sum[16];
        memcpy(sum, out + i * out_stride, sizeof sum);
        for (int p = 0; p < 16; p++) {
            float even = float_of_bits((uint32_t)left[i * stride + 2 * p] << 16);
            float odd = float_of_bits((uint32_t)left[i * stride + 2 * p + 1] << 16);
            Words pair;
            memcpy(&pair, right + p * 32, sizeof pair);
            Floats low = (Floats)(pair << 16), high = (Floats)(pair & 0xffff0000u);
            store_floats(sum, load_floats(sum) + low * even + high * odd);
        }
        memcpy(out + i * out_stride, sum, sizeof sum);
    }
}

#endif

/* Operands of a block product: left[32 32*depth], of which the lower 16 rows begin at `lower` and whose tiles are
 * `step` numbers apart; right: two packed columns of `depth` tiles. */
typedef struct {
    const bf16 *upper, *lower;
    int64_t stride, step;
    const bf16 *right;
    int64_t depth;
} Operands;

/* out[32 32] (+)= left . right: added to `out` where `add` is set. */
static inline __attribute__((always_inline)) void multiply_block(Operands o, float *out, int64_t stride, int add) {
    const bf16 *first = o.right, *second = o.right + o.depth * TILE;
#if PALM_AMX
    if (add) {
        _tile_loadd(0, out, stride * 4);
        _tile_loadd(1, out + 16, stride * 4);
        _tile_loadd(2, out + 16 * stride, stride * 4);
        _tile_loadd(3, out + 16 * stride + 16, stride * 4);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t k = 0; k < o.depth; k++) {
        _tile_loadd(4, o.upper + k * o.step, o.stride * 2);
        _tile_loadd(6, first + k * TILE, 64);
        _tile_loadd(7, second + k * TILE, 64);
        _tile_loadd(5, o.lower + k * o.step, o.stride * 2);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, stride * 4);
    _tile_stored(1, out + 16, stride * 4);
    _tile_stored(2, out + 16 * stride, stride * 4);
    _tile_stored(3, out + 16 * stride + 16, stride * 4);
#else
    if (!add)
        for (int i = 0; i < BLOCK; i++) memset(out + i * stride, 0, sizeof(float) * BLOCK);
    for (int64_t k = 0; k < o.depth; k++)
        for (int half = 0; half < 2; half++) {
            const bf16 *left = (half ? o.lower : o.upper) + k * o.step;
            multiply_tile(left, o.stride, first + k * TILE, out + half * 16 * stride, stride);
            multiply_tile(left, o.stride, second + k * TILE, out + half * 16 * stride + 16, stride);
        }
#endif
}

/* Operands whose left one is row-major. */
static inline Operands row_major(const bf16 *left, int64_t stride, const bf16 *right, int64_t depth) {
    return (Operands){left, left + 16 * stride, stride, BLOCK, right, depth};
}

/* Operands whose left one was packed by `pack_left_transposed`. */
static inline Operands packed_left(const bf16 *left, const bf16 *right, int64_t depth) {
    return (Operands){left, left + depth * TILE, BLOCK, TILE, right, depth};
}

/* What is done with a finished block at (row, column): bias, non-linearity, rounding, … */
typedef void Epilogue(const void *context, const float *block, int64_t row, int64_t column);

/* left[rows 32*depth] . right[32*depth columns], block by block; `left` must be readable up to a multiple of 32 rows. */
static inline __attribute__((always_inline)) void multiply(const bf16 *left, int64_t stride, int64_t rows,
                                                           const bf16 *right, int64_t depth, int64_t columns,
                                                           Epilogue *epilogue, const void *context) {
    float block[BLOCK * BLOCK] __attribute__((aligned(64)));
    for (int64_t column = 0; column < columns; column += BLOCK)
        for (int64_t row = 0; row < rows; row += BLOCK) {
            multiply_block(row_major(left + row * stride, stride, right + column / 16 * depth * TILE, depth), block, BLOCK, 0);
            epilogue(context, block, row, column);
        }
}

#endif
