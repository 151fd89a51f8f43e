/* Matrix products of bfloat16 numbers with float32 sums, in blocks of 32 x 32.
 *
 * A left block is 32 rows of 32 numbers with any stride. Left operands are row-major, or in slabs: 32 columns of all rows,
 * which lie together, so that a block is read from consecutive memory. A right block is two tiles of 32 x 16 numbers whose
 * rows lie two by two, as the instructions want them: block[half][pair][column][2]. A right operand holds, for each 32
 * columns, `depth` blocks from top to bottom; its rows and columns are padded with zeros to a multiple of 32.
 *
 * `multiply_block` is the only function that multiplies: by tile instructions (AMX), by dot products of pairs
 * (AVX512-BF16), or in plain C, so that everything built on it can be tested on any processor.
 */
#ifndef PALM_BF16_TILES_H
#define PALM_BF16_TILES_H

/* On processors without AVX512-BF16 and AVX512-VNNI what is built on this header is for tests alone: fast enough without the
 * optimisations that GCC takes longest for, such as the unrolling of shuffles. */
#if !defined(__AVX512BF16__) && !defined(__AVX512VNNI__)
#pragma GCC optimize("O1")
#endif

#include <stdint.h>
#include <string.h>

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
#define PALM_AMX 1
#else
#define PALM_AMX 0
#endif
#include "vector_math.h"

typedef uint16_t bf16;

enum { TILE = 512, NUMBERS = BLOCK * BLOCK }; /* numbers in a tile, in a block */

typedef uint16_t Halves __attribute__((vector_size(32)));  /* 16 */
typedef uint16_t Row __attribute__((vector_size(64)));     /* 32: a row of a block */

static inline Halves load_halves(const bf16 *from) { Halves v; memcpy(&v, from, sizeof v); return v; }

/* 16 bfloat16 as float32. */
static inline Floats widened(const bf16 *from) { return (Floats)(__builtin_convertvector(load_halves(from), Words) << 16); }

/* 16 float32 to the nearest bfloat16, ties to even. */
static inline void store_rounded(bf16 *to, Floats v) {
#if defined(__AVX512BF16__)
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

static inline Row load_row(const bf16 *from) { Row v; memcpy(&v, from, sizeof v); return v; }
static inline void store_words(bf16 *to, const Words row[16]) { memcpy(to, row, sizeof(Words) * 16); }

/* A right block of 32 rows of 32 numbers; rows from `valid` on count as zero, whatever memory holds. */
static __attribute__((noinline)) void right_block(const bf16 *from, int64_t stride, int64_t valid, bf16 *to) {
    const Row first = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const Row second = first + 16;
    for (int p = 0; p < 16; p++) {
        Row even = {0}, odd = {0};
        if (2 * p < valid) even = load_row(from + 2 * p * stride);
        if (2 * p + 1 < valid) odd = load_row(from + (2 * p + 1) * stride);
        Row left = __builtin_shuffle(even, odd, first), right = __builtin_shuffle(even, odd, second);
        memcpy(to + p * BLOCK, &left, sizeof left);
        memcpy(to + TILE + p * BLOCK, &right, sizeof right);
    }
}

/* A right block of the transpose of 32 rows of 32 numbers. */
static __attribute__((noinline)) void right_block_transposed(const bf16 *from, int64_t stride, bf16 *to) {
    for (int half = 0; half < 2; half++) {
        Words word[16];
        for (int i = 0; i < 16; i++) memcpy(&word[i], from + (half * 16 + i) * stride, sizeof(Words));
        transpose(word);
        store_words(to + half * TILE, word);
    }
}

/* The transpose of 32 rows of 32 numbers, as right_block takes them, row-major: a left block. */
static __attribute__((noinline)) void left_block_transposed(const bf16 *from, int64_t stride, int64_t valid, bf16 *to) {
    bf16 pairs[NUMBERS] __attribute__((aligned(64)));
    right_block(from, stride, valid, pairs);
    for (int half = 0; half < 2; half++) {
        Words word[16];
        memcpy(word, pairs + half * TILE, sizeof word);
        transpose(word);
        store_words(to + half * TILE, word);
    }
}

/* from[rows columns] as a right operand; `columns` is a multiple of 32. */
static void pack_right(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, bf16 *to) {
    for (int64_t n = 0; n < columns; n += BLOCK)
        for (int64_t k = 0; k < rows; k += BLOCK, to += NUMBERS) right_block(from + k * stride + n, stride, rows - k, to);
}

/* The transpose of from[rows columns] as a right operand; `columns` is a multiple of 32, and memory is readable up to a
 * multiple of 32 rows. */
static void pack_right_transposed(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, bf16 *to) {
    for (int64_t n = 0; n < rows; n += BLOCK)
        for (int64_t k = 0; k < columns; k += BLOCK, to += NUMBERS) right_block_transposed(from + n * stride + k, stride, to);
}

/* The transpose of from[rows columns] as a left operand in blocks: for each 32 columns, one for each 32 rows. */
static void pack_left_transposed(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, bf16 *to) {
    for (int64_t m = 0; m < columns; m += BLOCK)
        for (int64_t k = 0; k < rows; k += BLOCK, to += NUMBERS) left_block_transposed(from + k * stride + m, stride, rows - k, to);
}

/* ---- The block product ---- */

/* Operands of a block product: left[32 32*depth], whose blocks are `step` numbers apart and their rows `stride`; right:
 * `depth` blocks. Memory from `next` on, `ahead` bytes for each of `depth`, is fetched into the cache meanwhile. */
typedef struct {
    const bf16 *left;
    int64_t stride, step;
    const bf16 *right;
    int64_t depth;
    const bf16 *next;
    int64_t ahead;
} Operands;

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

/* out[32 32] (+)= left . right: added to `out` where `add` is set. */
static inline __attribute__((always_inline)) void multiply_block(Operands o, float *out, int64_t stride, int add) {
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
    const char *next = (const char *)o.next;
    for (int64_t k = 0; k < o.depth; k++) {
        const bf16 *left = o.left + k * o.step, *right = o.right + k * NUMBERS;
        _tile_loadd(4, left, o.stride * 2);
        _tile_loadd(6, right, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, right + TILE, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, left + 16 * o.stride, o.stride * 2);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        for (int64_t i = 0; i < o.ahead; i += 64) __builtin_prefetch(next + i, 0, 2);
        next += o.ahead;
    }
    _tile_stored(0, out, stride * 4);
    _tile_stored(1, out + 16, stride * 4);
    _tile_stored(2, out + 16 * stride, stride * 4);
    _tile_stored(3, out + 16 * stride + 16, stride * 4);
}

#else

static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}

/* Sums of two products for each of 16 columns: sum + pair of the left operand . pairs of the right one. */
static inline Floats add_pairs(Floats sum, uint32_t left, Words right) {
#if defined(__AVX512BF16__)
    return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)left), (__m512bh)right);
#else
    Floats even = (Floats)(right << 16), odd = (Floats)(right & 0xffff0000u);
    return sum + even * float_of_bits(left << 16) + odd * float_of_bits(left & 0xffff0000u);
#endif
}

static __attribute__((noinline)) void multiply_block(Operands o, float *out, int64_t stride, int add) {
    enum { ROWS = 8 }; /* whose sums stay in registers */
    for (int row = 0; row < BLOCK; row += ROWS) {
        Floats sum[ROWS][2];
        for (int i = 0; i < ROWS; i++)
            for (int half = 0; half < 2; half++)
                sum[i][half] = add ? load_floats(out + (row + i) * stride + half * 16) : (Floats){0};
        for (int64_t k = 0; k < o.depth; k++) {
            const bf16 *left = o.left + k * o.step + row * o.stride, *right = o.right + k * NUMBERS;
            for (int p = 0; p < 16; p++) {
                Words first, second;
                memcpy(&first, right + p * BLOCK, sizeof first);
                memcpy(&second, right + TILE + p * BLOCK, sizeof second);
                for (int i = 0; i < ROWS; i++) {
                    uint32_t pair;
                    memcpy(&pair, left + i * o.stride + 2 * p, sizeof pair);
                    sum[i][0] = add_pairs(sum[i][0], pair, first);
                    sum[i][1] = add_pairs(sum[i][1], pair, second);
                }
            }
        }
        for (int i = 0; i < ROWS; i++)
            for (int half = 0; half < 2; half++) store_floats(out + (row + i) * stride + half * 16, sum[i][half]);
    }
}

#endif

static inline Operands row_major(const bf16 *left, int64_t stride, const bf16 *right, int64_t depth) {
    return (Operands){left, stride, BLOCK, right, depth};
}

/* Operands whose left one was packed by `pack_left_transposed`. */
static inline Operands packed_left(const bf16 *left, const bf16 *right, int64_t depth) {
    return (Operands){left, BLOCK, NUMBERS, right, depth};
}

/* ---- Products ---- */

/* A left operand: the number at (row, column) is at[row * stride + column / 32 * step + column % 32]. It is readable up to
 * a multiple of 32 rows. */
typedef struct {
    const bf16 *at;
    int64_t stride, step;
} Left;

static inline Left rows_of(const bf16 *at, int64_t stride) { return (Left){at, stride, BLOCK}; }

/* Slabs of `rows` rows. */
static inline Left slabs_of(const bf16 *at, int64_t rows) { return (Left){at, BLOCK, rows * BLOCK}; }

/* What is done with a finished block at (row, column): bias, non-linearity, rounding, … */
typedef void Epilogue(const void *context, const float *block, int64_t row, int64_t column);

/* left[rows 32*depth] . right[32*depth columns], block by block. So many blocks of the right operand that they stay in the
 * first-level cache meet all rows, one after another, while the next ones are fetched. */
static inline __attribute__((always_inline)) void multiply_left(Left left, int64_t rows, const bf16 *right, int64_t depth, int64_t columns,
                                                                Epilogue *epilogue, const void *context) {
    enum { DEPTH = 12, ROWS = 256 }; /* blocks of the right operand; rows whose sums are kept in between */
    float sums[ROWS * BLOCK] __attribute__((aligned(64)));
    int64_t parts = (depth + DEPTH - 1) / DEPTH, strips = (padded(rows) + ROWS - 1) / ROWS, all = padded(rows) / BLOCK;
    for (int64_t strip = 0; strip < strips; strip++) {
        int64_t first = all * strip / strips, last = all * (strip + 1) / strips;
        for (int64_t column = 0; column < columns; column += BLOCK)
            for (int64_t part = 0; part < parts; part++) {
                int64_t begin = depth * part / parts, end = depth * (part + 1) / parts;
                const bf16 *blocks = right + column * depth * BLOCK + begin * NUMBERS, *next = blocks + (end - begin) * NUMBERS;
                int64_t ahead = (2 * NUMBERS / (last - first) + 63) / 64 * 64;
                for (int64_t m = first; m < last; m++) {
                    Operands o = {left.at + m * BLOCK * left.stride + begin * left.step, left.stride, left.step, blocks, end - begin,
                                  next + (m - first) * (end - begin) * ahead / 2, ahead};
                    float *block = sums + (parts > 1 ? m - first : 0) * NUMBERS;
                    multiply_block(o, block, BLOCK, part > 0);
                    if (part == parts - 1) epilogue(context, block, m * BLOCK, column);
                }
            }
    }
}

static inline __attribute__((always_inline)) void multiply(const bf16 *left, int64_t stride, int64_t rows, const bf16 *right, int64_t depth,
                                                           int64_t columns, Epilogue *epilogue, const void *context) {
    multiply_left(rows_of(left, stride), rows, right, depth, columns, epilogue, context);
}

#endif
