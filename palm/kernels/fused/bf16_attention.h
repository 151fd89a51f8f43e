/* Scaled dot-product attention (arXiv:1706.03762) of one head over one sequence, in blocks of 32 queries or keys.
 *
 * The probabilities are never stored: the forward pass keeps the largest score and 1/sum of each query's softmax, from
 * which the backward pass recomputes them (arXiv:2205.14135).
 */
#ifndef PALM_BF16_ATTENTION_H
#define PALM_BF16_ATTENTION_H

#include "bf16_tiles.h"

/* One head of one sequence in matrices with `stride` numbers between tokens. */
typedef struct {
    int64_t length, size;    /* tokens; numbers of a head */
    float scale;             /* of the scores: 1 / sqrt(size) */
    float *largest, *rate;   /* [length]: the largest score, 1 / sum of exp */
    Dropout drop;            /* of the probabilities */
    int drops;               /* whether there is any */
    int64_t first_row, rows; /* dropout's row of token i: (first_row + i) * rows + row */
    int64_t row;
} Head;

static inline uint32_t head_seed(const Head *head, int64_t token) {
    return row_seed(head->drop, (head->first_row + token) * head->rows + head->row);
}

/* Memory of one thread, for sequences of up to `length` tokens (padded) and heads of `size` numbers (padded). */
typedef struct {
    bf16 *query, *key, *value, *context, *gradient; /* [length size] */
    bf16 *right_query, *right_key, *right_value, *right_gradient; /* packed */
    bf16 *probabilities, *scores_gradient, *left;   /* [32 length] */
    bf16 *right_block;                              /* [32 size] */
    float *scores, *by_probability, *out;           /* [32 length] twice, [32 size] */
    float *query_gradient;                          /* [length size] */
    float *along;                                   /* [length] */
    uint32_t *seed;                                 /* [length] */
} AttentionMemory;

/* Lays out the memory from `at` on; returns its end. With `at` NULL, the number of bytes. */
static char *lay_out_attention(AttentionMemory *m, char *at, int64_t length, int64_t size) {
    bf16 **matrices[] = {&m->query, &m->key, &m->value, &m->context, &m->gradient,
                         &m->right_query, &m->right_key, &m->right_value, &m->right_gradient};
    for (int i = 0; i < 9; i++, at += sizeof(bf16) * length * size) *matrices[i] = (bf16 *)at;
    bf16 **blocks[] = {&m->probabilities, &m->scores_gradient, &m->left};
    for (int i = 0; i < 3; i++, at += sizeof(bf16) * BLOCK * length) *blocks[i] = (bf16 *)at;
    m->right_block = (bf16 *)at, at += sizeof(bf16) * BLOCK * size;
    m->scores = (float *)at, at += sizeof(float) * BLOCK * length;
    m->by_probability = (float *)at, at += sizeof(float) * BLOCK * length;
    m->out = (float *)at, at += sizeof(float) * BLOCK * size;
    m->query_gradient = (float *)at, at += sizeof(float) * length * size;
    m->along = (float *)at, at += sizeof(float) * length;
    m->seed = (uint32_t *)at, at += sizeof(uint32_t) * length;
    return at;
}

/* to[padded(length) padded(size)] = a head's numbers, and zeros. */
static void copy_head(const bf16 *from, int64_t stride, const Head *head, bf16 *to) {
    int64_t width = padded(head->size);
    for (int64_t i = 0; i < head->length; i++) {
        memcpy(to + i * width, from + i * stride, sizeof(bf16) * head->size);
        memset(to + i * width + head->size, 0, sizeof(bf16) * (width - head->size));
    }
    memset(to + head->length * width, 0, sizeof(bf16) * (padded(head->length) - head->length) * width);
}

/* Rounds [rows padded(size)] into a head's columns of a matrix. */
static void store_head(const float *from, int64_t rows, const Head *head, bf16 *to, int64_t stride) {
    int64_t width = padded(head->size), whole = head->size / 16 * 16;
    for (int64_t i = 0; i < rows; i++) {
        round_row(to + i * stride, from + i * width, whole, whole);
        if (whole < head->size) {
            bf16 rest[16];
            store_rounded(rest, load_floats(from + i * width + whole));
            memcpy(to + i * stride + whole, rest, sizeof(bf16) * (head->size - whole));
        }
    }
}

/* Softmax of one query's scores, in place, with dropout. */
static inline void softmax_row(float *restrict x, const Head *head, int64_t token) {
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

/* context = dropout(softmax(query . key^T * scale)) . value; queries, keys and values have the stride `stride`. */
static void attend(AttentionMemory *m, const Head *head, const bf16 *query, const bf16 *key, const bf16 *value,
                   int64_t stride, bf16 *context, int64_t context_stride) {
    int64_t length = padded(head->length), size = padded(head->size);
    copy_head(query, stride, head, m->query);
    copy_head(key, stride, head, m->key);
    copy_head(value, stride, head, m->value);
    pack_right_transposed(m->key, size, length, size, m->right_key);
    pack_right(m->value, size, length, size, m->right_value);
    for (int64_t first = 0; first < head->length; first += BLOCK) {
        int64_t rows = head->length - first < BLOCK ? head->length - first : BLOCK;
        for (int64_t n = 0; n < length; n += BLOCK)
            multiply_block(row_major(m->query + first * size, size, m->right_key + n * size, size / BLOCK), m->scores + n, length, 0);
        for (int64_t i = 0; i < rows; i++) {
            softmax_row(m->scores + i * length, head, first + i);
            round_row(m->probabilities + i * length, m->scores + i * length, head->length, length);
        }
        for (int64_t n = 0; n < size; n += BLOCK)
            multiply_block(row_major(m->probabilities, length, m->right_value + n * length, length / BLOCK), m->out + n, size, 0);
        store_head(m->out, rows, head, context + first * context_stride, context_stride);
    }
}

/* One key's row of the transposed scores and of the gradients of the probabilities, [length] each: turned into the
 * probabilities after dropout, and the gradient of the scores times their scale. */
static inline void softmax_row_gradient(float *restrict x, float *restrict g, const AttentionMemory *m, const Head *head,
                                        uint32_t key) {
    const float *restrict largest = head->largest, *restrict rate = head->rate, *restrict along = m->along;
    const uint32_t *restrict seed = m->seed;
    float scale = head->scale;
    Dropout drop = head->drop;
    if (head->drops) {
#pragma omp simd
        for (int64_t i = 0; i < head->length; i++) {
            float p = exp_of(x[i] * scale - largest[i]) * rate[i], keep = kept(drop, seed[i], key);
            x[i] = p * keep;
            g[i] = p * (keep * g[i] - along[i]) * scale;
        }
    } else {
#pragma omp simd
        for (int64_t i = 0; i < head->length; i++) {
            float p = exp_of(x[i] * scale - largest[i]) * rate[i];
            x[i] = p;
            g[i] = p * (g[i] - along[i]) * scale;
        }
    }
}

/* along[i] = context[i] . gradient[i], which is the sum of the probabilities times their gradients. */
static void sum_along(AttentionMemory *m, const Head *head) {
    int64_t size = padded(head->size);
    for (int64_t i = 0; i < head->length; i++) {
        Floats sum = {0};
        for (int64_t j = 0; j < size; j += 16) sum += widened(m->context + i * size + j) * widened(m->gradient + i * size + j);
        float total = 0.0f;
        for (int j = 0; j < 16; j++) total += sum[j];
        m->along[i] = total;
        m->seed[i] = head_seed(head, i);
    }
}

/* The gradients of queries, keys and values (`to`, each `part` numbers apart, with the stride `stride`), from that of
 * the context. */
static void attend_gradient(AttentionMemory *m, const Head *head, const bf16 *qkv, int64_t part, int64_t stride,
                            const bf16 *context, const bf16 *gradient, int64_t context_stride, bf16 *to) {
    int64_t length = padded(head->length), size = padded(head->size), depth = length / BLOCK;
    copy_head(qkv, stride, head, m->query);
    copy_head(qkv + part, stride, head, m->key);
    copy_head(qkv + 2 * part, stride, head, m->value);
    copy_head(context, context_stride, head, m->context);
    copy_head(gradient, context_stride, head, m->gradient);
    sum_along(m, head);
    pack_right_transposed(m->query, size, length, size, m->right_key);      /* of the scores */
    pack_right_transposed(m->gradient, size, length, size, m->right_value); /* of the gradients of the probabilities */
    pack_right(m->query, size, length, size, m->right_query);
    pack_right(m->gradient, size, length, size, m->right_gradient);
    for (int64_t first = 0; first < head->length; first += BLOCK) {
        int64_t rows = head->length - first < BLOCK ? head->length - first : BLOCK;
        for (int64_t n = 0; n < length; n += BLOCK) {
            multiply_block(row_major(m->key + first * size, size, m->right_key + n * size, size / BLOCK), m->scores + n, length, 0);
            multiply_block(row_major(m->value + first * size, size, m->right_value + n * size, size / BLOCK), m->by_probability + n, length, 0);
        }
        for (int64_t j = 0; j < rows; j++) {
            float *x = m->scores + j * length, *g = m->by_probability + j * length;
            softmax_row_gradient(x, g, m, head, (uint32_t)(first + j));
            round_row(m->probabilities + j * length, x, head->length, length);
            round_row(m->scores_gradient + j * length, g, head->length, length);
        }
        memset(m->scores_gradient + rows * length, 0, sizeof(bf16) * (BLOCK - rows) * length);
        for (int64_t n = 0; n < size; n += BLOCK)
            multiply_block(row_major(m->probabilities, length, m->right_gradient + n * length, depth), m->out + n, size, 0);
        store_head(m->out, rows, head, to + 2 * part + first * stride, stride);
        for (int64_t n = 0; n < size; n += BLOCK)
            multiply_block(row_major(m->scores_gradient, length, m->right_query + n * length, depth), m->out + n, size, 0);
        store_head(m->out, rows, head, to + part + first * stride, stride);
        pack_left_transposed(m->scores_gradient, length, BLOCK, length, m->left);
        pack_right(m->key + first * size, size, BLOCK, size, m->right_block);
        for (int64_t i = 0; i < length; i += BLOCK)
            for (int64_t n = 0; n < size; n += BLOCK)
                multiply_block(packed_left(m->left + i * BLOCK, m->right_block + n * BLOCK, 1), m->query_gradient + i * size + n, size, first > 0);
    }
    store_head(m->query_gradient, head->length, head, to, stride);
}

#endif
