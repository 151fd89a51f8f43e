/* A layer of encoder.c with its weights in 8-bit integers: their four products are exact sums of integers, attention's own two
 * have bfloat16 operands; softmax, layer normalisation and the residual stream are float32.
 *
 * Rows are rounded as they come, each with its own scale and zero point; weights once, each column with its own scale
 * (int8_tiles.h). The feed-forward part takes some rows of a chunk at a time, whose wide activations then stay in the cache
 * until they have been rounded.
 */
#include "bf16_attention.h"
#include "encoder.h"
#include "int8_tiles.h"

/* ---- Weights ---- */

/* A layer's parameters: weights rounded and packed, the others padded with zeros. */
typedef struct {
    ByteWeight qkv, output, inner, ffn;
    float *qkv_bias, *inner_bias, *output_bias, *ffn_bias;
    float *norm1_weight, *norm1_bias, *norm2_weight, *norm2_bias;
} Packed;

static int64_t lay_out_packed(Packed *p, char *base, const Layer *layer) {
    char *at = base;
    p->qkv = byte_weight(&at, layer->width, 3 * layer->width);
    p->output = byte_weight(&at, layer->width, layer->width);
    p->inner = byte_weight(&at, layer->width, layer->inner);
    p->ffn = byte_weight(&at, layer->inner, layer->width);
    p->qkv_bias = take(&at, sizeof(float) * padded(3 * layer->width));
    p->inner_bias = take(&at, sizeof(float) * padded(layer->inner));
    float **vectors[] = {&p->output_bias, &p->ffn_bias, &p->norm1_weight, &p->norm1_bias, &p->norm2_weight, &p->norm2_bias};
    for (int i = 0; i < 6; i++) *vectors[i] = take(&at, sizeof(float) * padded(layer->width));
    return at - base;
}

/* Bytes of a layer's packed parameters. */
int64_t palm_int8_encoder_bytes(const Layer *layer) {
    Packed packed;
    return lay_out_packed(&packed, NULL, layer) + 64;
}

static void pad(const float *from, int64_t count, float *to) {
    memcpy(to, from, sizeof(float) * count);
    memset(to + count, 0, sizeof(float) * (padded(count) - count));
}

/* Rounds and packs the twelve parameters `w`. Returns 0. */
int palm_int8_encoder_pack(const Layer *layer, const float *const *w, char *to) {
    Packed p;
    lay_out_packed(&p, aligned(to), layer);
#pragma omp parallel
    {
        pack_byte_weight(w[QKV_WEIGHT], p.qkv);
        pack_byte_weight(w[OUTPUT_WEIGHT], p.output);
        pack_byte_weight(w[INNER_WEIGHT], p.inner);
        pack_byte_weight(w[FFN_WEIGHT], p.ffn);
    }
    pad(w[QKV_BIAS], 3 * layer->width, p.qkv_bias);
    pad(w[INNER_BIAS], layer->inner, p.inner_bias);
    const struct { int from; float *to; } vectors[] = {
        {OUTPUT_BIAS, p.output_bias}, {FFN_BIAS, p.ffn_bias}, {NORM1_WEIGHT, p.norm1_weight},
        {NORM1_BIAS, p.norm1_bias}, {NORM2_WEIGHT, p.norm2_weight}, {NORM2_BIAS, p.norm2_bias}};
    for (int i = 0; i < 6; i++) pad(w[vectors[i].from], layer->width, vectors[i].to);
    return 0;
}

/* ---- Memory ---- */

enum { GROUP = 64 }; /* rows of the feed-forward part at a time; a multiple of 32 */

typedef struct {
    bf16 *qkv, *context;             /* slabs of [rows qkv], [rows width] */
    float *values, *middle, *active; /* [rows width] twice, [GROUP inner] */
    uint8_t *bytes;                  /* [rows width] or [GROUP inner], in columns padded to 64 */
    Rounding *rounding;              /* [rows] */
} Shared;

static int64_t lay_out_shared(Shared *m, char *base, const Plan *plan) {
    int64_t rows = plan->most_rows;
    int64_t narrow = rows * padded_deep(plan->layer->width), wide = GROUP * padded_deep(plan->layer->inner);
    char *at = base;
    m->qkv = take(&at, sizeof(bf16) * plan->slab * plan->qkv);
    m->context = take(&at, sizeof(bf16) * plan->slab * plan->width);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->middle = take(&at, sizeof(float) * rows * plan->width);
    m->active = take(&at, sizeof(float) * GROUP * plan->inner);
    m->bytes = take(&at, narrow > wide ? narrow : wide);
    m->rounding = take(&at, sizeof(Rounding) * rows);
    return at - base;
}

typedef struct {
    AttentionMemory attention;
    float *largest, *rate; /* [length]: what attention would keep for a gradient */
    float *row;            /* [width] */
} Own;

static int64_t lay_out_own(Own *m, char *base, const Plan *plan) {
    char *at = lay_out_attention(&m->attention, base, plan->longest, padded(plan->layer->width / plan->layer->heads), 0);
    m->largest = take(&at, sizeof(float) * plan->longest);
    m->rate = take(&at, sizeof(float) * plan->longest);
    m->row = take(&at, sizeof(float) * plan->width);
    return at - base;
}

static int64_t shared_bytes(const Plan *plan) { Shared m; return lay_out_shared(&m, NULL, plan); }
static int64_t own_bytes(const Plan *plan) { Own m; return lay_out_own(&m, NULL, plan); }

/* ---- Steps ---- */

/* Where 32 numbers of a row of a product go. */
typedef struct {
    int64_t stride;
    const float *bias;
    float *values;
    Slabs rounded;
    int activation;
} Finish;

static inline void finish_values(const void *context, const float *numbers, int64_t row, int64_t column) {
    const Finish *f = context;
    memcpy(f->values + row * f->stride + column, numbers, sizeof(float) * BLOCK);
}

static inline void finish_biased(const void *context, const float *numbers, int64_t row, int64_t column) {
    const Finish *f = context;
    const float *bias = f->bias + column;
    store_row(place_in(f->rounded, row, column), rounded(load_floats(numbers) + load_floats(bias), load_floats(numbers + 16) + load_floats(bias + 16)));
}

/* GELU to 2e-4, without exp or division: its result is rounded to one of 256 numbers. x times a polynomial, odd but for 1/2,
 * that is nearest to the normal distribution function on [-4, 4] in the largest error of GELU (found by linear programming),
 * and 0 and 1 at its ends. */
static inline float rough_gelu(float x) {
    float u = x < -4.0f ? -4.0f : x;
    u = u > 4.0f ? 4.0f : u;
    float square = u * u, p = 2.25882051e-8f;
    p = p * square - 1.5888271e-6f;
    p = p * square + 4.77638896e-5f;
    p = p * square - 8.121875e-4f;
    p = p * square + 8.76369141e-3f;
    p = p * square - 6.45544156e-2f;
    p = p * square + 0.397870272f;
    return x * (0.5f + u * p);
}

static inline void finish_active(const void *context, const float *numbers, int64_t row, int64_t column) {
    const Finish *f = context;
    float x[BLOCK], slope[BLOCK], *restrict y = f->values + row * f->stride + column;
    for (int j = 0; j < BLOCK; j += 16) store_floats(x + j, load_floats(numbers + j) + load_floats(f->bias + column + j));
    if (f->activation == GELU) {
#pragma omp simd
        for (int j = 0; j < BLOCK; j++) y[j] = rough_gelu(x[j]);
    } else
        activate(x, y, slope, f->activation);
}

/* Rounds this thread's of some rows of float32, which have `stride` numbers between them; then all threads meet. */
static ByteRows round_rows(const float *values, int64_t stride, int64_t rows, int64_t columns, const Shared *m, Team team) {
    ByteRows to = {m->bytes, m->rounding, padded_deep(columns)};
    for (int64_t i = first_of(team.number, rows, team); i < first_of(team.number + 1, rows, team); i++)
        to.rounding[i] = round_bytes(values + i * stride, columns, to.stride, to.bytes + i * to.stride);
    meet(team);
    return to;
}

/* This thread's columns of left . w, finished; then all threads meet. */
static inline __attribute__((always_inline)) void multiply_shared(ByteRows left, int64_t rows, const ByteWeight *w,
                                                                  RowEpilogue *epilogue, const Finish *finish, Team team) {
    int64_t blocks = padded(w->columns) / BLOCK;
    multiply_byte_rows(left, rows, w, first_of(team.number, blocks, team) * BLOCK, first_of(team.number + 1, blocks, team) * BLOCK, epilogue, finish);
    meet(team);
}

/* This thread's heads of attention, from m->qkv to m->context; then all threads meet. */
static void attend_shared(const Chunk *chunk, const Shared *m, Own *mine, Team team) {
    const Plan *plan = chunk->plan;
    int64_t heads = plan->layer->heads, width = plan->layer->width, size = width / heads;
    for (int64_t each = team.number; each < chunk->sequences * heads; each += team.count) {
        int64_t b = each / heads, column = each % heads * size, row = chunk->starts[b] - chunk->starts[0];
        Head head = {.length = chunk->starts[b + 1] - chunk->starts[b], .size = size, .scale = 1.0f / sqrtf((float)size),
                     .largest = mine->largest, .rate = mine->rate, .drop = dropout_of(0.0f, 0, 0)};
        Slabs qkv = {m->qkv, plan->slab * BLOCK}, context = {m->context, plan->slab * BLOCK};
        attend(&mine->attention, &head, (Place){qkv, row, column}, width, (Place){context, row, column});
    }
    meet(team);
}

/* Rounds this thread's rows of attention's output, from bfloat16 to bytes; then all threads meet. */
static ByteRows round_context(const Shared *m, float *row, const Plan *plan, int64_t rows, Team team) {
    ByteRows to = {m->bytes, m->rounding, padded_deep(plan->layer->width)};
    Slabs context = {m->context, plan->slab * BLOCK};
    for (int64_t i = first_of(team.number, rows, team); i < first_of(team.number + 1, rows, team); i++) {
        for (int64_t j = 0; j < plan->width; j += 16) store_floats(row + j, widened(place_in(context, i, j)));
        to.rounding[i] = round_bytes(row, plan->layer->width, to.stride, to.bytes + i * to.stride);
    }
    meet(team);
    return to;
}

/* The feed-forward part of `rows` rows from m->middle + `first` rows on, at most GROUP, to m->values. */
static void feed_forward(const Plan *plan, const Packed *w, const Shared *m, int64_t first, int64_t rows, Team team) {
    const Layer *layer = plan->layer;
    Finish active = {.stride = plan->inner, .bias = w->inner_bias, .values = m->active, .activation = (int)layer->activation};
    Finish values = {.stride = plan->width, .values = m->values};
    ByteRows left = round_rows(m->middle + first * plan->width, plan->width, rows, layer->width, m, team);
    multiply_shared(left, rows, &w->inner, finish_active, &active, team);
    left = round_rows(m->active, plan->inner, rows, layer->inner, m, team);
    multiply_shared(left, rows, &w->ffn, finish_values, &values, team);
}

static void compute_layer(const Chunk *chunk, const void *weights, float *hidden, char *shared, char *own, Team team) {
    const Plan *plan = chunk->plan;
    const Layer *layer = plan->layer;
    int64_t width = layer->width, stride = plan->width, rows = chunk->rows;
    Packed w;
    lay_out_packed(&w, aligned((char *)weights), layer);
    Shared m;
    lay_out_shared(&m, shared, plan);
    Own mine;
    lay_out_own(&mine, own, plan);

    Finish queries = {.bias = w.qkv_bias, .rounded = {m.qkv, plan->slab * BLOCK}}, values = {.stride = stride, .values = m.values};
    multiply_shared(round_rows(hidden, width, rows, width, &m, team), rows, &w.qkv, finish_biased, &queries, team);
    attend_shared(chunk, &m, &mine, team);
    multiply_shared(round_context(&m, mine.row, plan, rows, team), rows, &w.output, finish_values, &values, team);
    Norm norm = norm_of(plan, w.norm1_weight, w.norm1_bias, w.output_bias, 1);
    for (int64_t i = first_of(team.number, rows, team); i < first_of(team.number + 1, rows, team); i++)
        norm_row(&norm, m.values + i * stride, hidden + i * width, i, m.middle + i * stride);
    meet(team);
    norm = norm_of(plan, w.norm2_weight, w.norm2_bias, w.ffn_bias, 2);
    for (int64_t i = 0; i < rows; i += GROUP) {
        int64_t some = least(rows - i, GROUP);
        feed_forward(plan, &w, &m, i, some, team);
        for (int64_t j = first_of(team.number, some, team); j < first_of(team.number + 1, some, team); j++)
            norm_row(&norm, m.values + j * stride, m.middle + (i + j) * stride, j, hidden + (i + j) * width);
    }
    meet(team); /* a thread's rows of a group are not those that it rounds in the next layer */
}

const EncoderKernel palm_int8_encoder = {shared_bytes, own_bytes, begin_tiles, end_tiles, compute_layer};

/* ---- One product ---- */

/* Bytes of memory for a weight[rows columns] of `palm_int8_product`. */
int64_t palm_int8_product_bytes(int64_t rows, int64_t columns) {
    char *at = NULL;
    byte_weight(&at, rows, columns);
    return at - (char *)NULL + 64;
}

/* values[rows inner] . weight[inner columns] -> out, by the same steps as in a layer, with the weight rounded and packed into
 * `memory`, or where `weight` is NULL as it lies there. Returns 0, or 1 if memory could not be allocated. */
int palm_int8_product(int64_t rows, int64_t inner, int64_t columns, const float *values, const float *weight, char *memory, float *out) {
    char *at = aligned(memory);
    ByteWeight w = byte_weight(&at, inner, columns);
    int64_t stride = padded_deep(inner), most = padded(rows), wide = padded(columns);
    char *own = allocate(most * stride + sizeof(Rounding) * most + sizeof(float) * most * wide + 256);
    if (own == NULL) return 1;
    char *place = own;
    Shared m = {.bytes = take(&place, most * stride), .rounding = take(&place, sizeof(Rounding) * most)};
    Finish finish = {.stride = wide, .values = take(&place, sizeof(float) * most * wide)};
    Team alone = {0, 1};
    if (weight != NULL) {
#pragma omp parallel
        pack_byte_weight(weight, w);
    }
    begin_tiles();
    multiply_shared(round_rows(values, inner, rows, inner, &m, alone), rows, &w, finish_values, &finish, alone);
    end_tiles();
    for (int64_t i = 0; i < rows; i++) memcpy(out + i * columns, finish.values + i * wide, sizeof(float) * columns);
    free(own);
    return 0;
}
