/* A layer of encoder.c in bfloat16: the same numbers as the forward pass of bf16_layer.c gives, to the bit, from weights
 * that were rounded and packed once.
 */
#include "bf16_attention.h"
#include "bf16_rows.h"
#include "encoder.h"

/* ---- Weights ---- */

/* A layer's parameters: weights as right operands, two biases padded with zeros. */
typedef struct {
    bf16 *qkv, *output, *inner, *ffn;
    float *qkv_bias, *inner_bias, *output_bias, *ffn_bias;
    float *norm1_weight, *norm1_bias, *norm2_weight, *norm2_bias;
} Packed;

static int64_t lay_out_packed(Packed *p, char *base, const Layer *layer) {
    int64_t width = padded(layer->width), inner = padded(layer->inner), qkv = padded(3 * layer->width);
    char *at = base;
    p->qkv = take(&at, sizeof(bf16) * width * qkv);
    p->output = take(&at, sizeof(bf16) * width * width);
    p->inner = take(&at, sizeof(bf16) * width * inner);
    p->ffn = take(&at, sizeof(bf16) * inner * width);
    p->qkv_bias = take(&at, sizeof(float) * qkv);
    p->inner_bias = take(&at, sizeof(float) * inner);
    float **vectors[] = {&p->output_bias, &p->ffn_bias, &p->norm1_weight, &p->norm1_bias, &p->norm2_weight, &p->norm2_bias};
    for (int i = 0; i < 6; i++) *vectors[i] = take(&at, sizeof(float) * width);
    return at - base;
}

/* Bytes of a layer's packed parameters. */
int64_t palm_bf16_encoder_bytes(const Layer *layer) {
    Packed packed;
    return lay_out_packed(&packed, NULL, layer) + 64;
}

/* Rounds and packs weight[rows columns], some columns in each thread; `memory` is of this thread. */
static void pack_weight(const float *weight, int64_t rows, int64_t columns, bf16 *memory, bf16 *to) {
    Slabs rounded = {memory, 0}; /* one */
#pragma omp for schedule(static)
    for (int64_t n = 0; n < padded(columns); n += BLOCK) {
        for (int64_t k = 0; k < rows; k++) store_row(place_in(rounded, k, 0), rounded_some(weight + k * columns, columns, n));
        zero_rows(rounded, rows, padded(rows), BLOCK);
        pack_right(rounded, padded(rows) / BLOCK, BLOCK, to + n * padded(rows));
        settle_stores();
    }
}

static void pad(const float *from, int64_t count, float *to) {
    memcpy(to, from, sizeof(float) * count);
    memset(to + count, 0, sizeof(float) * (padded(count) - count));
}

/* Packs the twelve parameters `w`. Returns 0, or 1 if memory could not be allocated. */
int palm_bf16_encoder_pack(const Layer *layer, const float *const *w, char *to) {
    int64_t width = layer->width, inner = layer->inner, deepest = padded(width > inner ? width : inner);
    int64_t threads = omp_get_max_threads();
    Packed p;
    lay_out_packed(&p, aligned(to), layer);
    bf16 *rounded = (bf16 *)allocate(sizeof(bf16) * deepest * BLOCK * threads);
    if (rounded == NULL) return 1;
#pragma omp parallel num_threads(threads)
    {
        bf16 *mine = rounded + deepest * BLOCK * omp_get_thread_num();
        pack_weight(w[QKV_WEIGHT], width, 3 * width, mine, p.qkv);
        pack_weight(w[OUTPUT_WEIGHT], width, width, mine, p.output);
        pack_weight(w[INNER_WEIGHT], width, inner, mine, p.inner);
        pack_weight(w[FFN_WEIGHT], inner, width, mine, p.ffn);
    }
    free(rounded);
    pad(w[QKV_BIAS], 3 * width, p.qkv_bias);
    pad(w[INNER_BIAS], inner, p.inner_bias);
    const struct { int from; float *to; } vectors[] = {
        {OUTPUT_BIAS, p.output_bias}, {FFN_BIAS, p.ffn_bias}, {NORM1_WEIGHT, p.norm1_weight},
        {NORM1_BIAS, p.norm1_bias}, {NORM2_WEIGHT, p.norm2_weight}, {NORM2_BIAS, p.norm2_bias}};
    for (int i = 0; i < 6; i++) pad(w[vectors[i].from], width, vectors[i].to);
    return 0;
}

/* ---- Memory ---- */

typedef struct {
    bf16 *input, *qkv, *context, *active; /* slabs of [rows width], [rows qkv], [rows width], [rows inner] */
    float *values, *middle;               /* [rows width] */
} Shared;

static int64_t lay_out_shared(Shared *m, char *base, const Plan *plan) {
    int64_t rows = plan->most_rows;
    char *at = base;
    m->input = take(&at, sizeof(bf16) * plan->slab * plan->width);
    m->qkv = take(&at, sizeof(bf16) * plan->slab * plan->qkv);
    m->context = take(&at, sizeof(bf16) * plan->slab * plan->width);
    m->active = take(&at, sizeof(bf16) * plan->slab * plan->inner);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->middle = take(&at, sizeof(float) * rows * plan->width);
    return at - base;
}

typedef struct {
    AttentionMemory attention;
    float *largest, *rate; /* [length] */
} Own;

static int64_t lay_out_own(Own *m, char *base, const Plan *plan) {
    char *at = lay_out_attention(&m->attention, base, plan->longest, padded(plan->layer->width / plan->layer->heads), 0);
    m->largest = take(&at, sizeof(float) * plan->longest);
    m->rate = take(&at, sizeof(float) * plan->longest);
    return at - base;
}

static int64_t shared_bytes(const Plan *plan) { Shared m; return lay_out_shared(&m, NULL, plan); }
static int64_t own_bytes(const Plan *plan) { Own m; return lay_out_own(&m, NULL, plan); }

/* ---- Steps ---- */

/* This thread's columns of a product: from `first` to `last`, of `columns`, which are padded. */
typedef struct {
    int64_t first, last;
} Columns;

static Columns columns_of(int64_t columns, Team team) {
    int64_t blocks = columns / BLOCK;
    return (Columns){first_of(team.number, blocks, team) * BLOCK, first_of(team.number + 1, blocks, team) * BLOCK};
}

static void compute_layer(const Chunk *chunk, const void *weights, float *hidden, char *shared, char *own, Team team) {
    const Plan *plan = chunk->plan;
    const Layer *layer = plan->layer;
    int64_t width = layer->width, rows = chunk->rows, size = width / layer->heads, stride = plan->width;
    int64_t first = first_of(team.number, rows, team), last = first_of(team.number + 1, rows, team);
    Packed w;
    lay_out_packed(&w, aligned((char *)weights), layer);
    Shared m;
    lay_out_shared(&m, shared, plan);
    Own mine;
    lay_out_own(&mine, own, plan);

    Slabs input = {m.input, plan->slab * BLOCK}, qkv = {m.qkv, input.step}, context = {m.context, input.step}, active = {m.active, input.step};
    Columns narrow = columns_of(stride, team), triple = columns_of(plan->qkv, team), wide = columns_of(plan->inner, team);

    for (int64_t i = first; i < last; i++) round_row(input, i, hidden + i * width, width);
    meet(team);
    Finish biased = {.bias = w.qkv_bias, .rounded = qkv};
    multiply(input, rows, w.qkv, stride / BLOCK, triple.first, triple.last, finish_biased, &biased);
    meet(team);
    for (int64_t each = team.number; each < chunk->sequences * layer->heads; each += team.count) {
        int64_t b = each / layer->heads, column = each % layer->heads * size, row = chunk->starts[b] - chunk->starts[0];
        Head head = {.length = chunk->starts[b + 1] - chunk->starts[b], .size = size, .scale = 1.0f / sqrtf((float)size),
                     .largest = mine.largest, .rate = mine.rate, .drop = dropout_of(0.0f, 0, 0)};
        attend(&mine.attention, &head, (Place){qkv, row, column}, width, (Place){context, row, column});
    }
    if (stride > width)
        for (int64_t i = first; i < last; i++) memset(place_in(context, i, width), 0, sizeof(bf16) * (stride - width));
    meet(team);
    multiply_to(context, rows, w.output, stride / BLOCK, narrow.first, narrow.last, m.values, stride, 0);
    meet(team);
    Norm norm = norm_of(plan, w.norm1_weight, w.norm1_bias, w.output_bias, 1);
    for (int64_t i = first; i < last; i++) {
        norm_row(&norm, m.values + i * stride, hidden + i * width, i, m.middle + i * stride);
        round_row(input, i, m.middle + i * stride, width);
    }
    meet(team);
    Finish activated = {.bias = w.inner_bias, .rounded = active, .activation = (int)layer->activation};
    multiply(input, rows, w.inner, stride / BLOCK, wide.first, wide.last, finish_activated, &activated);
    meet(team);
    multiply_to(active, rows, w.ffn, plan->inner / BLOCK, narrow.first, narrow.last, m.values, stride, 0);
    meet(team);
    norm = norm_of(plan, w.norm2_weight, w.norm2_bias, w.ffn_bias, 2);
    for (int64_t i = first; i < last; i++) norm_row(&norm, m.values + i * stride, m.middle + i * stride, i, hidden + i * width);
}

const EncoderKernel palm_bf16_encoder = {shared_bytes, own_bytes, begin_tiles, end_tiles, compute_layer};
