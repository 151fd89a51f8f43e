/* A whole encoder layer (arXiv:1810.04805), forward and backward in one call each: operands of products are bfloat16,
 * their sums, softmax, layer normalisation and the residual stream float32.
 *
 * A batch is the tokens that exist: sequence b is rows starts[b] to starts[b + 1] of `hidden`, without padding. Sequences
 * are taken in chunks of some hundred rows, which stay in the processor's cache through the whole layer. Bias,
 * non-linearity and residual are applied to each block of a product while it is in the cache as well.
 *
 * The same input gives the same bits for any number of threads: chunks depend on the lengths alone, each has sums of its
 * own, and these are added in their order.
 *
 * Functions return 0, or 1 if memory could not be allocated.
 */
#include "bf16_attention.h"
#include "layer_rows.h"

#if PALM_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Asks the system for the tile registers: 0, or 1 if it refuses. Without tile instructions there is nothing to ask for. */
int64_t palm_bf16_begin(void) {
#if PALM_AMX
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0;
#else
    return 0;
#endif
}

/* What the forward pass saves for the gradient, rows by `place`. */
typedef struct {
    bf16 *input, *qkv, *context, *normal1, *middle, *before, *normal2; /* `before` in slabs of a chunk's rows */
    float *largest, *rate, *rate1, *rate2; /* [heads rows] twice, [rows] twice */
} Saved;

static int64_t lay_out_saved(Saved *saved, char *base, const Plan *plan) {
    int64_t rows = plan->place[plan->chunks], heads = plan->layer->heads;
    char *at = base;
    saved->input = take(&at, sizeof(bf16) * rows * plan->width);
    saved->qkv = take(&at, sizeof(bf16) * rows * plan->qkv);
    saved->context = take(&at, sizeof(bf16) * rows * plan->width);
    saved->normal1 = take(&at, sizeof(bf16) * rows * plan->width);
    saved->middle = take(&at, sizeof(bf16) * rows * plan->width);
    saved->before = take(&at, sizeof(bf16) * rows * plan->inner);
    saved->normal2 = take(&at, sizeof(bf16) * rows * plan->width);
    saved->largest = take(&at, sizeof(float) * rows * heads);
    saved->rate = take(&at, sizeof(float) * rows * heads);
    saved->rate1 = take(&at, sizeof(float) * rows);
    saved->rate2 = take(&at, sizeof(float) * rows);
    return at - base;
}

/* Bytes that the forward pass saves; -1 if memory could not be allocated. */
int64_t palm_bf16_layer_saved(const Layer *layer, const int64_t *starts) {
    Plan plan;
    if (make_plan(&plan, layer, starts)) return -1;
    Saved saved;
    int64_t bytes = lay_out_saved(&saved, NULL, &plan);
    free(plan.sequence);
    return bytes + 64;
}

/* ---- Weights ---- */

/* Rounds 32 x 32 numbers of weight[rows columns], from (row, column) on; zeros beyond its border. */
static void round_block(const float *weight, int64_t rows, int64_t columns, int64_t row, int64_t column, bf16 *to) {
    for (int64_t i = 0; i < BLOCK; i++)
        round_row(to + i * BLOCK, weight + (row + i) * columns + column, row + i < rows ? least(columns - column, BLOCK) : 0, BLOCK);
}

/* Rounds weight[rows columns] and packs it as a right operand, and its transpose; either may be NULL. Part of a parallel region. */
static void pack_weight(const float *weight, int64_t rows, int64_t columns, bf16 *right, bf16 *transposed) {
    int64_t deep = padded(rows), wide = padded(columns);
#pragma omp for schedule(static)
    for (int64_t k = 0; k < deep; k += BLOCK)
        for (int64_t n = 0; n < wide; n += BLOCK) {
            bf16 block[NUMBERS] __attribute__((aligned(64)));
            round_block(weight, rows, columns, k, n, block);
            if (right != NULL) right_block(block, BLOCK, BLOCK, right + n * deep + k * BLOCK);
            if (transposed != NULL) right_block_transposed(block, BLOCK, transposed + k * wide + n * BLOCK);
        }
}

/* The four weights of a layer as right operands. */
typedef struct {
    bf16 *qkv, *output, *inner, *ffn;
} Weights;

static int64_t lay_out_weights(Weights *weights, char *base, const Layer *layer) {
    int64_t width = padded(layer->width), inner = padded(layer->inner), qkv = padded(3 * layer->width);
    char *at = base;
    weights->qkv = take(&at, sizeof(bf16) * width * qkv);
    weights->output = take(&at, sizeof(bf16) * width * width);
    weights->inner = take(&at, sizeof(bf16) * width * inner);
    weights->ffn = take(&at, sizeof(bf16) * inner * width);
    return at - base;
}

/* Bytes of a layer's packed weights, for one direction. */
int64_t palm_bf16_layer_weights(const Layer *layer) {
    Weights weights;
    return lay_out_weights(&weights, NULL, layer) + 64;
}

/* Rounds and packs all four, and their transposes; part of a parallel region. */
static void pack_weights(const float *const *w, const Layer *layer, Weights right, Weights transposed) {
    int64_t width = layer->width, inner = layer->inner;
    pack_weight(w[QKV_WEIGHT], width, 3 * width, right.qkv, transposed.qkv);
    pack_weight(w[OUTPUT_WEIGHT], width, width, right.output, transposed.output);
    pack_weight(w[INNER_WEIGHT], width, inner, right.inner, transposed.inner);
    pack_weight(w[FFN_WEIGHT], inner, width, right.ffn, transposed.ffn);
}

/* ---- Epilogues ---- */

typedef struct {
    int64_t rows, stride;
    const float *bias;  /* padded */
    bf16 *rounded;      /* the result */
    float *values;
    bf16 *before;       /* of the non-linearity: its input in slabs of `stride` rows */
    bf16 *active;       /* its output, likewise */
    bf16 *gradient;     /* the gradient of its input, likewise */
    bf16 *left, *right; /* of its output and of its input's gradient: operands of the gradients of weights */
    float *sum;         /* [stride]: sums of the gradient over rows, added to */
    int activation;
} Finish;

static inline void finish_float(const void *context, const float *block, int64_t row, int64_t column) {
    const Finish *f = context;
    for (int64_t i = 0; i < least(f->rows - row, BLOCK); i++)
        memcpy(f->values + (row + i) * f->stride + column, block + i * BLOCK, sizeof(float) * BLOCK);
}

static inline void finish_added(const void *context, const float *block, int64_t row, int64_t column) {
    const Finish *f = context;
    for (int64_t i = 0; i < least(f->rows - row, BLOCK); i++) {
        float *to = f->values + (row + i) * f->stride + column;
        for (int j = 0; j < BLOCK; j += 16) store_floats(to + j, load_floats(to + j) + load_floats(block + i * BLOCK + j));
    }
}

static inline void finish_rounded(const void *context, const float *block, int64_t row, int64_t column) {
    const Finish *f = context;
    for (int64_t i = 0; i < least(f->rows - row, BLOCK); i++)
        for (int j = 0; j < BLOCK; j += 16)
            store_rounded(f->rounded + (row + i) * f->stride + column + j, load_floats(block + i * BLOCK + j));
}

static inline void finish_biased(const void *context, const float *block, int64_t row, int64_t column) {
    const Finish *f = context;
    for (int64_t i = 0; i < least(f->rows - row, BLOCK); i++)
        for (int j = 0; j < BLOCK; j += 16)
            store_rounded(f->rounded + (row + i) * f->stride + column + j, load_floats(block + i * BLOCK + j) + load_floats(f->bias + column + j));
}

static inline void finish_activated(const void *context, const float *block, int64_t row, int64_t column) {
    const Finish *f = context;
    int64_t at = column * f->stride + row * BLOCK;
    Floats bias[2] = {load_floats(f->bias + column), load_floats(f->bias + column + 16)};
    for (int i = 0; i < NUMBERS; i += 16) {
        store_rounded(f->before + at + i, load_floats(block + i) + bias[i / 16 % 2]);
        /* What the gradient will see: f of the rounded input, so that both passes compute the same function. */
        store_rounded(f->active + at + i, activated(widened(f->before + at + i), f->activation));
    }
}

static inline void finish_activated_gradient(const void *context, const float *block, int64_t row, int64_t column) {
    const Finish *f = context;
    bf16 active[NUMBERS] __attribute__((aligned(64)));
    int64_t at = column * f->stride + row * BLOCK, rows = least(f->rows - row, BLOCK);
    Floats sums[2] = {load_floats(f->sum + column), load_floats(f->sum + column + 16)};
    for (int64_t i = 0; i < rows * BLOCK; i += 16) {
        Floats x = widened(f->before + at + i), y = activated(x, f->activation);
        store_rounded(active + i, y);
        Floats gradient = load_floats(block + i) * slope_of(x, y, f->activation);
        sums[i / 16 % 2] += gradient;
        store_rounded(f->gradient + at + i, gradient);
    }
    store_floats(f->sum + column, sums[0]);
    store_floats(f->sum + column + 16, sums[1]);
    left_block_transposed(active, BLOCK, rows, f->left + at);
    right_block(f->gradient + at, BLOCK, rows, f->right + at);
}

/* ---- Layer normalisation with rounded results ---- */

/* `norm_row`, of which `normal` gets the normalised row and `rounded` (may be NULL) the result. */
static float norm_row_rounded(const Norm *norm, float *z, const float *residual, int64_t row, float *out, bf16 *rounded, bf16 *normal) {
    float rate = norm_row(norm, z, residual, row, out);
    round_row(normal, z, norm->width, padded(norm->width));
    if (rounded != NULL) round_row(rounded, out, norm->width, padded(norm->width));
    return rate;
}

/* `norm_row_gradient` of a row that `norm_row_rounded` normalised; `work` holds two rows. */
static void norm_row_rounded_gradient(const Norm *norm, const float *gradient, const bf16 *normal, float rate, int64_t row,
                                      float *work, float *through, bf16 *dropped, NormSums sums) {
    int64_t stride = padded(norm->width);
    float *x = work, *u = work + stride;
    for (int64_t j = 0; j < stride; j += 16) store_floats(x + j, widened(normal + j));
    norm_row_gradient(norm, gradient, x, rate, row, through, u, sums);
    round_row(dropped, u, norm->width, stride);
}

static Head head_of(const Plan *plan, const Saved *saved, int64_t rows, int64_t sequence, int64_t place, int64_t number) {
    const Layer *layer = plan->layer;
    int64_t length = plan->starts[sequence + 1] - plan->starts[sequence], size = layer->width / layer->heads;
    Dropout drop = dropout_of(layer->attention_dropout, layer->seeds[0]);
    return (Head){length, size, 1.0f / sqrtf((float)size), saved->largest + number * rows + place,
                  saved->rate + number * rows + place, drop, layer->attention_dropout > 0.0f,
                  plan->starts[sequence], layer->heads, number};
}

/* Copies of biases, padded with zeros. */
static float *padded_bias(char **at, const float *bias, int64_t count) {
    float *to = take(at, sizeof(float) * padded(count));
    memcpy(to, bias, sizeof(float) * count);
    memset(to + count, 0, sizeof(float) * (padded(count) - count));
    return to;
}

/* ---- Forward ---- */

/* Memory of one thread. */
typedef struct {
    AttentionMemory attention;
    float *values, *middle; /* [rows width] */
    bf16 *active;           /* slabs of [rows inner] */
} ForwardMemory;

static char *lay_out_forward(ForwardMemory *m, char *at, const Plan *plan) {
    int64_t rows = plan->most_rows, size = padded(plan->layer->width / plan->layer->heads);
    at = lay_out_attention(&m->attention, at, plan->longest, size);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->middle = take(&at, sizeof(float) * rows * plan->width);
    m->active = take(&at, sizeof(bf16) * rows * plan->inner);
    return at;
}

static void attend_chunk(const Plan *plan, const Saved *saved, int64_t chunk, AttentionMemory *memory) {
    int64_t rows = plan->place[plan->chunks], place = plan->place[chunk], width = plan->layer->width;
    for (int64_t b = plan->sequence[chunk]; b < plan->sequence[chunk + 1]; b++) {
        int64_t size = width / plan->layer->heads;
        for (int64_t h = 0; h < plan->layer->heads; h++) {
            Head head = head_of(plan, saved, rows, b, place, h);
            const bf16 *query = saved->qkv + place * plan->qkv + h * size;
            attend(memory, &head, query, query + width, query + 2 * width, plan->qkv, saved->context + place * plan->width + h * size, plan->width);
        }
        place += plan->starts[b + 1] - plan->starts[b];
    }
    if (plan->width > width)
        for (int64_t i = plan->place[chunk]; i < place; i++)
            memset(saved->context + i * plan->width + width, 0, sizeof(bf16) * (plan->width - width));
}

static void forward_chunk(const Plan *plan, const Saved *saved, int64_t chunk, const float *hidden, const float *const *w,
                          const float *qkv_bias, const float *inner_bias, const Weights *weights, ForwardMemory *m, float *out) {
    int64_t width = plan->layer->width, place = plan->place[chunk];
    int64_t first = plan->starts[plan->sequence[chunk]], rows = plan->starts[plan->sequence[chunk + 1]] - first;
    bf16 *input = saved->input + place * plan->width, *middle = saved->middle + place * plan->width;
    for (int64_t i = 0; i < rows; i++) round_row(input + i * plan->width, hidden + (first + i) * width, width, plan->width);

    Finish qkv = {.rows = rows, .stride = plan->qkv, .bias = qkv_bias, .rounded = saved->qkv + place * plan->qkv};
    multiply(input, plan->width, rows, weights->qkv, plan->width / BLOCK, plan->qkv, finish_biased, &qkv);
    attend_chunk(plan, saved, chunk, &m->attention);
    Finish values = {.rows = rows, .stride = plan->width, .values = m->values};
    multiply(saved->context + place * plan->width, plan->width, rows, weights->output, plan->width / BLOCK, plan->width, finish_float, &values);
    Norm norm = norm_of(plan, w[NORM1_WEIGHT], w[NORM1_BIAS], w[OUTPUT_BIAS], 1);
    for (int64_t i = 0; i < rows; i++)
        saved->rate1[place + i] = norm_row_rounded(&norm, m->values + i * plan->width, hidden + (first + i) * width, first + i,
                                                   m->middle + i * plan->width, middle + i * plan->width, saved->normal1 + (place + i) * plan->width);

    int64_t slab = plan->place[chunk + 1] - place;
    Finish inner = {.rows = rows, .stride = slab, .bias = inner_bias, .before = saved->before + place * plan->inner,
                    .active = m->active, .activation = (int)plan->layer->activation};
    multiply(middle, plan->width, rows, weights->inner, plan->width / BLOCK, plan->inner, finish_activated, &inner);
    multiply_left(slabs_of(m->active, slab), rows, weights->ffn, plan->inner / BLOCK, plan->width, finish_float, &values);
    norm = norm_of(plan, w[NORM2_WEIGHT], w[NORM2_BIAS], w[FFN_BIAS], 2);
    for (int64_t i = 0; i < rows; i++)
        saved->rate2[place + i] = norm_row_rounded(&norm, m->values + i * plan->width, m->middle + i * plan->width, first + i,
                                                   out + (first + i) * width, NULL, saved->normal2 + (place + i) * plan->width);
}

/* hidden[rows width] -> out, with the twelve parameters `w`, behind them memory of `palm_bf16_layer_weights` in which this packs
 * the weights for the gradient, or NULL, and the memory of `palm_bf16_layer_saved`. */
int palm_bf16_layer(const Layer *layer, const int64_t *starts, const float *hidden, const float *const *w, char *saved_memory, float *out) {
    Plan plan;
    if (make_plan(&plan, layer, starts)) return 1;
    Saved saved;
    lay_out_saved(&saved, aligned(saved_memory), &plan);
    ForwardMemory size;
    int64_t each = (lay_out_forward(&size, NULL, &plan) - (char *)NULL + 63) / 64 * 64, threads = omp_get_max_threads();
    threads = least(threads, plan.chunks);
    char *memory = allocate(each * threads + palm_bf16_layer_weights(layer) + sizeof(float) * (plan.qkv + plan.inner) + 1024);
    if (memory == NULL) {
        free(plan.sequence);
        return 1;
    }
    char *at = memory + each * threads;
    Weights weights, transposed = {NULL};
    lay_out_weights(&weights, take(&at, palm_bf16_layer_weights(layer)), layer);
    if (w[PARAMETERS] != NULL) lay_out_weights(&transposed, aligned((char *)w[PARAMETERS]), layer);
    const float *qkv_bias = padded_bias(&at, w[QKV_BIAS], 3 * layer->width), *inner_bias = padded_bias(&at, w[INNER_BIAS], layer->inner);
#pragma omp parallel num_threads(threads)
    {
        begin_tiles();
        pack_weights(w, layer, weights, transposed);
        ForwardMemory mine;
        lay_out_forward(&mine, memory + each * omp_get_thread_num(), &plan);
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t c = 0; c < plan.chunks; c++)
            forward_chunk(&plan, &saved, c, hidden, w, qkv_bias, inner_bias, &weights, &mine, out);
        end_tiles();
    }
    free(memory);
    free(plan.sequence);
    return 0;
}

/* ---- Backward ---- */

/* Memory of one thread. */
typedef struct {
    AttentionMemory attention;
    float *values, *work;                        /* [rows width], [2 width] */
    bf16 *gradient, *context, *inner, *qkv; /* [rows width] twice, slabs of [rows inner], [rows qkv] */
} BackwardMemory;

static char *lay_out_backward(BackwardMemory *m, char *at, const Plan *plan) {
    int64_t rows = plan->most_rows, size = padded(plan->layer->width / plan->layer->heads);
    at = lay_out_attention(&m->attention, at, plan->longest, size);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->work = take(&at, sizeof(float) * 2 * plan->width);
    m->gradient = take(&at, sizeof(bf16) * rows * plan->width);
    m->context = take(&at, sizeof(bf16) * rows * plan->width);
    m->inner = take(&at, sizeof(bf16) * rows * plan->inner);
    m->qkv = take(&at, sizeof(bf16) * rows * plan->qkv);
    return at;
}

/* Operands of the gradients of weights, for all chunks: the left ones transposed. */
typedef struct {
    bf16 *input, *context, *middle, *active; /* left */
    bf16 *qkv, *output, *inner, *ffn;        /* right */
} Packed;

static void lay_out_packed(Packed *packed, char **at, const Plan *plan) {
    int64_t rows = plan->place[plan->chunks];
    bf16 **narrow[] = {&packed->input, &packed->context, &packed->middle, &packed->output, &packed->ffn};
    for (int i = 0; i < 5; i++) *narrow[i] = take(at, sizeof(bf16) * rows * plan->width);
    packed->active = take(at, sizeof(bf16) * rows * plan->inner);
    packed->inner = take(at, sizeof(bf16) * rows * plan->inner);
    packed->qkv = take(at, sizeof(bf16) * rows * plan->qkv);
}

static int64_t packed_numbers(const Plan *plan) {
    return plan->place[plan->chunks] * (5 * plan->width + 2 * plan->inner + plan->qkv);
}

/* Sums over the rows of a chunk, in columns padded to 32, in the order of the parameters. */
typedef struct {
    float *qkv_bias, *inner_bias;
    NormSums norm1, norm2;
} Sums;

static int64_t sums_size(const Plan *plan) { return plan->qkv + plan->inner + 6 * plan->width; }

static Sums sums_of(float *at, const Plan *plan) {
    float *narrow = at + plan->qkv + plan->inner;
    int64_t width = plan->width;
    return (Sums){at, at + plan->qkv, {narrow, narrow + width, narrow + 2 * width},
                  {narrow + 3 * width, narrow + 4 * width, narrow + 5 * width}};
}

static void attend_chunk_gradient(const Plan *plan, const Saved *saved, int64_t chunk, BackwardMemory *m) {
    int64_t rows = plan->place[plan->chunks], begin = plan->place[chunk], place = begin, width = plan->layer->width;
    int64_t size = width / plan->layer->heads;
    for (int64_t b = plan->sequence[chunk]; b < plan->sequence[chunk + 1]; b++) {
        for (int64_t h = 0; h < plan->layer->heads; h++) {
            Head head = head_of(plan, saved, rows, b, place, h);
            attend_gradient(&m->attention, &head, saved->qkv + place * plan->qkv + h * size, width, plan->qkv,
                            saved->context + place * plan->width + h * size, m->context + (place - begin) * plan->width + h * size,
                            plan->width, m->qkv + (place - begin) * plan->qkv + h * size);
        }
        place += plan->starts[b + 1] - plan->starts[b];
    }
    if (plan->qkv > 3 * width)
        for (int64_t i = 0; i < place - begin; i++)
            memset(m->qkv + i * plan->qkv + 3 * width, 0, sizeof(bf16) * (plan->qkv - 3 * width));
}

static void backward_chunk(const Plan *plan, const Saved *saved, int64_t chunk, const float *gradient, const float *const *w,
                           const Weights *weights, BackwardMemory *m, Packed *packed, Sums sums, float *by_hidden) {
    int64_t width = plan->layer->width, place = plan->place[chunk];
    int64_t first = plan->starts[plan->sequence[chunk]], rows = plan->starts[plan->sequence[chunk + 1]] - first;
    int64_t narrow = place * plan->width, wide = place * plan->inner, triple = place * plan->qkv;

    Norm norm = norm_of(plan, w[NORM2_WEIGHT], w[NORM2_BIAS], w[FFN_BIAS], 2);
    for (int64_t i = 0; i < rows; i++)
        norm_row_rounded_gradient(&norm, gradient + (first + i) * width, saved->normal2 + narrow + i * plan->width, saved->rate2[place + i],
                                  first + i, m->work, m->values + i * plan->width, m->gradient + i * plan->width, sums.norm2);
    pack_right(m->gradient, plan->width, rows, plan->width, packed->ffn + narrow);
    int64_t slab = plan->place[chunk + 1] - place;
    Finish inner = {.rows = rows, .stride = slab, .before = saved->before + wide, .gradient = m->inner, .left = packed->active + wide,
                    .right = packed->inner + wide, .sum = sums.inner_bias, .activation = (int)plan->layer->activation};
    multiply(m->gradient, plan->width, rows, weights->ffn, plan->width / BLOCK, plan->inner, finish_activated_gradient, &inner);
    pack_left_transposed(saved->middle + narrow, plan->width, rows, plan->width, packed->middle + narrow);
    Finish added = {.rows = rows, .stride = plan->width, .values = m->values};
    multiply_left(slabs_of(m->inner, slab), rows, weights->inner, plan->inner / BLOCK, plan->width, finish_added, &added);

    norm = norm_of(plan, w[NORM1_WEIGHT], w[NORM1_BIAS], w[OUTPUT_BIAS], 1);
    for (int64_t i = 0; i < rows; i++)
        norm_row_rounded_gradient(&norm, m->values + i * plan->width, saved->normal1 + narrow + i * plan->width, saved->rate1[place + i],
                                  first + i, m->work, m->values + i * plan->width, m->gradient + i * plan->width, sums.norm1);
    pack_right(m->gradient, plan->width, rows, plan->width, packed->output + narrow);
    pack_left_transposed(saved->context + narrow, plan->width, rows, plan->width, packed->context + narrow);
    Finish context = {.rows = rows, .stride = plan->width, .rounded = m->context};
    multiply(m->gradient, plan->width, rows, weights->output, plan->width / BLOCK, plan->width, finish_rounded, &context);
    attend_chunk_gradient(plan, saved, chunk, m);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < plan->qkv; j += 16)
            store_floats(sums.qkv_bias + j, load_floats(sums.qkv_bias + j) + widened(m->qkv + i * plan->qkv + j));
    pack_right(m->qkv, plan->qkv, rows, plan->qkv, packed->qkv + triple);
    pack_left_transposed(saved->input + narrow, plan->width, rows, plan->width, packed->input + narrow);
    if (by_hidden != NULL) {
        multiply(m->qkv, plan->qkv, rows, weights->qkv, plan->qkv / BLOCK, plan->width, finish_added, &added);
        for (int64_t i = 0; i < rows; i++)
            memcpy(by_hidden + (first + i) * width, m->values + i * plan->width, sizeof(float) * width);
    }
}

/* Gradients of weights are computed in parts of so many blocks, whose sums stay in the second-level cache. */
enum { HIGH = 8, BROAD = 12, PART = HIGH * BROAD * NUMBERS };

/* The gradient of a weight[rows columns] and its packed operands. */
typedef struct {
    const bf16 *left, *right;
    int64_t rows, columns;
    float *gradient;
} Weight;

static int64_t divided(int64_t count, int64_t by) { return (count + by - 1) / by; }
static int64_t parts_down(const Weight *w) { return divided(w->rows, HIGH * BLOCK); }
static int64_t parts_of(const Weight *w) { return w->gradient == NULL ? 0 : parts_down(w) * divided(w->columns, BROAD * BLOCK); }

/* Part `part` of the gradient of a weight; `sums` holds PART numbers. */
static void weight_gradient(const Plan *plan, const Weight *w, int64_t part, float *sums) {
    int64_t down = parts_down(w), high = padded(w->rows) / BLOCK, broad = padded(w->columns) / BLOCK, across = divided(w->columns, BROAD * BLOCK);
    int64_t top = high * (part % down) / down, bottom = high * (part % down + 1) / down;
    int64_t left = broad * (part / down) / across, right = broad * (part / down + 1) / across;
    for (int64_t c = 0; c < plan->chunks; c++) {
        int64_t place = plan->place[c], depth = (plan->place[c + 1] - place) / BLOCK;
        float *block = sums;
        for (int64_t n = left; n < right; n++)
            for (int64_t m = top; m < bottom; m++, block += NUMBERS) {
                Operands o = packed_left(w->left + place * padded(w->rows) + m * depth * NUMBERS,
                                         w->right + place * padded(w->columns) + n * depth * NUMBERS, depth);
                /* Meanwhile, the next 32 columns of the operands are fetched. */
                if (n == left) o.next = o.left + depth * NUMBERS, o.ahead = 2 * NUMBERS;
                else o.ahead = (2 * NUMBERS / (bottom - top) + 63) / 64 * 64, o.next = o.right + depth * NUMBERS + (m - top) * depth * o.ahead / 2;
                multiply_block(o, block, BLOCK, c > 0);
            }
    }
    for (int64_t n = left; n < right; n++)
        for (int64_t m = top; m < bottom; m++, sums += NUMBERS)
            for (int64_t i = 0; i < least(w->rows - m * BLOCK, BLOCK); i++)
                memcpy(w->gradient + (m * BLOCK + i) * w->columns + n * BLOCK, sums + i * BLOCK, sizeof(float) * least(w->columns - n * BLOCK, BLOCK));
}

/* The same `w`; where the forward pass had memory, the packed weights in it. gradient[rows width] of the output -> of the input, `by_hidden`, and of the parameters, `by_w`; any may be NULL. */
int palm_bf16_layer_gradient(const Layer *layer, const int64_t *starts, const float *gradient, const float *const *w,
                             char *saved_memory, float *by_hidden, float *const *by_w) {
    Plan plan;
    if (make_plan(&plan, layer, starts)) return 1;
    Saved saved;
    lay_out_saved(&saved, aligned(saved_memory), &plan);
    BackwardMemory size;
    int64_t each = (lay_out_backward(&size, NULL, &plan) - (char *)NULL + 63) / 64 * 64, threads = omp_get_max_threads();
    each = each < (int64_t)sizeof(float) * PART ? (int64_t)sizeof(float) * PART : each; /* the same memory holds sums of weight gradients */
    int64_t sums = sums_size(&plan), own_weights = w[PARAMETERS] == NULL ? palm_bf16_layer_weights(layer) : 0;
    char *memory = allocate(each * threads + own_weights + sizeof(bf16) * packed_numbers(&plan) + sizeof(float) * plan.chunks * sums + 2048);
    if (memory == NULL) {
        free(plan.sequence);
        return 1;
    }
    char *at = memory + each * threads;
    Weights weights;
    lay_out_weights(&weights, own_weights ? take(&at, own_weights) : aligned((char *)w[PARAMETERS]), layer);
    Packed packed;
    lay_out_packed(&packed, &at, &plan);
    float *parts = take(&at, sizeof(float) * plan.chunks * sums);
    memset(parts, 0, sizeof(float) * plan.chunks * sums);
    int64_t width = layer->width, inner = layer->inner, parts_before[5] = {0};
    const Weight matrices[4] = {{packed.input, packed.qkv, width, 3 * width, by_w[QKV_WEIGHT]},
                                {packed.context, packed.output, width, width, by_w[OUTPUT_WEIGHT]},
                                {packed.middle, packed.inner, width, inner, by_w[INNER_WEIGHT]},
                                {packed.active, packed.ffn, inner, width, by_w[FFN_WEIGHT]}};
    for (int i = 0; i < 4; i++) parts_before[i + 1] = parts_before[i] + parts_of(&matrices[i]);
#pragma omp parallel num_threads(threads)
    {
        begin_tiles();
        if (own_weights) pack_weights(w, layer, (Weights){NULL}, weights);
        BackwardMemory mine;
        lay_out_backward(&mine, memory + each * omp_get_thread_num(), &plan);
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t c = 0; c < plan.chunks; c++)
            backward_chunk(&plan, &saved, c, gradient, w, &weights, &mine, &packed, sums_of(parts + c * sums, &plan), by_hidden);
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t i = 0; i < parts_before[4]; i++) {
            int which = 0;
            while (i >= parts_before[which + 1]) which++;
            weight_gradient(&plan, &matrices[which], i - parts_before[which], (float *)(memory + each * omp_get_thread_num()));
        }
        end_tiles();
    }
    Sums all = sums_of(parts, &plan);
    const struct { float *from; int to; int64_t count; } vectors[] = {
        {all.qkv_bias, QKV_BIAS, 3 * layer->width}, {all.inner_bias, INNER_BIAS, layer->inner},
        {all.norm1.weight, NORM1_WEIGHT, layer->width}, {all.norm1.shift, NORM1_BIAS, layer->width},
        {all.norm1.bias, OUTPUT_BIAS, layer->width}, {all.norm2.weight, NORM2_WEIGHT, layer->width},
        {all.norm2.shift, NORM2_BIAS, layer->width}, {all.norm2.bias, FFN_BIAS, layer->width}};
    for (int i = 0; i < 8; i++) add_chunks(vectors[i].from, plan.chunks, sums, by_w[vectors[i].to], vectors[i].count);
    free(memory);
    free(plan.sequence);
    return 0;
}
