/* Attention of a decoder: to the tokens before, or to the tokens of another sequence (arXiv:1706.03762): float32.
 * Keys that a causal query does not see are not multiplied.
 *
 * Functions return 0, or 1 if memory could not be allocated.
 */
#include "attention_block.h"

/* Arguments of both directions, as palm/kernels/fused/decoder.py lays them out. */
typedef struct {
    int64_t batch, heads, size, queries, keys;
    int64_t causal;      /* query i sees the keys up to i */
    int64_t rows_before; /* as `first` of layer_plan.h */
    float dropout;
    uint32_t seed;
    const float *mask; /* added to the scores of each key, [batch keys]; NULL: nothing is */
    Sgemm *multiply;
    LimitThreads *limit_threads;
} Decoder;

/* One head of one sequence: where its first values are, and the columns of a row of them. */
typedef struct {
    const Decoder *of;
    const float *query, *key, *value, *mask;
    int64_t first, head, width, stride; /* first row of the queries; number of the head; columns of queries, of keys */
    float scale;
    Dropout drop;
    float *scores, *shares; /* [QUERIES keys] each */
} Head;

static Head head_of(const Decoder *d, int64_t number, const float *query, const float *key_value, float *memory) {
    int64_t sequence = number / d->heads, head = number % d->heads, width = d->heads * d->size;
    const float *key = key_value + sequence * d->keys * 2 * width + head * d->size;
    return (Head){d, query + sequence * d->queries * width + head * d->size, key, key + width,
                  d->mask == NULL ? NULL : d->mask + sequence * d->keys, sequence * d->queries, head, width, 2 * width,
                  1.0f / sqrtf((float)d->size), dropout_of(d->dropout, d->seed, d->rows_before * d->heads),
                  memory, memory + QUERIES * d->keys};
}

static int64_t least(int64_t one, int64_t other) { return one < other ? one : other; }

/* Keys that the queries before `end` see. */
static int64_t keys_until(const Decoder *d, int64_t end) { return d->causal ? least(end, d->keys) : d->keys; }

/* The scores of `queries` queries from `query` on, [queries keys], with the mask. */
static void score(const Head *h, int64_t query, int64_t queries, int64_t keys) {
    const Decoder *d = h->of;
    d->multiply(ROW_MAJOR, AS_IS, TRANSPOSED, (int)queries, (int)keys, (int)d->size, h->scale, h->query + query * h->width, (int)h->width,
                h->key, (int)h->stride, 0.0f, h->scores, (int)keys);
    if (h->mask == NULL) return;
    for (int64_t i = 0; i < queries; i++) {
        float *restrict x = h->scores + i * keys;
#pragma omp simd
        for (int64_t j = 0; j < keys; j++) x[j] += h->mask[j];
    }
}

static uint32_t seed_of_row(const Head *h, int64_t row) {
    return h->of->dropout > 0.0f ? row_seed(h->drop, row) : 0;
}

static void attend_head(const Head *h, float *context, float *level) {
    const Decoder *d = h->of;
    for (int64_t query = 0; query < d->queries; query += QUERIES) {
        int64_t queries = least(QUERIES, d->queries - query), keys = keys_until(d, query + queries);
        score(h, query, queries, keys);
        for (int64_t i = 0; i < queries; i++) {
            int64_t row = (h->first + query + i) * d->heads + h->head;
            level[row] = softmax(h->scores + i * keys, 0, keys_until(d, query + i + 1), keys, h->drop, seed_of_row(h, row), 0, d->dropout > 0.0f);
        }
        d->multiply(ROW_MAJOR, AS_IS, AS_IS, (int)queries, (int)d->size, (int)keys, 1.0f, h->scores, (int)keys, h->value, (int)h->stride,
                    0.0f, context + (h->first + query) * h->width + h->head * d->size, (int)h->width);
    }
}

static void clear(float *values, int64_t rows, int64_t size, int64_t stride) {
    for (int64_t i = 0; i < rows; i++) memset(values + i * stride, 0, sizeof(float) * size);
}

/* `above`, `below`: the gradient of the context, and the context; `to_query`, `to_key`: what is asked for. All from the
 * head's first value on. */
static void attend_head_gradient(const Head *h, const float *level, const float *above, const float *below, float *to_query, float *to_key) {
    const Decoder *d = h->of;
    int64_t size = d->size, width = h->width, stride = h->stride;
    float *to_value = to_key + width;
    clear(to_key, d->keys, size, stride);
    clear(to_value, d->keys, size, stride);
    for (int64_t query = 0; query < d->queries; query += QUERIES) {
        int64_t queries = least(QUERIES, d->queries - query), keys = keys_until(d, query + queries), at = query * width;
        score(h, query, queries, keys);
        d->multiply(ROW_MAJOR, AS_IS, TRANSPOSED, (int)queries, (int)keys, (int)size, 1.0f, above + at, (int)width, h->value, (int)stride,
                    0.0f, h->shares, (int)keys);
        for (int64_t i = 0; i < queries; i++) {
            int64_t row = (h->first + query + i) * d->heads + h->head;
            float along = dot(above + at + i * width, below + at + i * width, size);
            softmax_gradient(h->scores + i * keys, h->shares + i * keys, 0, keys_until(d, query + i + 1), keys, level[row], along, h->drop,
                             seed_of_row(h, row), 0, d->dropout > 0.0f);
        }
        d->multiply(ROW_MAJOR, TRANSPOSED, AS_IS, (int)keys, (int)size, (int)queries, 1.0f, h->scores, (int)keys, above + at, (int)width,
                    1.0f, to_value, (int)stride);
        d->multiply(ROW_MAJOR, TRANSPOSED, AS_IS, (int)keys, (int)size, (int)queries, h->scale, h->shares, (int)keys,
                    h->query + at, (int)width, 1.0f, to_key, (int)stride);
        d->multiply(ROW_MAJOR, AS_IS, AS_IS, (int)queries, (int)size, (int)keys, h->scale, h->shares, (int)keys, h->key, (int)stride, 0.0f,
                    to_query + at, (int)width);
    }
}

/* The tensors of both directions, from which a head takes its part. */
typedef struct {
    const Decoder *of;
    const float *query, *key_value;
    float *context, *level; /* written forward, read backward */
    const float *gradient;
    float *to_query, *to_key_value;
} Pass;

static void attend_number(const void *arguments, int64_t number, float *memory) {
    const Pass *p = arguments;
    Head head = head_of(p->of, number, p->query, p->key_value, memory);
    attend_head(&head, p->context, p->level);
}

static void attend_number_gradient(const void *arguments, int64_t number, float *memory) {
    const Pass *p = arguments;
    Head head = head_of(p->of, number, p->query, p->key_value, memory);
    int64_t of_query = head.query - p->query, of_key = head.key - p->key_value;
    attend_head_gradient(&head, p->level, p->gradient + of_query, p->context + of_query, p->to_query + of_query, p->to_key_value + of_key);
}

static int for_each_head_of(const Pass *pass, HeadWork *work) {
    const Decoder *d = pass->of;
    return for_each_head(d->batch * d->heads, 2 * QUERIES * d->keys, d->limit_threads, work, pass);
}

/* context[batch*queries heads*size] of query, of the same shape, and key_value[batch*keys 2*heads*size], keys and values
 * side by side; level[batch*queries heads] is kept for the gradient. */
int palm_decoder_attention(const Decoder *d, const float *query, const float *key_value, float *context, float *level) {
    return for_each_head_of(&(Pass){d, query, key_value, context, level, NULL, NULL, NULL}, attend_number);
}

/* The gradients of query and key_value from that of the context. */
int palm_decoder_attention_gradient(const Decoder *d, const float *query, const float *key_value, float *context, float *level,
                                    const float *gradient, float *to_query, float *to_key_value) {
    return for_each_head_of(&(Pass){d, query, key_value, context, level, gradient, to_query, to_key_value}, attend_number_gradient);
}
