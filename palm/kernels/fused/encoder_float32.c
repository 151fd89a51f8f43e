/* A layer of encoder.c in float32. Its products are computed here: a panel of 32 columns of the right operand is copied
 * into the cache, from where all rows of the chunk use it. So weights need no second copy in memory, and one text is not
 * slowed down by a library that packs them for many.
 */
#include "encoder.h"

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#endif

/* The processor's own vectors, and how many rows of two of them leave registers for the operands. */
#if defined(__AVX512F__)
enum { LANES = 16, GROUP = 12 };
#elif defined(__AVX__)
enum { LANES = 8, GROUP = 6 };
#else
enum { LANES = 4, GROUP = 4 };
#endif
typedef float Lanes __attribute__((vector_size(4 * LANES)));

static inline Lanes load_lanes(const float *from) { Lanes v; memcpy(&v, from, sizeof v); return v; }
static inline void store_lanes(float *to, Lanes v) { memcpy(to, &v, sizeof v); }

/* a * b + c; rounded once where the processor has such an instruction. */
static inline Lanes add_product(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
    return (Lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (Lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* out[rows 2*LANES] = left[rows depth] . panel, where a panel's rows have BLOCK numbers; `rows` is a constant. */
static inline __attribute__((always_inline)) void multiply_group(int rows, const float *left, int64_t stride, const float *panel,
                                                                 int64_t depth, float *out, int64_t out_stride) {
    Lanes sum[GROUP][2];
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = (Lanes){0};
    for (int64_t k = 0; k < depth; k++) {
        Lanes first = load_lanes(panel + k * BLOCK), second = load_lanes(panel + k * BLOCK + LANES);
        for (int i = 0; i < rows; i++) {
            Lanes value = left[i * stride + k] - (Lanes){0};
            sum[i][0] = add_product(value, first, sum[i][0]);
            sum[i][1] = add_product(value, second, sum[i][1]);
        }
    }
    for (int i = 0; i < rows; i++) {
        store_lanes(out + i * out_stride, sum[i][0]);
        store_lanes(out + i * out_stride + LANES, sum[i][1]);
    }
}

/* out[rows 32] = left[rows depth] . panel[depth 32]. */
static void multiply_panel(const float *left, int64_t stride, int64_t rows, const float *panel, int64_t depth, float *out,
                           int64_t out_stride) {
    for (int64_t n = 0; n < BLOCK; n += 2 * LANES) {
        int64_t i = 0;
        for (; i + GROUP <= rows; i += GROUP) multiply_group(GROUP, left + i * stride, stride, panel + n, depth, out + i * out_stride + n, out_stride);
        for (; i + 4 <= rows; i += 4) multiply_group(4, left + i * stride, stride, panel + n, depth, out + i * out_stride + n, out_stride);
        for (; i < rows; i++) multiply_group(1, left + i * stride, stride, panel + n, depth, out + i * out_stride + n, out_stride);
    }
}

/* panel[rows 32] = `columns` columns of from[rows ...], and zeros. */
static void copy_panel(const float *from, int64_t stride, int64_t rows, int64_t columns, float *panel) {
    enum { AHEAD = 16 }; /* rows: each lies in another page of memory, where the processor does not look ahead itself */
    if (columns < BLOCK) memset(panel, 0, sizeof(float) * rows * BLOCK);
    for (int64_t k = 0; k < rows; k++) {
        const float *row = from + k * stride;
        if (columns >= BLOCK) {
            if (k + AHEAD < rows) {
                __builtin_prefetch(row + AHEAD * stride);
                __builtin_prefetch(row + AHEAD * stride + 16);
            }
            memcpy(panel + k * BLOCK, row, sizeof(float) * BLOCK);
        } else
            memcpy(panel + k * BLOCK, row, sizeof(float) * columns);
    }
}

/* ---- Memory ---- */

typedef struct {
    float *qkv, *context, *values, *middle, *active; /* [rows qkv], [rows width] thrice, [rows inner] */
} Shared;

static int64_t lay_out_shared(Shared *m, char *base, const Plan *plan) {
    int64_t rows = plan->most_rows;
    char *at = base;
    m->qkv = take(&at, sizeof(float) * rows * plan->qkv);
    m->context = take(&at, sizeof(float) * rows * plan->width);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->middle = take(&at, sizeof(float) * rows * plan->width);
    m->active = take(&at, sizeof(float) * rows * plan->inner);
    return at - base;
}

typedef struct {
    float *panel;         /* [width or inner, 32] */
    float *keys, *values; /* of a head, as panels: [length/32 size 32], [size/32 length 32] */
    float *scores, *out;  /* [32 length], [32 size] */
} Own;

static int64_t lay_out_own(Own *m, char *base, const Plan *plan) {
    int64_t size = padded(plan->layer->width / plan->layer->heads), deepest = plan->inner > plan->width ? plan->inner : plan->width;
    char *at = base;
    m->panel = take(&at, sizeof(float) * deepest * BLOCK);
    m->keys = take(&at, sizeof(float) * plan->longest * size);
    m->values = take(&at, sizeof(float) * plan->longest * size);
    m->scores = take(&at, sizeof(float) * BLOCK * plan->longest);
    m->out = take(&at, sizeof(float) * BLOCK * size);
    return at - base;
}

static int64_t shared_bytes(const Plan *plan) { Shared m; return lay_out_shared(&m, NULL, plan); }
static int64_t own_bytes(const Plan *plan) { Own m; return lay_out_own(&m, NULL, plan); }

/* ---- Steps ---- */

/* What is done with a panel of a product: nothing, bias, or bias and non-linearity. */
typedef struct {
    const float *bias;
    int activation; /* -1: none */
} Finish;

static void finish_panel(const Finish *f, int64_t columns, int64_t column, int64_t rows, float *out, int64_t stride) {
    float bias[BLOCK] = {0};
    memcpy(bias, f->bias + column, sizeof(float) * least(columns - column, BLOCK));
    for (int64_t i = 0; i < rows; i++) {
        float x[BLOCK], slope[BLOCK], *y = out + i * stride + column;
#pragma omp simd
        for (int j = 0; j < BLOCK; j++) x[j] = y[j] + bias[j];
        if (f->activation < 0) memcpy(y, x, sizeof x);
        else activate(x, y, slope, f->activation);
    }
}

/* This thread's columns of out[rows columns] = left[rows depth] . weight[depth columns], finished. */
static void multiply(const float *left, int64_t stride, int64_t rows, const float *weight, int64_t depth, int64_t columns,
                     float *panel, float *out, const Finish *finish, Team team) {
    int64_t panels = padded(columns) / BLOCK, out_stride = padded(columns);
    for (int64_t p = first_of(team.number, panels, team); p < first_of(team.number + 1, panels, team); p++) {
        copy_panel(weight + p * BLOCK, columns, depth, columns - p * BLOCK, panel);
        multiply_panel(left, stride, rows, panel, depth, out + p * BLOCK, out_stride);
        if (finish != NULL) finish_panel(finish, columns, p * BLOCK, rows, out, out_stride);
    }
}

static void softmax(float *restrict x, int64_t length, float scale) {
    float largest = -INFINITY, total = 0.0f;
#pragma omp simd reduction(max : largest)
    for (int64_t j = 0; j < length; j++) {
        x[j] *= scale;
        largest = x[j] > largest ? x[j] : largest;
    }
#pragma omp simd reduction(+ : total)
    for (int64_t j = 0; j < length; j++) {
        x[j] = exp_of(x[j] - largest);
        total += x[j];
    }
    float rate = 1.0f / total;
#pragma omp simd
    for (int64_t j = 0; j < length; j++) x[j] *= rate;
}

/* Scaled dot-product attention (arXiv:1706.03762) of one head over one sequence, 32 queries at once. */
static void attend(const Own *m, int64_t length, int64_t size, const float *query, int64_t part, int64_t stride, float *context,
                   int64_t context_stride) {
    const float *key = query + part, *value = query + 2 * part;
    int64_t columns = padded(length);
    memset(m->keys, 0, sizeof(float) * columns * size);
    for (int64_t j = 0; j < length; j++)
        for (int64_t d = 0; d < size; d++) m->keys[j / BLOCK * size * BLOCK + d * BLOCK + j % BLOCK] = key[j * stride + d];
    for (int64_t n = 0; n < size; n += BLOCK) copy_panel(value + n, stride, length, size - n, m->values + n * length);
    for (int64_t first = 0; first < length; first += BLOCK) {
        int64_t rows = least(length - first, BLOCK);
        for (int64_t n = 0; n < columns; n += BLOCK)
            multiply_panel(query + first * stride, stride, rows, m->keys + n * size, size, m->scores + n, columns);
        for (int64_t i = 0; i < rows; i++) softmax(m->scores + i * columns, length, 1.0f / sqrtf((float)size));
        for (int64_t n = 0; n < size; n += BLOCK)
            multiply_panel(m->scores, columns, rows, m->values + n * length, length, m->out + n, padded(size));
        for (int64_t i = 0; i < rows; i++)
            memcpy(context + (first + i) * context_stride, m->out + i * padded(size), sizeof(float) * size);
    }
}

static void compute_layer(const Chunk *chunk, const void *weights, float *hidden, char *shared, char *own, Team team) {
    const Plan *plan = chunk->plan;
    const Layer *layer = plan->layer;
    const float *const *w = weights;
    int64_t width = layer->width, inner = layer->inner, rows = chunk->rows, size = width / layer->heads, stride = plan->width;
    int64_t first = first_of(team.number, rows, team), last = first_of(team.number + 1, rows, team);
    Shared m;
    lay_out_shared(&m, shared, plan);
    Own mine;
    lay_out_own(&mine, own, plan);

    meet(team);
    Finish biased = {w[QKV_BIAS], -1}, activated = {w[INNER_BIAS], (int)layer->activation};
    multiply(hidden, width, rows, w[QKV_WEIGHT], width, 3 * width, mine.panel, m.qkv, &biased, team);
    meet(team);
    for (int64_t each = team.number; each < chunk->sequences * layer->heads; each += team.count) {
        int64_t b = each / layer->heads, column = each % layer->heads * size, row = chunk->starts[b] - chunk->starts[0];
        attend(&mine, chunk->starts[b + 1] - chunk->starts[b], size, m.qkv + row * plan->qkv + column, width, plan->qkv,
               m.context + row * stride + column, stride);
    }
    meet(team);
    multiply(m.context, stride, rows, w[OUTPUT_WEIGHT], width, width, mine.panel, m.values, NULL, team);
    meet(team);
    Norm norm = norm_of(plan, w[NORM1_WEIGHT], w[NORM1_BIAS], w[OUTPUT_BIAS], 1);
    for (int64_t i = first; i < last; i++) norm_row(&norm, m.values + i * stride, hidden + i * width, i, m.middle + i * stride);
    meet(team);
    multiply(m.middle, stride, rows, w[INNER_WEIGHT], width, inner, mine.panel, m.active, &activated, team);
    meet(team);
    multiply(m.active, plan->inner, rows, w[FFN_WEIGHT], inner, width, mine.panel, m.values, NULL, team);
    meet(team);
    norm = norm_of(plan, w[NORM2_WEIGHT], w[NORM2_BIAS], w[FFN_BIAS], 2);
    for (int64_t i = first; i < last; i++) norm_row(&norm, m.values + i * stride, m.middle + i * stride, i, hidden + i * width);
}

static void nothing(void) {}

const EncoderKernel palm_float32_encoder = {shared_bytes, own_bytes, nothing, nothing, compute_layer};
