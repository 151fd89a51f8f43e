/* Matrix products of bfloat16 numbers with float32 sums, in blocks of 32 x 32.
 *
 * A matrix lies in slabs: 32 columns of all rows together, so that a block, and any 32 rows of a slab, is 2 KB of consecutive
 * memory. This is how a left operand is read. A right block is two tiles of 32 x 16 numbers whose rows lie two by two, as the
 * instructions want them: block[half][pair][column][2]. A right operand holds, for each 32 columns, `depth` blocks from top to
 * bottom; its rows and columns are padded with zeros to a multiple of 32.
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

static inline Row load_row(const bf16 *from) { Row v; memcpy(&v, from, sizeof v); return v; }
static inline void store_row(bf16 *to, Row v) { memcpy(to, &v, sizeof v); }

/* Past the caches, as nothing reads it soon; `to` is aligned to 64 bytes. */
static inline void store_row_past(bf16 *to, Row v) {
#if defined(__AVX512F__)
    _mm512_stream_si512((void *)to, (__m512i)v);
#else
    store_row(to, v);
#endif
}

/* Orders what `store_row_past` has stored before what this thread stores next, such as that it is done. */
static inline void settle_stores(void) {
#if defined(__AVX512F__)
    _mm_sfence();
#endif
}

/* 32 float32, first those of `a`, to the nearest bfloat16. */
static inline Row rounded(Floats a, Floats b) {
#if defined(__AVX512BF16__)
    return (Row)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
#else
    bf16 numbers[BLOCK];
    store_rounded(numbers, a);
    store_rounded(numbers + 16, b);
    return load_row(numbers);
#endif
}

/* 16 of 32 bfloat16 as float32: those of the first half, 0, or of the second, 1. */
static inline Floats half_of(Row row, int half) {
#if defined(__AVX512F__)
    __m256i numbers = half ? _mm512_extracti64x4_epi64((__m512i)row, 1) : _mm512_castsi512_si256((__m512i)row);
    return (Floats)_mm512_slli_epi32(_mm512_cvtepu16_epi32(numbers), 16);
#else
    bf16 numbers[BLOCK];
    store_row(numbers, row);
    return widened(numbers + 16 * half);
#endif
}

/* ---- Slabs ---- */

/* A matrix in slabs, which are `step` numbers apart. */
typedef struct {
    bf16 *at;
    int64_t step;
} Slabs;

static inline bf16 *place_in(Slabs s, int64_t row, int64_t column) { return s.at + (column >> 5) * s.step + row * BLOCK + (column & 31); }

/* 32 numbers of from[count], from `column` on, rounded; zeros behind its end. */
static inline Row rounded_some(const float *from, int64_t count, int64_t column) {
    return rounded(load_some(from + column, count - column), load_some(from + column + 16, count - column - 16));
}

/* Row `row` = from[count], and zeros up to a multiple of 32. */
static inline void round_row(Slabs to, int64_t row, const float *from, int64_t count) {
    for (int64_t j = 0; j < count; j += BLOCK) store_row(place_in(to, row, j), rounded_some(from, count, j));
}

static inline void zero_rows(Slabs s, int64_t first, int64_t last, int64_t columns) {
    for (int64_t j = 0; j < columns; j += BLOCK) memset(place_in(s, first, j), 0, sizeof(bf16) * BLOCK * (last - first));
}

/* Copies `count` numbers of a row. */
static inline void copy_numbers(Slabs from, int64_t row, int64_t column, Slabs to, int64_t to_row, int64_t to_column, int64_t count) {
    for (int64_t some; count > 0; column += some, to_column += some, count -= some) {
        int64_t here = BLOCK - (column & 31), there = BLOCK - (to_column & 31);
        some = here < there ? here : there;
        some = some < count ? some : count;
        memcpy(place_in(to, to_row, to_column), place_in(from, row, column), sizeof(bf16) * some);
    }
}

/* ---- Packing ---- */

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

/* A tile's rows; `past` the caches or not. */
static inline __attribute__((always_inline)) void store_tile(bf16 *to, const Words row[16], int past) {
    for (int i = 0; i < 16; i++) past ? store_row_past(to + i * BLOCK, (Row)row[i]) : store_row(to + i * BLOCK, (Row)row[i]);
}

static inline __attribute__((always_inline)) void interleave(const bf16 *from, int64_t stride, int64_t valid, bf16 *to, int past) {
    const Row first = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const Row second = first + 16;
    Words left[16], right[16];
    for (int p = 0; p < 16; p++) {
        Row even = {0}, odd = {0};
        if (2 * p < valid) even = load_row(from + 2 * p * stride);
        if (2 * p + 1 < valid) odd = load_row(from + (2 * p + 1) * stride);
        left[p] = (Words)__builtin_shuffle(even, odd, first), right[p] = (Words)__builtin_shuffle(even, odd, second);
    }
    store_tile(to, left, past);
    store_tile(to + TILE, right, past);
}

/* A right block of 32 rows of 32 numbers; rows from `valid` on count as zero, whatever memory holds. */
static __attribute__((noinline)) void right_block(const bf16 *from, int64_t stride, int64_t valid, bf16 *to) {
    interleave(from, stride, valid, to, 0);
}

/* The same, of a block in slabs, past the caches: it is read when all chunks are done. */
static __attribute__((noinline)) void right_block_past(const bf16 *from, bf16 *to) { interleave(from, BLOCK, BLOCK, to, 1); }

/* A right block of the transpose of 32 rows of 32 numbers. */
static __attribute__((noinline)) void right_block_transposed(const bf16 *from, int64_t stride, bf16 *to) {
    for (int half = 0; half < 2; half++) {
        Words word[16];
        for (int i = 0; i < 16; i++) memcpy(&word[i], from + (half * 16 + i) * stride, sizeof(Words));
        transpose(word);
        store_tile(to + half * TILE, word, 0);
    }
}

static inline __attribute__((always_inline)) void transpose_block(const bf16 *from, int64_t valid, bf16 *to, int past) {
    bf16 pairs[NUMBERS] __attribute__((aligned(64)));
    right_block(from, BLOCK, valid, pairs);
    for (int half = 0; half < 2; half++) {
        Words word[16];
        memcpy(word, pairs + half * TILE, sizeof word);
        transpose(word);
        store_tile(to + half * TILE, word, past);
    }
}

/* The transpose of a block in slabs, as right_block takes its rows: a left block. Past the caches likewise. */
static __attribute__((noinline)) void left_block_transposed(const bf16 *from, int64_t valid, bf16 *to) { transpose_block(from, valid, to, 0); }
static __attribute__((noinline)) void left_block_transposed_past(const bf16 *from, bf16 *to) { transpose_block(from, BLOCK, to, 1); }

/* Both for the blocks of a matrix[32*down columns]: in the order of its slabs, which is that of operands with the inner
 * dimension `down`. */
static void pack_right(Slabs from, int64_t down, int64_t columns, bf16 *to) {
    for (int64_t n = 0; n < columns; n += BLOCK)
        for (int64_t k = 0; k < down; k++, to += NUMBERS) right_block_past(place_in(from, k * BLOCK, n), to);
}
static void pack_left_transposed(Slabs from, int64_t down, int64_t columns, bf16 *to) {
    for (int64_t m = 0; m < columns; m += BLOCK)
        for (int64_t k = 0; k < down; k++, to += NUMBERS) left_block_transposed_past(place_in(from, k * BLOCK, m), to);
}

/* ---- The block product ---- */

/* Operands of a block product: left[32 32*depth], whose blocks are `step` numbers apart; right: `depth` blocks. Memory from
 * `next` on, `ahead` bytes for each of `depth`, is fetched into the cache meanwhile. */
typedef struct {
    const bf16 *left;
    int64_t step;
    const bf16 *right;
    int64_t depth;
    const bf16 *next;
    int64_t ahead;
} Operands;

/* What is done with 32 numbers of a row of a product: bias, non-linearity, rounding, … */
typedef void Epilogue(const void *context, const float *numbers, int64_t row, int64_t column);

/* A block at (row, column) of a product whose epilogue is to be done while the next block is computed: line by line, from
 * `line` on. The tile instructions run beside it. */
typedef struct {
    const void *context;
    const float *block;
    int64_t row, column, line;
} Waiting;

static inline __attribute__((always_inline)) void finish_lines(Epilogue *epilogue, Waiting *w, int64_t count) {
    for (int64_t last = w->line + count < BLOCK ? w->line + count : BLOCK; w->line < last; w->line++)
        epilogue(w->context, w->block + w->line * BLOCK, w->row + w->line, w->column);
}

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

/* out[32 32] (+)= left . right: added to `out` where `add` is set. Meanwhile, the epilogue (may be NULL) of `waiting`, which
 * may be where `out` is. */
static inline __attribute__((always_inline)) void multiply_block(Operands o, float *out, int64_t stride, int add, Epilogue *epilogue, Waiting *waiting) {
    __asm__ volatile("" : : : "memory"); /* GCC does not know that the instructions read memory */
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
    int64_t lines = (BLOCK + o.depth - 1) / o.depth;
    for (int64_t k = 0; k < o.depth; k++) {
        const bf16 *left = o.left + k * o.step, *right = o.right + k * NUMBERS;
        _tile_loadd(4, left, 64);
        _tile_loadd(6, right, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, right + TILE, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, left + TILE, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        for (int64_t i = 0; i < o.ahead; i += 64) __builtin_prefetch(next + i, 0, 2);
        next += o.ahead;
        if (epilogue != NULL) finish_lines(epilogue, waiting, lines);
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

static __attribute__((noinline)) void compute_block(Operands o, float *out, int64_t stride, int add) {
    enum { ROWS = 8 }; /* whose sums stay in registers */
    for (int row = 0; row < BLOCK; row += ROWS) {
        Floats sum[ROWS][2];
        for (int i = 0; i < ROWS; i++)
            for (int half = 0; half < 2; half++)
                sum[i][half] = add ? load_floats(out + (row + i) * stride + half * 16) : (Floats){0};
        for (int64_t k = 0; k < o.depth; k++) {
            const bf16 *left = o.left + k * o.step + row * BLOCK, *right = o.right + k * NUMBERS;
            for (int p = 0; p < 16; p++) {
                Words first, second;
                memcpy(&first, right + p * BLOCK, sizeof first);
                memcpy(&second, right + TILE + p * BLOCK, sizeof second);
                for (int i = 0; i < ROWS; i++) {
                    uint32_t pair;
                    memcpy(&pair, left + i * BLOCK + 2 * p, sizeof pair);
                    sum[i][0] = add_pairs(sum[i][0], pair, first);
                    sum[i][1] = add_pairs(sum[i][1], pair, second);
                }
            }
        }
        for (int i = 0; i < ROWS; i++)
            for (int half = 0; half < 2; half++) store_floats(out + (row + i) * stride + half * 16, sum[i][half]);
    }
}

static inline __attribute__((always_inline)) void multiply_block(Operands o, float *out, int64_t stride, int add, Epilogue *epilogue, Waiting *waiting) {
    if (epilogue != NULL) finish_lines(epilogue, waiting, BLOCK);
    compute_block(o, out, stride, add);
}

#endif

/* ---- Products ---- */

/* left[rows 32*depth] . right[32*depth columns], for its columns from `first` to `last`: rows are padded. Either each row of a
 * block is given to `epilogue`, or, where that is NULL, written to `out` with the stride `stride`, added to it where `add` is set.
 * So many blocks of the right operand that they stay in the first-level cache meet all rows, one after another, while the
 * next ones are fetched. */
static inline __attribute__((always_inline)) void multiply_all(Slabs left, int64_t rows, const bf16 *right, int64_t depth, int64_t first,
                                                               int64_t last, float *out, int64_t stride, int add, Epilogue *epilogue,
                                                               const void *context) {
    enum { DEPTH = 12, ROWS = 256 }; /* blocks of the right operand; rows whose sums are kept in between */
    float sums[ROWS * BLOCK] __attribute__((aligned(64)));
    Waiting waiting = {.line = BLOCK};
    int64_t parts = (depth + DEPTH - 1) / DEPTH, strips = (padded(rows) + ROWS - 1) / ROWS, all = padded(rows) / BLOCK;
    for (int64_t strip = 0; strip < strips; strip++) {
        int64_t top = all * strip / strips, bottom = all * (strip + 1) / strips;
        for (int64_t column = first; column < last; column += BLOCK)
            for (int64_t part = 0; part < parts; part++) {
                int64_t begin = depth * part / parts, end = depth * (part + 1) / parts;
                const bf16 *blocks = right + column * depth * BLOCK + begin * NUMBERS, *next = blocks + (end - begin) * NUMBERS;
                int64_t ahead = (2 * NUMBERS / (bottom - top) + 63) / 64 * 64;
                for (int64_t m = top; m < bottom; m++) {
                    Operands o = {left.at + m * NUMBERS + begin * left.step, left.step, blocks, end - begin,
                                  next + (m - top) * (end - begin) * ahead / 2, ahead};
                    if (epilogue == NULL) {
                        multiply_block(o, out + m * BLOCK * stride + column, stride, add || part > 0, NULL, NULL);
                        continue;
                    }
                    float *block = sums + (parts > 1 ? m - top : 0) * NUMBERS;
                    multiply_block(o, block, BLOCK, part > 0, epilogue, &waiting);
                    if (part == parts - 1) waiting = (Waiting){context, block, m * BLOCK, column, 0};
                }
            }
    }
    if (epilogue != NULL) finish_lines(epilogue, &waiting, BLOCK);
}

static inline __attribute__((always_inline)) void multiply(Slabs left, int64_t rows, const bf16 *right, int64_t depth, int64_t first,
                                                           int64_t last, Epilogue *epilogue, const void *context) {
    multiply_all(left, rows, right, depth, first, last, NULL, 0, 0, epilogue, context);
}

/* out[rows stride] = left . right, or added to it: see `multiply_all`. */
static void multiply_to(Slabs left, int64_t rows, const bf16 *right, int64_t depth, int64_t first, int64_t last, float *out, int64_t stride, int add) {
    multiply_all(left, rows, right, depth, first, last, out, stride, add, NULL, NULL);
}

#endif
