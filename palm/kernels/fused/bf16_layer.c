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
    bf16 *input, *qkv, *context, *normal1, *middle, *before, *normal2;
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

/* Rounds weight[rows columns] into to[padded(rows) padded(columns)]; part of a parallel region. */
static void round_weight(const float *weight, int64_t rows, int64_t columns, bf16 *to) {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < padded(rows); i++) {
        bf16 *row = to + i * padded(columns);
        if (i < rows) round_row(row, weight + i * columns, columns, padded(columns));
        else memset(row, 0, sizeof(bf16) * padded(columns));
    }
}

/* Packs rounded[rows columns], or its transpose, as a right operand; part of a parallel region. */
static void pack_weight(const bf16 *rounded, int64_t rows, int64_t columns, int transposed, bf16 *to) {
    rows = padded(rows), columns = padded(columns);
#pragma omp for schedule(static)
    for (int64_t n = 0; n < (transposed ? rows : columns); n += BLOCK) {
        if (transposed) pack_right_transposed(rounded + n * columns, columns, BLOCK, columns, to + n * columns);
        else pack_right_columns(rounded, columns, rows, n, to);
    }
}

/* The four weights of a layer as right operands. */
typedef struct {
    bf16 *qkv, *output, *inner, *ffn;
} Weights;

static int64_t weight_numbers(const Plan *plan) { return plan->width * (plan->qkv + plan->width + 2 * plan->inner); }

static void lay_out_weights(Weights *weights, char **at, const Plan *plan) {
    weights->qkv = take(at, sizeof(bf16) * plan->width * plan->qkv);
    weights->output = take(at, sizeof(bf16) * plan->width * plan->width);
    weights->inner = take(at, sizeof(bf16) * plan->width * plan->inner);
    weights->ffn = take(at, sizeof(bf16) * plan->inner * plan->width);
}

/* Rounds and packs all four; part of a parallel region. */
static void pack_weights(const float *const *w, const Plan *plan, int transposed, bf16 *rounded, Weights *to) {
    int64_t width = plan->layer->width, inner = plan->layer->inner;
    bf16 *output = rounded + plan->width * plan->qkv, *first = output + plan->width * plan->width;
    bf16 *second = first + plan->width * plan->inner;
    round_weight(w[QKV_WEIGHT], width, 3 * width, rounded);
    round_weight(w[OUTPUT_WEIGHT], width, width, output);
    round_weight(w[INNER_WEIGHT], width, inner, first);
    round_weight(w[FFN_WEIGHT], inner, width, second);
    pack_weight(rounded, width, 3 * width, transposed, to->qkv);
    pack_weight(output, width, width, transposed, to->output);
    pack_weight(first, width, inner, transposed, to->inner);
    pack_weight(second, inner, width, transposed, to->ffn);
}

/* ---- Epilogues ---- */

typedef struct {
    int64_t rows, stride;
    const float *bias;  /* padded */
    bf16 *rounded;      /* the result; with a non-linearity, its input */
    bf16 *active;       /* the non-linearity's output */
    const bf16 *before; /* its input, for the gradient */
    float *sum;         /* [stride]: sums of the gradient over rows, added to */
    float *values;
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
    for (int64_t i = 0; i < least(f->rows - row, BLOCK); i++) {
        float x[BLOCK], y[BLOCK], slope[BLOCK];
        for (int j = 0; j < BLOCK; j += 16) store_floats(x + j, load_floats(block + i * BLOCK + j) + load_floats(f->bias + column + j));
        round_row(f->rounded + (row + i) * f->stride + column, x, BLOCK, BLOCK);
        /* What the gradient will see: f of the rounded input, so that both passes compute the same function. */
        for (int j = 0; j < BLOCK; j += 16) store_floats(x + j, widened(f->rounded + (row + i) * f->stride + column + j));
        activate(x, y, slope, f->activation);
        round_row(f->active + (row + i) * f->stride + column, y, BLOCK, BLOCK);
    }
}

static inline void finish_activated_gradient(const void *context, const float *block, int64_t row, int64_t column) {
    const Finish *f = context;
    Floats sums[2] = {load_floats(f->sum + column), load_floats(f->sum + column + 16)};
    for (int64_t i = 0; i < least(f->rows - row, BLOCK); i++) {
        int64_t at = (row + i) * f->stride + column;
        float x[BLOCK], y[BLOCK], slope[BLOCK];
        for (int j = 0; j < BLOCK; j += 16) store_floats(x + j, widened(f->before + at + j));
        activate(x, y, slope, f->activation);
        round_row(f->active + at, y, BLOCK, BLOCK);
        for (int j = 0; j < BLOCK; j += 16) {
            Floats gradient = load_floats(block + i * BLOCK + j) * load_floats(slope + j);
            sums[j / 16] += gradient;
            store_rounded(f->rounded + at + j, gradient);
        }
    }
    store_floats(f->sum + column, sums[0]);
    store_floats(f->sum + column + 16, sums[1]);
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
    bf16 *active;           /* [rows inner] */
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

    Finish inner = {.rows = rows, .stride = plan->inner, .bias = inner_bias, .rounded = saved->before + place * plan->inner,
                    .active = m->active, .activation = (int)plan->layer->activation};
    multiply(middle, plan->width, rows, weights->inner, plan->width / BLOCK, plan->inner, finish_activated, &inner);
    multiply(m->active, plan->inner, rows, weights->ffn, plan->inner / BLOCK, plan->width, finish_float, &values);
    norm = norm_of(plan, w[NORM2_WEIGHT], w[NORM2_BIAS], w[FFN_BIAS], 2);
    for (int64_t i = 0; i < rows; i++)
        saved->rate2[place + i] = norm_row_rounded(&norm, m->values + i * plan->width, m->middle + i * plan->width, first + i,
                                                   out + (first + i) * width, NULL, saved->normal2 + (place + i) * plan->width);
}

/* hidden[rows width] -> out, with the twelve parameters `w` and the memory of `palm_bf16_layer_saved`. */
int palm_bf16_layer(const Layer *layer, const int64_t *starts, const float *hidden, const float *const *w, char *saved_memory, float *out) {
    Plan plan;
    if (make_plan(&plan, layer, starts)) return 1;
    Saved saved;
    lay_out_saved(&saved, aligned(saved_memory), &plan);
    ForwardMemory size;
    int64_t each = (lay_out_forward(&size, NULL, &plan) - (char *)NULL + 63) / 64 * 64, threads = omp_get_max_threads();
    threads = least(threads, plan.chunks);
    int64_t numbers = weight_numbers(&plan);
    char *memory = allocate(each * threads + 2 * sizeof(bf16) * numbers + sizeof(float) * (plan.qkv + plan.inner) + 1024);
    if (memory == NULL) {
        free(plan.sequence);
        return 1;
    }
    char *at = memory + each * threads;
    bf16 *rounded = take(&at, sizeof(bf16) * numbers);
    Weights weights;
    lay_out_weights(&weights, &at, &plan);
    const float *qkv_bias = padded_bias(&at, w[QKV_BIAS], 3 * layer->width), *inner_bias = padded_bias(&at, w[INNER_BIAS], layer->inner);
#pragma omp parallel num_threads(threads)
    {
        begin_tiles();
        pack_weights(w, &plan, 0, rounded, &weights);
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
    bf16 *gradient, *context, *inner, *active, *qkv; /* [rows width] twice, [rows inner] twice, [rows qkv] */
} BackwardMemory;

static char *lay_out_backward(BackwardMemory *m, char *at, const Plan *plan) {
    int64_t rows = plan->most_rows, size = padded(plan->layer->width / plan->layer->heads);
    at = lay_out_attention(&m->attention, at, plan->longest, size);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->work = take(&at, sizeof(float) * 2 * plan->width);
    m->gradient = take(&at, sizeof(bf16) * rows * plan->width);
    m->context = take(&at, sizeof(bf16) * rows * plan->width);
    m->inner = take(&at, sizeof(bf16) * rows * plan->inner);
    m->active = take(&at, sizeof(bf16) * rows * plan->inner);
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
    Finish inner = {.rows = rows, .stride = plan->inner, .rounded = m->inner, .active = m->active, .before = saved->before + wide,
                    .sum = sums.inner_bias, .activation = (int)plan->layer->activation};
    multiply(m->gradient, plan->width, rows, weights->ffn, plan->width / BLOCK, plan->inner, finish_activated_gradient, &inner);
    pack_left_transposed(m->active, plan->inner, rows, plan->inner, packed->active + wide);
    pack_right(m->inner, plan->inner, rows, plan->inner, packed->inner + wide);
    pack_left_transposed(saved->middle + narrow, plan->width, rows, plan->width, packed->middle + narrow);
    Finish added = {.rows = rows, .stride = plan->width, .values = m->values};
    multiply(m->inner, plan->inner, rows, weights->inner, plan->inner / BLOCK, plan->width, finish_added, &added);

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

/* gradient[rows columns] of a weight, from its packed operands; every thread takes columns of its own. */
static void weight_gradient(const Plan *plan, const bf16 *left, const bf16 *right, int64_t rows, int64_t columns, float *gradient) {
    enum { GROUP = 1024 }; /* rows of the operands that stay in the cache while all columns pass */
    if (gradient == NULL) return;
    int64_t blocks = padded(columns) / BLOCK, threads = omp_get_num_threads(), thread = omp_get_thread_num();
    float edge[BLOCK * BLOCK] __attribute__((aligned(64)));
    for (int64_t c = 0; c < plan->chunks;) {
        int64_t end = c;
        while (end < plan->chunks && (end == c || plan->place[end + 1] - plan->place[c] <= GROUP)) end++;
        for (int64_t n = blocks * thread / threads; n < blocks * (thread + 1) / threads; n++)
            for (int64_t m = 0; m < padded(rows) / BLOCK; m++) {
                float *to = gradient + m * BLOCK * columns + n * BLOCK;
                int64_t high = least(rows - m * BLOCK, BLOCK), broad = least(columns - n * BLOCK, BLOCK), stride = columns;
                int inside = high == BLOCK && broad == BLOCK;
                if (!inside && c > 0)
                    for (int64_t i = 0; i < high; i++) memcpy(edge + i * BLOCK, to + i * columns, sizeof(float) * broad);
                for (int64_t each = c; each < end; each++) {
                    int64_t depth = (plan->place[each + 1] - plan->place[each]) / BLOCK;
                    const bf16 *a = left + plan->place[each] * padded(rows) + 2 * m * depth * TILE;
                    const bf16 *b = right + plan->place[each] * padded(columns) + 2 * n * depth * TILE;
                    multiply_block(packed_left(a, b, depth), inside ? to : edge, inside ? stride : BLOCK, each > 0);
                }
                if (!inside)
                    for (int64_t i = 0; i < high; i++) memcpy(to + i * columns, edge + i * BLOCK, sizeof(float) * broad);
            }
        c = end;
    }
}

/* gradient[rows width] of the output -> of the input, `by_hidden`, and of the parameters, `by_w`; any may be NULL. */
int palm_bf16_layer_gradient(const Layer *layer, const int64_t *starts, const float *gradient, const float *const *w,
                             char *saved_memory, float *by_hidden, float *const *by_w) {
    Plan plan;
    if (make_plan(&plan, layer, starts)) return 1;
    Saved saved;
    lay_out_saved(&saved, aligned(saved_memory), &plan);
    BackwardMemory size;
    int64_t each = (lay_out_backward(&size, NULL, &plan) - (char *)NULL + 63) / 64 * 64, threads = omp_get_max_threads();
    int64_t numbers = weight_numbers(&plan), sums = sums_size(&plan);
    char *memory = allocate(each * threads + sizeof(bf16) * (2 * numbers + packed_numbers(&plan)) + sizeof(float) * plan.chunks * sums + 2048);
    if (memory == NULL) {
        free(plan.sequence);
        return 1;
    }
    char *at = memory + each * threads;
    bf16 *rounded = take(&at, sizeof(bf16) * numbers);
    Weights weights;
    lay_out_weights(&weights, &at, &plan);
    Packed packed;
    lay_out_packed(&packed, &at, &plan);
    float *parts = take(&at, sizeof(float) * plan.chunks * sums);
    memset(parts, 0, sizeof(float) * plan.chunks * sums);
#pragma omp parallel num_threads(threads)
    {
        begin_tiles();
        pack_weights(w, &plan, 1, rounded, &weights);
        BackwardMemory mine;
        lay_out_backward(&mine, memory + each * omp_get_thread_num(), &plan);
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t c = 0; c < plan.chunks; c++)
            backward_chunk(&plan, &saved, c, gradient, w, &weights, &mine, &packed, sums_of(parts + c * sums, &plan), by_hidden);
        int64_t width = layer->width, inner = layer->inner;
        weight_gradient(&plan, packed.input, packed.qkv, width, 3 * width, by_w[QKV_WEIGHT]);
        weight_gradient(&plan, packed.context, packed.output, width, width, by_w[OUTPUT_WEIGHT]);
        weight_gradient(&plan, packed.middle, packed.inner, width, inner, by_w[INNER_WEIGHT]);
        weight_gradient(&plan, packed.active, packed.ffn, inner, width, by_w[FFN_WEIGHT]);
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
