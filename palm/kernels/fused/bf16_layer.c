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
#include "bf16_rows.h"

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

/* What the forward pass saves for the gradient, rows by `place`: matrices in slabs of a chunk's rows, but for the rows of
 * `normal1` and `normal2`. `input` and `middle` are only needed for the gradients of weights, and packed for these. */
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

/* Rounds 32 x 32 numbers of weight[rows columns], from (row, column) on; zeros beyond its border. */
static void round_block(const float *weight, int64_t rows, int64_t columns, int64_t row, int64_t column, bf16 *to) {
    for (int64_t i = 0; i < BLOCK; i++)
        store_row(to + i * BLOCK, row + i < rows ? rounded_some(weight + (row + i) * columns, columns, column) : (Row){0});
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

/* ---- Rows ---- */

/* Of the non-linearity's gradient. */
typedef struct {
    Slabs before;       /* the non-linearity's input */
    Slabs gradient;     /* its gradient, a left operand */
    bf16 *left, *right; /* the non-linearity's output and the gradient, packed for the gradients of weights */
    int64_t step;       /* numbers between the slabs of these */
    float *sum;         /* sums of the gradient over rows, added to */
    bf16 *active;       /* a block */
    int activation;
} FinishGradient;

static inline void finish_activated_gradient(const void *context, const float *x, int64_t row, int64_t column) {
    const FinishGradient *f = context;
    Row before = load_row(place_in(f->before, row, column));
    Floats active[2], gradient[2];
    for (int half = 0; half < 2; half++) {
        Floats in = half_of(before, half);
        active[half] = activated(in, f->activation);
        gradient[half] = load_floats(x + 16 * half) * slope_of(in, active[half], f->activation);
        float *sum = f->sum + column + 16 * half;
        store_floats(sum, load_floats(sum) + gradient[half]);
    }
    store_row(f->active + row % BLOCK * BLOCK, rounded(active[0], active[1]));
    store_row(place_in(f->gradient, row, column), rounded(gradient[0], gradient[1]));
    if (row % BLOCK < BLOCK - 1) return;
    int64_t block = column / BLOCK * f->step + row / BLOCK * NUMBERS;
    left_block_transposed_past(f->active, f->left + block);
    right_block_past(place_in(f->gradient, row - row % BLOCK, column), f->right + block);
}

/* `norm_row_gradient` of a row whose `normal` was rounded; `work` holds two rows. */
static void norm_row_rounded_gradient(const Norm *norm, const float *gradient, const bf16 *normal, float rate, int64_t row,
                                      float *work, float *through, Slabs dropped, int64_t to_row, NormSums sums) {
    int64_t stride = padded(norm->width);
    float *x = work, *u = work + stride;
    for (int64_t j = 0; j < stride; j += 16) store_floats(x + j, widened(normal + j));
    norm_row_gradient(norm, gradient, x, rate, row, through, u, sums);
    round_row(dropped, to_row, u, norm->width);
}

/* The chunk's rows of a matrix of `columns` columns, which is saved at `at`. */
static Slabs slabs_of(const Plan *plan, int64_t chunk, bf16 *at, int64_t columns) {
    return (Slabs){at + plan->place[chunk] * columns, (plan->place[chunk + 1] - plan->place[chunk]) * BLOCK};
}

static Head head_of(const Plan *plan, const Saved *saved, int64_t rows, int64_t sequence, int64_t place, int64_t number) {
    const Layer *layer = plan->layer;
    int64_t length = plan->starts[sequence + 1] - plan->starts[sequence], size = layer->width / layer->heads;
    Dropout drop = dropout_of(layer->attention_dropout, layer->seeds[0], layer->first * layer->heads);
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
    bf16 *input, *active;   /* slabs of [rows width], which become the middle, and of [rows inner] */
} ForwardMemory;

static char *lay_out_forward(ForwardMemory *m, char *at, const Plan *plan) {
    int64_t rows = plan->most_rows, size = padded(plan->layer->width / plan->layer->heads);
    at = lay_out_attention(&m->attention, at, plan->longest, size, 0);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->middle = take(&at, sizeof(float) * rows * plan->width);
    m->input = take(&at, sizeof(bf16) * plan->slab * plan->width);
    m->active = take(&at, sizeof(bf16) * plan->slab * plan->inner);
    return at;
}

static void attend_chunk(const Plan *plan, const Saved *saved, int64_t chunk, AttentionMemory *memory) {
    int64_t all = plan->place[plan->chunks], place = plan->place[chunk], width = plan->layer->width, size = width / plan->layer->heads;
    int64_t first = plan->starts[plan->sequence[chunk]], rows = plan->starts[plan->sequence[chunk + 1]] - first;
    Slabs qkv = slabs_of(plan, chunk, saved->qkv, plan->qkv), context = slabs_of(plan, chunk, saved->context, plan->width);
    zero_rows(context, rows, padded(rows), plan->width);
    if (plan->width > width) zero_rows((Slabs){place_in(context, 0, plan->width - BLOCK)}, 0, rows, BLOCK);
    for (int64_t b = plan->sequence[chunk]; b < plan->sequence[chunk + 1]; b++)
        for (int64_t h = 0, row = plan->starts[b] - first; h < plan->layer->heads; h++) {
            Head head = head_of(plan, saved, all, b, place + row, h);
            attend(memory, &head, (Place){qkv, row, h * size}, width, (Place){context, row, h * size});
        }
}

/* `norm_row` of the chunk's rows; `normal` gets the normalised rows, `rates` their rates. */
static void norm_rows(const Norm *norm, float *z, const float *residual, int64_t residual_stride, int64_t first, int64_t rows,
                      float *out, int64_t out_stride, bf16 *normal, float *rates) {
    int64_t width = norm->width, stride = padded(width);
    for (int64_t i = 0; i < rows; i++) {
        rates[i] = norm_row(norm, z + i * stride, residual + i * residual_stride, first + i, out + i * out_stride);
        for (int64_t j = 0; j < width; j += BLOCK) store_row_past(normal + i * stride + j, rounded_some(z + i * stride, width, j));
    }
}

/* Rounds rows[rows stride] as a left operand, whose rows behind become zero, and packs its transpose for the gradient of a weight. */
static void round_rows(const float *from, int64_t stride, int64_t rows, int64_t width, Slabs to, bf16 *transposed) {
    for (int64_t i = 0; i < rows; i++) round_row(to, i, from + i * stride, width);
    zero_rows(to, rows, padded(rows), padded(width));
    pack_left_transposed(to, padded(rows) / BLOCK, padded(width), transposed);
}

static void forward_chunk(const Plan *plan, const Saved *saved, int64_t chunk, const float *hidden, const float *const *w,
                          const float *qkv_bias, const float *inner_bias, const Weights *weights, ForwardMemory *m, float *out) {
    int64_t width = plan->layer->width, stride = plan->width, place = plan->place[chunk], narrow = place * stride;
    int64_t first = plan->starts[plan->sequence[chunk]], rows = plan->starts[plan->sequence[chunk + 1]] - first;
    Slabs input = {m->input, plan->slab * BLOCK}, active = {m->active, plan->slab * BLOCK};
    hidden += first * width, out += first * width;

    round_rows(hidden, width, rows, width, input, saved->input + narrow);
    Finish qkv = {.bias = qkv_bias, .rounded = slabs_of(plan, chunk, saved->qkv, plan->qkv)};
    multiply(input, rows, weights->qkv, stride / BLOCK, 0, plan->qkv, finish_biased, &qkv);
    attend_chunk(plan, saved, chunk, &m->attention);
    Slabs context = slabs_of(plan, chunk, saved->context, stride);
    multiply_to(context, rows, weights->output, stride / BLOCK, 0, stride, m->values, stride, 0);
    Norm norm = norm_of(plan, w[NORM1_WEIGHT], w[NORM1_BIAS], w[OUTPUT_BIAS], 1);
    norm_rows(&norm, m->values, hidden, width, first, rows, m->middle, stride, saved->normal1 + narrow, saved->rate1 + place);

    round_rows(m->middle, stride, rows, width, input, saved->middle + narrow);
    Finish inner = {.bias = inner_bias, .rounded = active, .before = slabs_of(plan, chunk, saved->before, plan->inner),
                    .activation = (int)plan->layer->activation};
    multiply(input, rows, weights->inner, stride / BLOCK, 0, plan->inner, finish_activated, &inner);
    multiply_to(active, rows, weights->ffn, plan->inner / BLOCK, 0, stride, m->values, stride, 0);
    norm = norm_of(plan, w[NORM2_WEIGHT], w[NORM2_BIAS], w[FFN_BIAS], 2);
    norm_rows(&norm, m->values, m->middle, stride, first, rows, out, width, saved->normal2 + narrow, saved->rate2 + place);
    settle_stores();
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
    bf16 *gradient, *context, *inner, *qkv, *block; /* slabs of [rows width] twice, of [rows inner], of [rows qkv] */
} BackwardMemory;

static char *lay_out_backward(BackwardMemory *m, char *at, const Plan *plan) {
    int64_t rows = plan->most_rows, size = padded(plan->layer->width / plan->layer->heads);
    at = lay_out_attention(&m->attention, at, plan->longest, size, 1);
    m->values = take(&at, sizeof(float) * rows * plan->width);
    m->work = take(&at, sizeof(float) * 2 * plan->width);
    m->gradient = take(&at, sizeof(bf16) * plan->slab * plan->width);
    m->context = take(&at, sizeof(bf16) * plan->slab * plan->width);
    m->inner = take(&at, sizeof(bf16) * plan->slab * plan->inner);
    m->qkv = take(&at, sizeof(bf16) * plan->slab * plan->qkv);
    m->block = take(&at, sizeof(bf16) * NUMBERS);
    return at;
}

/* Operands of the gradients of weights, for all chunks, that the forward pass has not packed. */
typedef struct {
    bf16 *context, *active;           /* left: transposed */
    bf16 *qkv, *output, *inner, *ffn; /* right */
} Packed;

static void lay_out_packed(Packed *packed, char **at, const Plan *plan) {
    int64_t rows = plan->place[plan->chunks];
    bf16 **narrow[] = {&packed->context, &packed->output, &packed->ffn};
    for (int i = 0; i < 3; i++) *narrow[i] = take(at, sizeof(bf16) * rows * plan->width);
    packed->active = take(at, sizeof(bf16) * rows * plan->inner);
    packed->inner = take(at, sizeof(bf16) * rows * plan->inner);
    packed->qkv = take(at, sizeof(bf16) * rows * plan->qkv);
}

static int64_t packed_numbers(const Plan *plan) {
    return plan->place[plan->chunks] * (3 * plan->width + 2 * plan->inner + plan->qkv);
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
    int64_t all = plan->place[plan->chunks], place = plan->place[chunk], width = plan->layer->width, size = width / plan->layer->heads;
    int64_t first = plan->starts[plan->sequence[chunk]], rows = plan->starts[plan->sequence[chunk + 1]] - first;
    Slabs qkv = slabs_of(plan, chunk, saved->qkv, plan->qkv), context = slabs_of(plan, chunk, saved->context, plan->width);
    Slabs by_context = {m->context, plan->slab * BLOCK}, by_qkv = {m->qkv, plan->slab * BLOCK};
    zero_rows(by_qkv, rows, padded(rows), plan->qkv);
    if (plan->qkv > 3 * width) zero_rows((Slabs){place_in(by_qkv, 0, plan->qkv - BLOCK)}, 0, rows, BLOCK);
    for (int64_t b = plan->sequence[chunk]; b < plan->sequence[chunk + 1]; b++)
        for (int64_t h = 0, row = plan->starts[b] - first; h < plan->layer->heads; h++) {
            Head head = head_of(plan, saved, all, b, place + row, h);
            attend_gradient(&m->attention, &head, (Place){qkv, row, h * size}, width, (Place){context, row, h * size},
                            (Place){by_context, row, h * size}, (Place){by_qkv, row, h * size});
        }
}

/* `norm_row_rounded_gradient` of the chunk's rows, in m->values and m->gradient, which is also packed, as `right`. */
static void norm_rows_gradient(const Norm *norm, const float *gradient, int64_t gradient_stride, const bf16 *normal, const float *rates,
                               int64_t first, int64_t rows, BackwardMemory *m, Slabs dropped, NormSums sums, bf16 *right) {
    int64_t stride = padded(norm->width);
    for (int64_t i = 0; i < rows; i++)
        norm_row_rounded_gradient(norm, gradient + i * gradient_stride, normal + i * stride, rates[i], first + i, m->work,
                                  m->values + i * stride, dropped, i, sums);
    zero_rows(dropped, rows, padded(rows), stride);
    pack_right(dropped, padded(rows) / BLOCK, stride, right);
}

/* Adds the rows of a matrix of `columns` columns to `sums`. */
static void add_rows(Slabs rows, int64_t count, int64_t columns, float *sums) {
    for (int64_t j = 0; j < columns; j += BLOCK) {
        Floats sum[2] = {load_floats(sums + j), load_floats(sums + j + 16)};
        for (int64_t i = 0; i < count; i++) {
            Row row = load_row(place_in(rows, i, j));
            for (int half = 0; half < 2; half++) sum[half] += half_of(row, half);
        }
        for (int half = 0; half < 2; half++) store_floats(sums + j + 16 * half, sum[half]);
    }
}

static void backward_chunk(const Plan *plan, const Saved *saved, int64_t chunk, const float *gradient, const float *const *w,
                           const Weights *weights, BackwardMemory *m, Packed *packed, Sums sums, float *by_hidden) {
    int64_t width = plan->layer->width, stride = plan->width, place = plan->place[chunk];
    int64_t first = plan->starts[plan->sequence[chunk]], rows = plan->starts[plan->sequence[chunk + 1]] - first;
    int64_t narrow = place * stride, wide = place * plan->inner, triple = place * plan->qkv, down = padded(rows) / BLOCK;
    Slabs dropped = {m->gradient, plan->slab * BLOCK}, by_inner = {m->inner, plan->slab * BLOCK};
    Slabs by_context = {m->context, plan->slab * BLOCK}, by_qkv = {m->qkv, plan->slab * BLOCK};

    Norm norm = norm_of(plan, w[NORM2_WEIGHT], w[NORM2_BIAS], w[FFN_BIAS], 2);
    norm_rows_gradient(&norm, gradient + first * width, width, saved->normal2 + narrow, saved->rate2 + place, first, rows, m, dropped, sums.norm2, packed->ffn + narrow);
    FinishGradient inner = {slabs_of(plan, chunk, saved->before, plan->inner), by_inner, packed->active + wide, packed->inner + wide,
                            down * NUMBERS, sums.inner_bias, m->block, (int)plan->layer->activation};
    multiply(dropped, rows, weights->ffn, stride / BLOCK, 0, plan->inner, finish_activated_gradient, &inner);
    multiply_to(by_inner, rows, weights->inner, plan->inner / BLOCK, 0, stride, m->values, stride, 1);

    norm = norm_of(plan, w[NORM1_WEIGHT], w[NORM1_BIAS], w[OUTPUT_BIAS], 1);
    norm_rows_gradient(&norm, m->values, stride, saved->normal1 + narrow, saved->rate1 + place, first, rows, m, dropped, sums.norm1, packed->output + narrow);
    Finish context = {.rounded = by_context};
    multiply(dropped, rows, weights->output, stride / BLOCK, 0, stride, finish_rounded, &context);
    attend_chunk_gradient(plan, saved, chunk, m);
    pack_left_transposed(slabs_of(plan, chunk, saved->context, stride), down, stride, packed->context + narrow);
    add_rows(by_qkv, rows, plan->qkv, sums.qkv_bias);
    pack_right(by_qkv, down, plan->qkv, packed->qkv + triple);
    if (by_hidden != NULL) {
        multiply_to(by_qkv, rows, weights->qkv, plan->qkv / BLOCK, 0, stride, m->values, stride, 1);
        for (int64_t i = 0; i < rows; i++)
            memcpy(by_hidden + (first + i) * width, m->values + i * stride, sizeof(float) * width);
    }
    settle_stores();
}

/* Gradients of weights are computed in parts of so many blocks, whose sums stay in the second-level cache: the larger, the
 * fewer times the operands are read. */
enum { HIGH = 12, BROAD = 12, PART = HIGH * BROAD * NUMBERS };

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
                Operands o = {w->left + place * padded(w->rows) + m * depth * NUMBERS, NUMBERS,
                              w->right + place * padded(w->columns) + n * depth * NUMBERS, depth};
                /* Meanwhile, the next 32 columns of the operands are fetched. */
                if (n == left) o.next = o.left + depth * NUMBERS, o.ahead = 2 * NUMBERS;
                else o.ahead = (2 * NUMBERS / (bottom - top) + 63) / 64 * 64, o.next = o.right + depth * NUMBERS + (m - top) * depth * o.ahead / 2;
                multiply_block(o, block, BLOCK, c > 0, NULL, NULL);
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
    const Weight matrices[4] = {{saved.input, packed.qkv, width, 3 * width, by_w[QKV_WEIGHT]},
                                {packed.context, packed.output, width, width, by_w[OUTPUT_WEIGHT]},
                                {saved.middle, packed.inner, width, inner, by_w[INNER_WEIGHT]},
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
