/* A whole encoder layer (arXiv:1810.04805) in float32, forward and backward in one call each. Its matrix products are those
 * of the math library that Paddle has loaded, of which every thread computes its own.
 *
 * A batch is the tokens that exist: sequence b is rows starts[b] to starts[b + 1] of `hidden`, without padding. All but
 * attention is computed in blocks of some hundred rows, which stay in the processor's cache from one product to the next;
 * attention sequence by sequence and head by head. Its probabilities are not stored: the largest score and 1/sum of each
 * query's softmax are, from which the backward pass recomputes them (arXiv:2205.14135).
 *
 * The same input gives the same bits for any number of threads: blocks depend on the number of rows alone, each has sums of
 * its own, and these are added in their order.
 *
 * Functions with a status return 0, or 1 if memory could not be allocated.
 */
#include "layer_rows.h"

enum { QUERIES = 128 };                       /* whose scores are in the cache at a time */
enum { MOST_ROWS = 384, LEAST_BLOCKS = 8 };   /* rows of a block; blocks, unless each would have fewer than these rows: */
enum { LEAST_FORWARD = 64, LEAST_BACKWARD = 128 };
enum { WEIGHT_BLOCK = 768 };                  /* rows and columns of a weight's gradient that are computed at a time */

/* ---- Products ---- */

/* `cblas_sgemm`, and the function that limits its threads for the calling thread and returns the limit before. */
typedef void Sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
typedef int LimitThreads(int);

static Sgemm *sgemm;
static LimitThreads *limit_threads;

/* Sets the functions of the math library, before the first layer is computed. */
void palm_float32_begin(void *multiply, void *limit) {
    sgemm = (Sgemm *)multiply;
    limit_threads = (LimitThreads *)limit;
}

/* An operand with `stride` numbers between rows; `transposed`: what is stored is its transpose. */
typedef struct {
    const float *at;
    int64_t stride;
    int transposed;
} Matrix;

static inline Matrix matrix(const float *at, int64_t stride) { return (Matrix){at, stride, 0}; }
static inline Matrix transpose_of(const float *at, int64_t stride) { return (Matrix){at, stride, 1}; }

/* out[rows columns] = a[rows inner] . b[inner columns], added to `out` where `add` is set. */
static void multiply(int64_t rows, int64_t columns, int64_t inner, Matrix a, Matrix b, float *out, int64_t stride, int add) {
    enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 };
    sgemm(ROW_MAJOR, a.transposed ? TRANSPOSED : AS_IT_IS, b.transposed ? TRANSPOSED : AS_IT_IS, (int)rows, (int)columns, (int)inner,
          1.0f, a.at, (int)a.stride, b.at, (int)b.stride, add ? 1.0f : 0.0f, out, (int)stride);
}

/* ---- Sizes and memory ---- */

/* The layer, its sequences, and the division of their rows into blocks. */
typedef struct {
    const Layer *layer;
    const int64_t *starts;
    int64_t width, inner, heads, size; /* size: numbers of a head */
    int64_t rows, longest;             /* of all sequences, of one */
    int64_t blocks, most_rows;         /* most_rows: of a block */
} Batch;

static Batch batch_of(const Layer *layer, const int64_t *starts, int64_t least_rows) {
    Batch b = {.layer = layer, .starts = starts, .width = layer->width, .inner = layer->inner, .heads = layer->heads,
               .size = layer->width / layer->heads, .rows = starts[layer->sequences]};
    for (int64_t s = 0; s < layer->sequences; s++)
        if (starts[s + 1] - starts[s] > b.longest) b.longest = starts[s + 1] - starts[s];
    int64_t aim = b.rows / LEAST_BLOCKS;
    aim = aim < least_rows ? least_rows : aim > MOST_ROWS ? MOST_ROWS : aim;
    b.blocks = (b.rows + aim - 1) / aim;
    b.most_rows = b.blocks ? (b.rows + b.blocks - 1) / b.blocks : 0;
    return b;
}

static int64_t block_begin(const Batch *b, int64_t block) { return block * b->rows / b->blocks; }

/* What the forward pass saves for the gradient. */
typedef struct {
    float *qkv, *context, *normal1, *before, *normal2; /* [rows 3 width], [rows width] twice, [rows inner], [rows width] */
    float *largest, *rate;                             /* of the softmax: [heads rows] */
    float *rate1, *rate2;                              /* of layer normalisation: [rows] */
} Saved;

static char *lay_out_saved(Saved *saved, char *at, const Batch *b) {
    saved->qkv = take(&at, sizeof(float) * b->rows * 3 * b->width);
    saved->context = take(&at, sizeof(float) * b->rows * b->width);
    saved->normal1 = take(&at, sizeof(float) * b->rows * b->width);
    saved->before = take(&at, sizeof(float) * b->rows * b->inner);
    saved->normal2 = take(&at, sizeof(float) * b->rows * b->width);
    saved->largest = take(&at, sizeof(float) * b->rows * b->heads);
    saved->rate = take(&at, sizeof(float) * b->rows * b->heads);
    saved->rate1 = take(&at, sizeof(float) * b->rows);
    saved->rate2 = take(&at, sizeof(float) * b->rows);
    return at;
}

/* Bytes that the forward pass saves. */
int64_t palm_float32_layer_saved(const Layer *layer, const int64_t *starts) {
    Batch b = batch_of(layer, starts, LEAST_FORWARD);
    Saved saved;
    return lay_out_saved(&saved, NULL, &b) - (char *)NULL + 64;
}

/* Sums over the rows of a block. */
typedef struct {
    float *qkv_bias, *inner_bias;
    NormSums norm1, norm2;
} Sums;

static int64_t sums_size(const Batch *b) { return 9 * b->width + b->inner; }

static Sums sums_of(float *at, const Batch *b) {
    float *narrow = at + 3 * b->width + b->inner;
    int64_t width = b->width;
    return (Sums){at, at + 3 * width, {narrow, narrow + width, narrow + 2 * width},
                  {narrow + 3 * width, narrow + 4 * width, narrow + 5 * width}};
}

/* Memory of one thread. What only one of the directions uses is left out of the other's. */
typedef struct {
    float *scores, *values;          /* [QUERIES longest], [block width] */
    float *active;                   /* forward: [block inner] */
    float *by_probability, *by_head; /* backward: [QUERIES longest], [2 longest size] */
    float *work;                     /* backward: [width] */
} Memory;

static char *lay_out_memory(Memory *m, char *at, const Batch *b, int backward) {
    int64_t scores = QUERIES * b->longest;
    m->scores = take(&at, sizeof(float) * scores);
    m->values = take(&at, sizeof(float) * b->most_rows * b->width);
    m->active = take(&at, backward ? 0 : sizeof(float) * b->most_rows * b->inner);
    m->by_probability = take(&at, backward ? sizeof(float) * scores : 0);
    m->by_head = take(&at, backward ? sizeof(float) * 2 * b->longest * b->size : 0);
    m->work = take(&at, backward ? sizeof(float) * b->width : 0);
    return at;
}

static Norm norm_for(const Batch *b, const float *const *w, int weight, int bias, int which) {
    Dropout drop = dropout_of(b->layer->hidden_dropout, b->layer->seeds[which], b->layer->first);
    return (Norm){b->width, w[weight], w[weight + 1], w[bias], b->layer->epsilon, drop, b->layer->hidden_dropout > 0.0f};
}

/* ---- Attention ---- */

/* One head of one sequence. */
typedef struct {
    int64_t first, length;        /* rows of the sequence */
    float *query, *key, *value;   /* its numbers in the first row of `qkv` */
    float *context;
    float *largest, *rate;        /* [length] */
    float scale;                  /* of the scores: 1 / sqrt(size) */
    int64_t number, heads;
    Dropout drop;
    int drops;
} Head;

static Head head_of(const Batch *b, const Saved *saved, int64_t sequence, int64_t number) {
    int64_t first = b->starts[sequence], length = b->starts[sequence + 1] - first;
    float *query = saved->qkv + first * 3 * b->width + number * b->size;
    Dropout drop = dropout_of(b->layer->attention_dropout, b->layer->seeds[0], b->layer->first * b->heads);
    return (Head){first, length, query, query + b->width, query + 2 * b->width, saved->context + first * b->width + number * b->size,
                  saved->largest + number * b->rows + first, saved->rate + number * b->rows + first, 1.0f / sqrtf((float)b->size),
                  number, b->heads, drop, b->layer->attention_dropout > 0.0f};
}

static inline uint32_t head_seed(const Head *head, int64_t token) {
    return row_seed(head->drop, (head->first + token) * head->heads + head->number);
}

/* Softmax of one query's scores, in place, with dropout. */
static void softmax_row(float *restrict x, const Head *head, int64_t token) {
    float largest = -INFINITY, total = 0.0f, scale = head->scale;
    int64_t length = head->length;
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
    head->largest[token] = largest;
    head->rate[token] = rate;
    if (head->drops) {
        Dropout drop = head->drop;
        uint32_t seed = head_seed(head, token);
#pragma omp simd
        for (int64_t j = 0; j < length; j++) x[j] *= rate * kept(drop, seed, (uint32_t)j);
    } else {
#pragma omp simd
        for (int64_t j = 0; j < length; j++) x[j] *= rate;
    }
}

/* context = dropout(softmax(query . key^T * scale)) . value */
static void attend(const Batch *b, const Head *head, float *scores) {
    int64_t stride = 3 * b->width;
    for (int64_t first = 0; first < head->length; first += QUERIES) {
        int64_t queries = least(head->length - first, QUERIES);
        multiply(queries, head->length, b->size, matrix(head->query + first * stride, stride), transpose_of(head->key, stride), scores, head->length, 0);
        for (int64_t i = 0; i < queries; i++) softmax_row(scores + i * head->length, head, first + i);
        multiply(queries, b->size, head->length, matrix(scores, head->length), matrix(head->value, stride), head->context + first * b->width, b->width, 0);
    }
}

/* One query's scores, `x`, and the gradients of its probabilities, `g`: turned into the probabilities after dropout, and the
 * gradient of the scores times their scale. `along` is the sum of the probabilities times their gradients. */
static void softmax_row_gradient(float *restrict x, float *restrict g, const Head *head, int64_t token, float along) {
    float largest = head->largest[token], rate = head->rate[token], scale = head->scale;
    int64_t length = head->length;
    if (head->drops) {
        Dropout drop = head->drop;
        uint32_t seed = head_seed(head, token);
#pragma omp simd
        for (int64_t j = 0; j < length; j++) {
            float p = exp_of(x[j] * scale - largest) * rate, keep = kept(drop, seed, (uint32_t)j);
            x[j] = p * keep;
            g[j] = p * (keep * g[j] - along) * scale;
        }
    } else {
#pragma omp simd
        for (int64_t j = 0; j < length; j++) {
            float p = exp_of(x[j] * scale - largest) * rate;
            x[j] = p;
            g[j] = p * (g[j] - along) * scale;
        }
    }
}

static float dot(const float *restrict one, const float *restrict other, int64_t count) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; j++) sum += one[j] * other[j];
    return sum;
}

static void copy_rows(const float *from, int64_t from_stride, int64_t rows, int64_t columns, float *to, int64_t stride) {
    for (int64_t i = 0; i < rows; i++) memcpy(to + i * stride, from + i * from_stride, sizeof(float) * columns);
}

/* The gradients of queries, keys and values, in their place, from that of the context. */
static void attend_gradient(const Batch *b, const Head *head, const float *by_context, Memory *m) {
    int64_t stride = 3 * b->width, length = head->length, size = b->size;
    float *by_key = m->by_head, *by_value = m->by_head + length * size;
    for (int64_t first = 0; first < length; first += QUERIES) {
        int64_t queries = least(length - first, QUERIES);
        float *query = head->query + first * stride;
        const float *context = head->context + first * b->width, *gradient = by_context + first * b->width;
        multiply(queries, length, size, matrix(query, stride), transpose_of(head->key, stride), m->scores, length, 0);
        multiply(queries, length, size, matrix(gradient, b->width), transpose_of(head->value, stride), m->by_probability, length, 0);
        for (int64_t i = 0; i < queries; i++) {
            float along = dot(context + i * b->width, gradient + i * b->width, size);
            softmax_row_gradient(m->scores + i * length, m->by_probability + i * length, head, first + i, along);
        }
        multiply(length, size, queries, transpose_of(m->scores, length), matrix(gradient, b->width), by_value, size, first > 0);
        multiply(length, size, queries, transpose_of(m->by_probability, length), matrix(query, stride), by_key, size, first > 0);
        multiply(queries, size, length, matrix(m->by_probability, length), matrix(head->key, stride), query, stride, 0);
    }
    copy_rows(by_key, size, length, size, head->key, stride);
    copy_rows(by_value, size, length, size, head->value, stride);
}

/* ---- Rows ---- */

/* Adds row[width] to each of rows[count width]. */
static void add_row(float *restrict rows, const float *restrict row, int64_t count, int64_t width) {
    for (int64_t i = 0; i < count; i++) {
        float *restrict x = rows + i * width;
#pragma omp simd
        for (int64_t j = 0; j < width; j++) x[j] += row[j];
    }
}

/* x += bias, in place; y = f(x). */
static void activate_row(float *restrict x, const float *restrict bias, float *restrict y, int64_t width, int activation) {
    float slope[BLOCK], in[BLOCK] = {0}, out[BLOCK];
#pragma omp simd
    for (int64_t j = 0; j < width; j++) x[j] += bias[j];
    int64_t j = 0;
    for (; j + BLOCK <= width; j += BLOCK) activate(x + j, y + j, slope, activation);
    if (j == width) return;
    memcpy(in, x + j, sizeof(float) * (width - j));
    activate(in, out, slope, activation);
    memcpy(y + j, out, sizeof(float) * (width - j));
}

static inline void activate_block_gradient(float *restrict x, float *restrict g, float *restrict sum, int activation) {
    float slope[BLOCK], y[BLOCK];
    activate(x, y, slope, activation);
#pragma omp simd
    for (int k = 0; k < BLOCK; k++) {
        x[k] = g[k] * slope[k];
        sum[k] += x[k];
        g[k] = y[k];
    }
}

/* x, and the gradient `g` of y = f(x): x becomes its own gradient, which is added to `sum`, and g becomes y. */
static void activate_row_gradient(float *restrict x, float *restrict g, float *restrict sum, int64_t width, int activation) {
    int64_t j = 0;
    for (; j + BLOCK <= width; j += BLOCK) activate_block_gradient(x + j, g + j, sum + j, activation);
    if (j == width) return;
    float rest[3][BLOCK] = {{0}};
    size_t bytes = sizeof(float) * (width - j);
    memcpy(rest[0], x + j, bytes), memcpy(rest[1], g + j, bytes), memcpy(rest[2], sum + j, bytes);
    activate_block_gradient(rest[0], rest[1], rest[2], activation);
    memcpy(x + j, rest[0], bytes), memcpy(g + j, rest[1], bytes), memcpy(sum + j, rest[2], bytes);
}

/* ---- Forward ---- */

/* Queries, keys and values of a block of rows. */
static void project_block(const Batch *b, const Saved *saved, int64_t block, const float *hidden, const float *const *w) {
    int64_t first = block_begin(b, block), rows = block_begin(b, block + 1) - first, triple = 3 * b->width;
    float *qkv = saved->qkv + first * triple;
    multiply(rows, triple, b->width, matrix(hidden + first * b->width, b->width), matrix(w[QKV_WEIGHT], triple), qkv, triple, 0);
    add_row(qkv, w[QKV_BIAS], rows, triple);
}

/* Everything after attention, of a block of rows. */
static void finish_block(const Batch *b, const Saved *saved, int64_t block, const float *hidden, const float *const *w, Memory *m, float *out) {
    int64_t first = block_begin(b, block), rows = block_begin(b, block + 1) - first, width = b->width, inner = b->inner;
    float *normal1 = saved->normal1 + first * width, *before = saved->before + first * inner, *normal2 = saved->normal2 + first * width;
    multiply(rows, width, width, matrix(saved->context + first * width, width), matrix(w[OUTPUT_WEIGHT], width), normal1, width, 0);
    Norm norm = norm_for(b, w, NORM1_WEIGHT, OUTPUT_BIAS, 1);
    for (int64_t i = 0; i < rows; i++)
        saved->rate1[first + i] = norm_row(&norm, normal1 + i * width, hidden + (first + i) * width, first + i, m->values + i * width);
    multiply(rows, inner, width, matrix(m->values, width), matrix(w[INNER_WEIGHT], inner), before, inner, 0);
    for (int64_t i = 0; i < rows; i++)
        activate_row(before + i * inner, w[INNER_BIAS], m->active + i * inner, inner, (int)b->layer->activation);
    multiply(rows, width, inner, matrix(m->active, inner), matrix(w[FFN_WEIGHT], width), normal2, width, 0);
    norm = norm_for(b, w, NORM2_WEIGHT, FFN_BIAS, 2);
    for (int64_t i = 0; i < rows; i++)
        saved->rate2[first + i] = norm_row(&norm, normal2 + i * width, m->values + i * width, first + i, out + (first + i) * width);
}

/* hidden[rows width] -> out, with the twelve parameters `w` and the memory of `palm_float32_layer_saved`. */
int palm_float32_layer(const Layer *layer, const int64_t *starts, const float *hidden, const float *const *w, char *saved_memory, float *out) {
    Batch b = batch_of(layer, starts, LEAST_FORWARD);
    Saved saved;
    lay_out_saved(&saved, aligned(saved_memory), &b);
    Memory size;
    int64_t each = lay_out_memory(&size, NULL, &b, 0) - (char *)NULL, threads = omp_get_max_threads();
    char *memory = allocate(each * threads);
    if (memory == NULL) return 1;
#pragma omp parallel num_threads(threads)
    {
        int limit = limit_threads(1);
        Memory mine;
        lay_out_memory(&mine, memory + each * omp_get_thread_num(), &b, 0);
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t block = 0; block < b.blocks; block++) project_block(&b, &saved, block, hidden, w);
#pragma omp for collapse(2) schedule(monotonic : dynamic, 1)
        for (int64_t sequence = 0; sequence < layer->sequences; sequence++)
            for (int64_t number = 0; number < layer->heads; number++) {
                Head head = head_of(&b, &saved, sequence, number);
                attend(&b, &head, mine.scores);
            }
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t block = 0; block < b.blocks; block++) finish_block(&b, &saved, block, hidden, w, &mine, out);
        limit_threads(limit);
    }
    free(memory);
    return 0;
}

/* ---- Backward ---- */

/* The gradients on the way, of all rows. Others take the place of what the forward pass saved: that of `before`, and of
 * `qkv`; `normal2` becomes the gradient of the second product's output; `normal1` becomes the input of the first. */
typedef struct {
    float *active, *by_mapped, *by_context; /* [rows inner]; of the output of attention, of the context: [rows width] */
} Gradients;

static void lay_out_gradients(Gradients *g, char **at, const Batch *b) {
    g->active = take(at, sizeof(float) * b->rows * b->inner);
    g->by_mapped = take(at, sizeof(float) * b->rows * b->width);
    g->by_context = take(at, sizeof(float) * b->rows * b->width);
}

/* From the output's gradient to that of the context, in a block of rows; by_hidden (may be NULL) gets the residual's. */
static void finish_block_gradient(const Batch *b, const Saved *saved, int64_t block, const float *gradient, const float *const *w,
                                  Memory *m, const Gradients *g, Sums sums, float *by_hidden) {
    int64_t first = block_begin(b, block), rows = block_begin(b, block + 1) - first, width = b->width, inner = b->inner;
    float *normal1 = saved->normal1 + first * width, *before = saved->before + first * inner, *normal2 = saved->normal2 + first * width;
    float *active = g->active + first * inner, *by_mapped = g->by_mapped + first * width;
    Norm norm = norm_for(b, w, NORM2_WEIGHT, FFN_BIAS, 2);
    for (int64_t i = 0; i < rows; i++) {
        float *normal = normal2 + i * width;
        norm_row_gradient(&norm, gradient + (first + i) * width, normal, saved->rate2[first + i], first + i, m->values + i * width, m->work, sums.norm2);
        memcpy(normal, m->work, sizeof(float) * width);
    }
    multiply(rows, inner, width, matrix(normal2, width), transpose_of(w[FFN_WEIGHT], width), active, inner, 0);
    for (int64_t i = 0; i < rows; i++)
        activate_row_gradient(before + i * inner, active + i * inner, sums.inner_bias, inner, (int)b->layer->activation);
    multiply(rows, width, inner, matrix(before, inner), transpose_of(w[INNER_WEIGHT], inner), m->values, width, 1);
    norm = norm_for(b, w, NORM1_WEIGHT, OUTPUT_BIAS, 1);
    for (int64_t i = 0; i < rows; i++) {
        float *normal = normal1 + i * width, *values = m->values + i * width, *through = by_hidden ? by_hidden + (first + i) * width : values;
        norm_row_gradient(&norm, values, normal, saved->rate1[first + i], first + i, through, by_mapped + i * width, sums.norm1);
#pragma omp simd
        for (int64_t j = 0; j < width; j++) normal[j] = normal[j] * norm.weight[j] + norm.shift[j];
    }
    multiply(rows, width, width, matrix(by_mapped, width), transpose_of(w[OUTPUT_WEIGHT], width), g->by_context + first * width, width, 0);
}

/* From the gradient of queries, keys and values to that of the input, in a block of rows. */
static void project_block_gradient(const Batch *b, const Saved *saved, int64_t block, const float *const *w, Sums sums, float *by_hidden) {
    int64_t first = block_begin(b, block), rows = block_begin(b, block + 1) - first, triple = 3 * b->width;
    const float *by_qkv = saved->qkv + first * triple;
    for (int64_t i = 0; i < rows; i++) add_row(sums.qkv_bias, by_qkv + i * triple, 1, triple);
    if (by_hidden == NULL) return;
    multiply(rows, b->width, triple, matrix(by_qkv, triple), transpose_of(w[QKV_WEIGHT], triple), by_hidden + first * b->width, b->width, 1);
}

/* A weight's gradient, by_weight[inputs outputs] = input^T . by_output; NULL where none is wanted. */
typedef struct {
    const float *input, *by_output;
    int64_t inputs, outputs;
    float *by_weight;
    int64_t down, across; /* blocks */
} WeightGradient;

static WeightGradient weight_gradient(const float *input, const float *by_output, int64_t inputs, int64_t outputs, float *by_weight) {
    int64_t down = (inputs + WEIGHT_BLOCK - 1) / WEIGHT_BLOCK, across = (outputs + WEIGHT_BLOCK - 1) / WEIGHT_BLOCK;
    return (WeightGradient){input, by_output, inputs, outputs, by_weight, by_weight == NULL ? 0 : down, across};
}

static void compute_weight_gradient(const WeightGradient *g, int64_t block, int64_t rows) {
    int64_t row = block / g->across * WEIGHT_BLOCK, column = block % g->across * WEIGHT_BLOCK;
    multiply(least(g->inputs - row, WEIGHT_BLOCK), least(g->outputs - column, WEIGHT_BLOCK), rows, transpose_of(g->input + row, g->inputs),
             matrix(g->by_output + column, g->outputs), g->by_weight + row * g->outputs + column, g->outputs, 0);
}

/* gradient[rows width] of the output -> of the input, `by_hidden`, and of the parameters, `by_w`; any may be NULL. What the
 * forward pass saved is overwritten. */
int palm_float32_layer_gradient(const Layer *layer, const int64_t *starts, const float *hidden, const float *gradient,
                                const float *const *w, char *saved_memory, float *by_hidden, float *const *by_w) {
    Batch b = batch_of(layer, starts, LEAST_BACKWARD);
    Saved saved;
    lay_out_saved(&saved, aligned(saved_memory), &b);
    Memory size;
    Gradients g;
    char *end = NULL;
    lay_out_gradients(&g, &end, &b);
    int64_t each = lay_out_memory(&size, NULL, &b, 1) - (char *)NULL, threads = omp_get_max_threads(), sums = sums_size(&b);
    char *memory = allocate(each * threads + (end - (char *)NULL) + sizeof(float) * b.blocks * sums);
    if (memory == NULL) return 1;
    char *at = memory + each * threads;
    lay_out_gradients(&g, &at, &b);
    float *parts = (float *)at;
    memset(parts, 0, sizeof(float) * b.blocks * sums);
    int64_t width = b.width, inner = b.inner;
    const WeightGradient weights[] = {weight_gradient(hidden, saved.qkv, width, 3 * width, by_w[QKV_WEIGHT]),
                                      weight_gradient(saved.context, g.by_mapped, width, width, by_w[OUTPUT_WEIGHT]),
                                      weight_gradient(saved.normal1, saved.before, width, inner, by_w[INNER_WEIGHT]),
                                      weight_gradient(g.active, saved.normal2, inner, width, by_w[FFN_WEIGHT])};
    int attention = by_hidden != NULL || by_w[QKV_WEIGHT] != NULL || by_w[QKV_BIAS] != NULL;
#pragma omp parallel num_threads(threads)
    {
        int limit = limit_threads(1);
        Memory mine;
        lay_out_memory(&mine, memory + each * omp_get_thread_num(), &b, 1);
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t block = 0; block < b.blocks; block++)
            finish_block_gradient(&b, &saved, block, gradient, w, &mine, &g, sums_of(parts + block * sums, &b), by_hidden);
        if (attention) {
#pragma omp for collapse(2) schedule(monotonic : dynamic, 1)
            for (int64_t sequence = 0; sequence < layer->sequences; sequence++)
                for (int64_t number = 0; number < layer->heads; number++) {
                    Head head = head_of(&b, &saved, sequence, number);
                    attend_gradient(&b, &head, g.by_context + head.first * width + number * b.size, &mine);
                }
#pragma omp for schedule(monotonic : dynamic, 1) nowait
            for (int64_t block = 0; block < b.blocks; block++)
                project_block_gradient(&b, &saved, block, w, sums_of(parts + block * sums, &b), by_hidden);
        }
        for (int i = 0; i < 4; i++) {
#pragma omp for schedule(monotonic : dynamic, 1) nowait
            for (int64_t block = 0; block < weights[i].down * weights[i].across; block++) compute_weight_gradient(&weights[i], block, b.rows);
        }
        limit_threads(limit);
    }
    Sums all = sums_of(parts, &b);
    const struct { float *from; int to; int64_t count; } vectors[] = {
        {all.qkv_bias, QKV_BIAS, 3 * width}, {all.inner_bias, INNER_BIAS, inner}, {all.norm1.weight, NORM1_WEIGHT, width},
        {all.norm1.shift, NORM1_BIAS, width}, {all.norm1.bias, OUTPUT_BIAS, width}, {all.norm2.weight, NORM2_WEIGHT, width},
        {all.norm2.shift, NORM2_BIAS, width}, {all.norm2.bias, FFN_BIAS, width}};
    for (int i = 0; i < 8; i++) add_chunks(vectors[i].from, b.blocks, sums, by_w[vectors[i].to], vectors[i].count);
    free(memory);
    return 0;
}
