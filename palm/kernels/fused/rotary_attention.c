/* Self-attention of packed rows with rotary position embeddings (arXiv:2104.09864), over a whole sequence or a window
 * around each token, and the gate of a feed-forward part (arXiv:2002.05202): float32.
 *
 * Functions return 0, or 1 if memory could not be allocated.
 */
#include "attention_block.h"

/* Arguments of both directions, as palm/kernels/fused/rotary.py lays them out. */
typedef struct {
    int64_t sequences, heads, size, window; /* window < 0: the whole sequence */
    int64_t rows_before;                    /* as `first` of layer_plan.h */
    float dropout;
    uint32_t seed;
    const int64_t *starts;      /* sequence b is rows starts[b] to starts[b + 1] */
    const float *cosine, *sine; /* [longest size] */
    Sgemm *multiply;
    LimitThreads *limit_threads;
} Rotary;

/* One head of one sequence, and the memory of its thread. */
typedef struct {
    const Rotary *of;
    int64_t first, length, head, stride; /* first row; tokens; number; columns of qkv */
    float *query, *key, *scores, *shares; /* [length size] twice, [QUERIES length] twice */
    float *query_gradient, *key_gradient, *value_gradient; /* [length size] thrice */
} Work;

static int64_t memory_size(int64_t length, int64_t size) { return length * (5 * size + 2 * QUERIES); }

static Work work_of(const Rotary *r, int64_t number, float *memory) {
    int64_t b = number / r->heads, length = r->starts[b + 1] - r->starts[b], matrix = length * r->size;
    float *scores = memory + 2 * matrix, *gradients = scores + 2 * QUERIES * length;
    return (Work){r, r->starts[b], length, number % r->heads, 3 * r->heads * r->size, memory, memory + matrix,
                  scores, scores + QUERIES * length, gradients, gradients + matrix, gradients + 2 * matrix};
}

static int64_t longest(const Rotary *r) {
    int64_t found = 0;
    for (int64_t b = 0; b < r->sequences; b++) {
        int64_t length = r->starts[b + 1] - r->starts[b];
        found = length > found ? length : found;
    }
    return found;
}

/* to = scale * from, each pair of coordinates j and j + size / 2 turned by the angle of its row's position (turn = 1),
 * or back (turn = -1). */
static void rotate(const Work *w, const float *from, int64_t from_stride, float *to, int64_t to_stride, float scale, float turn) {
    int64_t size = w->of->size, half = size / 2;
    for (int64_t i = 0; i < w->length; i++) {
        const float *restrict x = from + i * from_stride, *restrict c = w->of->cosine + i * size, *restrict s = w->of->sine + i * size;
        float *restrict y = to + i * to_stride;
#pragma omp simd
        for (int64_t j = 0; j < half; j++) {
            float one = x[j], other = x[j + half];
            y[j] = (one * c[j] - other * (turn * s[j])) * scale;
            y[j + half] = (other * c[j + half] + one * (turn * s[j + half])) * scale;
        }
    }
}

static void rotate_both(const Work *w, const float *qkv) {
    int64_t size = w->of->size;
    const float *query = qkv + w->first * w->stride + w->head * size;
    rotate(w, query, w->stride, w->query, size, 1.0f / sqrtf((float)size), 1.0f);
    rotate(w, query + w->of->heads * size, w->stride, w->key, size, 1.0f, 1.0f);
}

/* A block of queries and the keys that they see. */
typedef struct {
    int64_t query, queries, key, keys;
} Block;

static Block block_at(const Work *w, int64_t query) {
    int64_t queries = w->length - query < QUERIES ? w->length - query : QUERIES, window = w->of->window;
    if (window < 0) return (Block){query, queries, 0, w->length};
    int64_t key = query > window ? query - window : 0, end = query + queries + window;
    return (Block){query, queries, key, (end < w->length ? end : w->length) - key};
}

/* The keys of the block that query `i` of it sees: *begin to *end. */
static void seen(const Work *w, Block block, int64_t i, int64_t *begin, int64_t *end) {
    int64_t window = w->of->window, at = block.query + i - block.key;
    *begin = window < 0 || at < window ? 0 : at - window;
    *end = window < 0 || at + window + 1 > block.keys ? block.keys : at + window + 1;
}

static uint32_t seed_of(const Work *w, Dropout drop, int64_t token) {
    return row_seed(drop, (w->first + token) * w->of->heads + w->head);
}

static void attend(const Work *w, const float *qkv, float *context, float *level) {
    const Rotary *r = w->of;
    int64_t size = r->size, width = r->heads * size;
    int drops = r->dropout > 0.0f;
    Dropout drop = dropout_of(r->dropout, r->seed, r->rows_before * r->heads);
    const float *value = qkv + w->first * w->stride + 2 * width + w->head * size;
    rotate_both(w, qkv);
    for (int64_t query = 0; query < w->length; query += QUERIES) {
        Block b = block_at(w, query);
        r->multiply(ROW_MAJOR, AS_IS, TRANSPOSED, (int)b.queries, (int)b.keys, (int)size, 1.0f, w->query + query * size, (int)size,
                    w->key + b.key * size, (int)size, 0.0f, w->scores, (int)b.keys);
        for (int64_t i = 0; i < b.queries; i++) {
            int64_t begin, end, token = query + i;
            seen(w, b, i, &begin, &end);
            level[(w->first + token) * r->heads + w->head] =
                softmax(w->scores + i * b.keys, begin, end, b.keys, drop, drops ? seed_of(w, drop, token) : 0, b.key, drops);
        }
        r->multiply(ROW_MAJOR, AS_IS, AS_IS, (int)b.queries, (int)size, (int)b.keys, 1.0f, w->scores, (int)b.keys,
                    value + b.key * w->stride, (int)w->stride, 0.0f, context + (w->first + query) * width + w->head * size, (int)width);
    }
}

static void attend_gradient(const Work *w, const float *qkv, const float *context, const float *level, const float *gradient, float *to) {
    const Rotary *r = w->of;
    int64_t size = r->size, width = r->heads * size, column = w->head * size;
    int drops = r->dropout > 0.0f;
    Dropout drop = dropout_of(r->dropout, r->seed, r->rows_before * r->heads);
    const float *value = qkv + w->first * w->stride + 2 * width + column;
    rotate_both(w, qkv);
    memset(w->key_gradient, 0, sizeof(float) * w->length * size);
    memset(w->value_gradient, 0, sizeof(float) * w->length * size);
    for (int64_t query = 0; query < w->length; query += QUERIES) {
        Block b = block_at(w, query);
        const float *above = gradient + (w->first + query) * width + column, *below = context + (w->first + query) * width + column;
        r->multiply(ROW_MAJOR, AS_IS, TRANSPOSED, (int)b.queries, (int)b.keys, (int)size, 1.0f, w->query + query * size, (int)size,
                    w->key + b.key * size, (int)size, 0.0f, w->scores, (int)b.keys);
        r->multiply(ROW_MAJOR, AS_IS, TRANSPOSED, (int)b.queries, (int)b.keys, (int)size, 1.0f, above, (int)width,
                    value + b.key * w->stride, (int)w->stride, 0.0f, w->shares, (int)b.keys);
        for (int64_t i = 0; i < b.queries; i++) {
            int64_t begin, end, token = query + i;
            float along = dot(above + i * width, below + i * width, size);
            seen(w, b, i, &begin, &end);
            softmax_gradient(w->scores + i * b.keys, w->shares + i * b.keys, begin, end, b.keys,
                             level[(w->first + token) * r->heads + w->head], along, drop, drops ? seed_of(w, drop, token) : 0, b.key, drops);
        }
        r->multiply(ROW_MAJOR, TRANSPOSED, AS_IS, (int)b.keys, (int)size, (int)b.queries, 1.0f, w->scores, (int)b.keys,
                    above, (int)width, 1.0f, w->value_gradient + b.key * size, (int)size);
        r->multiply(ROW_MAJOR, TRANSPOSED, AS_IS, (int)b.keys, (int)size, (int)b.queries, 1.0f, w->shares, (int)b.keys,
                    w->query + query * size, (int)size, 1.0f, w->key_gradient + b.key * size, (int)size);
        r->multiply(ROW_MAJOR, AS_IS, AS_IS, (int)b.queries, (int)size, (int)b.keys, 1.0f, w->shares, (int)b.keys,
                    w->key + b.key * size, (int)size, 0.0f, w->query_gradient + query * size, (int)size);
    }
    float *out = to + w->first * w->stride + column;
    rotate(w, w->query_gradient, size, out, w->stride, 1.0f / sqrtf((float)size), -1.0f);
    rotate(w, w->key_gradient, size, out + width, w->stride, 1.0f, -1.0f);
    for (int64_t i = 0; i < w->length; i++) memcpy(out + 2 * width + i * w->stride, w->value_gradient + i * size, sizeof(float) * size);
}

/* The tensors of both directions, from which a head takes its part. */
typedef struct {
    const Rotary *of;
    const float *qkv;
    float *context, *level; /* written forward, read backward */
    const float *gradient;
    float *to;
} Pass;

static void attend_number(const void *arguments, int64_t number, float *memory) {
    const Pass *p = arguments;
    Work work = work_of(p->of, number, memory);
    attend(&work, p->qkv, p->context, p->level);
}

static void attend_number_gradient(const void *arguments, int64_t number, float *memory) {
    const Pass *p = arguments;
    Work work = work_of(p->of, number, memory);
    attend_gradient(&work, p->qkv, p->context, p->level, p->gradient, p->to);
}

static int for_each_head_of(const Pass *pass, HeadWork *work) {
    const Rotary *r = pass->of;
    return for_each_head(r->sequences * r->heads, memory_size(longest(r), r->size), r->limit_threads, work, pass);
}

/* context[rows heads*size] of qkv[rows 3*heads*size]; level[rows heads] is kept for the gradient. */
int palm_rotary_attention(const Rotary *r, const float *qkv, float *context, float *level) {
    return for_each_head_of(&(Pass){r, qkv, context, level, NULL, NULL}, attend_number);
}

/* The gradient of qkv, `to`, from that of the context. */
int palm_rotary_attention_gradient(const Rotary *r, const float *qkv, float *context, float *level, const float *gradient, float *to) {
    return for_each_head_of(&(Pass){r, qkv, context, level, gradient, to}, attend_number_gradient);
}

/* ---- The gated feed-forward part ---- */

/* to[rows inner] = gelu(both[rows 0:inner]) * both[rows inner:2*inner] */
void palm_gated(const float *restrict both, float *restrict to, int64_t rows, int64_t inner) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++) {
        const float *restrict x = both + 2 * i * inner, *restrict gate = x + inner;
        float *restrict y = to + i * inner;
#pragma omp simd
        for (int64_t j = 0; j < inner; j++) {
            float distribution, density;
            normal_of(x[j], &distribution, &density);
            y[j] = x[j] * distribution * gate[j];
        }
    }
}

/* The gradient of both[rows 2*inner], from gradient[rows inner]. */
void palm_gated_gradient(const float *restrict both, const float *restrict gradient, float *restrict to, int64_t rows, int64_t inner) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++) {
        const float *restrict x = both + 2 * i * inner, *restrict gate = x + inner, *restrict g = gradient + i * inner;
        float *restrict by_x = to + 2 * i * inner, *restrict by_gate = by_x + inner;
#pragma omp simd
        for (int64_t j = 0; j < inner; j++) {
            float distribution, density;
            normal_of(x[j], &distribution, &density);
            by_x[j] = g[j] * gate[j] * (distribution + x[j] * density);
            by_gate[j] = g[j] * x[j] * distribution;
        }
    }
}
