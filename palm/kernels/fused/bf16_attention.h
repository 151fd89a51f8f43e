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
    bf16 *query, *key, *value, *context, *gradient; /* [length size]: copies of heads that no block divides */
    bf16 *right_query, *right_key, *right_value, *right_gradient; /* packed */
    bf16 *probabilities, *scores_gradient;          /* blocks of [32 length] */
    bf16 *left, *right_block;                       /* a block; [32 size] */
    float *scores, *by_probability;                 /* [32 length] twice */
    float *query_gradient;                          /* blocks of [length size] */
    float *along;                                   /* [length] */
    uint32_t *seed;                                 /* [length] */
} AttentionMemory;

/* Lays out the memory from `at` on; returns its end. With `at` NULL, the number of bytes. */
static char *lay_out_attention(AttentionMemory *m, char *at, int64_t length, int64_t size) {
    bf16 **matrices[] = {&m->query, &m->key, &m->value, &m->context, &m->gradient,
                         &m->right_query, &m->right_key, &m->right_value, &m->right_gradient};
    for (int i = 0; i < 9; i++, at += sizeof(bf16) * length * size) *matrices[i] = (bf16 *)at;
    m->probabilities = (bf16 *)at, at += sizeof(bf16) * BLOCK * length;
    m->scores_gradient = (bf16 *)at, at += sizeof(bf16) * BLOCK * length;
    m->left = (bf16 *)at, at += sizeof(bf16) * NUMBERS;
    m->right_block = (bf16 *)at, at += sizeof(bf16) * BLOCK * size;
    m->scores = (float *)at, at += sizeof(float) * BLOCK * length;
    m->by_probability = (float *)at, at += sizeof(float) * BLOCK * length;
    m->query_gradient = (float *)at, at += sizeof(float) * length * size;
    m->along = (float *)at, at += sizeof(float) * length;
    m->seed = (uint32_t *)at, at += sizeof(uint32_t) * length;
    return at;
}

/* A head's numbers of all tokens, which are readable in whole blocks. */
typedef struct {
    const bf16 *at;
    int64_t stride;
} Tokens;

/* Tokens of a head as they lie in `from`; a copy in `to`, padded with zeros, where no block divides the head. */
static Tokens tokens_of(const bf16 *from, int64_t stride, const Head *head, bf16 *to) {
    int64_t width = padded(head->size);
    if (width == head->size) return (Tokens){from, stride};
    for (int64_t i = 0; i < head->length; i++) {
        memcpy(to + i * width, from + i * stride, sizeof(bf16) * head->size);
        memset(to + i * width + head->size, 0, sizeof(bf16) * (width - head->size));
    }
    return (Tokens){to, width};
}

/* Rounds the first `rows` rows of a block, times their factors (may be NULL), into columns from `column` on of a head. */
static void store_block(const float *block, int64_t rows, const float *factors, const Head *head, int64_t column, bf16 *to, int64_t stride) {
    int64_t count = head->size - column < BLOCK ? head->size - column : BLOCK;
    for (int64_t i = 0; i < rows; i++) {
        float factor = factors == NULL ? 1.0f : factors[i];
        bf16 row[BLOCK];
        bf16 *own = count == BLOCK ? to + i * stride + column : row;
        for (int j = 0; j < BLOCK; j += 16) store_rounded(own + j, load_floats(block + i * BLOCK + j) * factor);
        if (count < BLOCK) memcpy(to + i * stride + column, row, sizeof(bf16) * count);
    }
}

static inline float largest_of(Floats values) {
    float largest = values[0];
    for (int j = 1; j < 16; j++) largest = values[j] > largest ? values[j] : largest;
    return largest;
}

static inline float total_of(Floats values) {
    float total = 0.0f;
    for (int j = 0; j < 16; j++) total += values[j];
    return total;
}

static const Words COUNT = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* exp(score - largest) of one query's scores, after dropout but not yet divided by their sum, into row `row` of the blocks
 * `to`. Keeps the largest score, in the unit of exp2_of, and 1 / sum. */
static inline void softmax_row(const float *restrict x, const Head *head, int64_t token, int64_t row, bf16 *restrict to) {
    int64_t length = head->length;
    float unit = head->scale * 1.44269504f; /* 1 / ln 2 */
    Floats largest = all_of(-INFINITY), total = {0};
    for (int64_t j = 0; j < length; j += 16) {
        Words inside = below(j, length);
        largest = larger_of((Floats)(((Words)load_floats(x + j) & inside) | ((Words)all_of(-INFINITY) & ~inside)), largest);
    }
    float most = largest_of(largest) * unit;
    Words hash = COUNT * 0x9e3779b9u + (head->drops ? head_seed(head, token) : 0u);
    for (int64_t j = 0; j < padded(length); j += 16, hash += 16u * 0x9e3779b9u) {
        Floats e = where(below(j, length), exp2_of(fused_of(load_floats(x + j), all_of(unit), all_of(-most))));
        total += e;
        if (head->drops) e *= kept_of(head->drop, hash);
        store_rounded(to + j / BLOCK * NUMBERS + row * BLOCK + j % BLOCK, e);
    }
    head->largest[token] = most;
    head->rate[token] = 1.0f / total_of(total);
}

/* context = dropout(softmax(query . key^T * scale)) . value; queries, keys and values have the stride `stride`. They are
 * readable up to a multiple of 32 tokens. */
static void attend(AttentionMemory *m, const Head *head, const bf16 *query, const bf16 *key, const bf16 *value,
                   int64_t stride, bf16 *context, int64_t context_stride) {
    int64_t length = padded(head->length), size = padded(head->size), depth = size / BLOCK;
    Tokens q = tokens_of(query, stride, head, m->query), k = tokens_of(key, stride, head, m->key), v = tokens_of(value, stride, head, m->value);
    pack_right_transposed(k.at, k.stride, head->length, size, m->right_key);
    pack_right(v.at, v.stride, head->length, size, m->right_value);
    for (int64_t first = 0; first < head->length; first += BLOCK) {
        int64_t rows = head->length - first < BLOCK ? head->length - first : BLOCK;
        for (int64_t n = 0; n < length; n += BLOCK)
            multiply_block(row_major(q.at + first * q.stride, q.stride, m->right_key + n * size, depth), m->scores + n, length, 0);
        for (int64_t i = 0; i < rows; i++) softmax_row(m->scores + i * length, head, first + i, i, m->probabilities);
        for (int64_t n = 0; n < size; n += BLOCK) {
            float block[NUMBERS] __attribute__((aligned(64)));
            multiply_block(packed_left(m->probabilities, m->right_value + n * length, length / BLOCK), block, BLOCK, 0);
            store_block(block, rows, head->rate + first, head, n, context + first * context_stride, context_stride);
        }
    }
}

/* One key's row of the transposed scores and of the gradients of the probabilities, [length] each: into row `row` of the
 * blocks `probabilities`, after dropout, and `gradients`, of the scores times their scale. */
static inline void softmax_row_gradient(const float *restrict x, const float *restrict g, const AttentionMemory *m, const Head *head,
                                        uint32_t key, int64_t row, bf16 *restrict probabilities, bf16 *restrict gradients) {
    float unit = head->scale * 1.44269504f;
    for (int64_t i = 0; i < padded(head->length); i += 16) {
        int64_t at = i / BLOCK * NUMBERS + row * BLOCK + i % BLOCK;
        Words inside = below(i, head->length), hash;
        Floats p = exp2_of(fused_of(load_floats(x + i), all_of(unit), -load_floats(head->largest + i))) * load_floats(head->rate + i);
        Floats kept = p, by_probability = load_floats(g + i);
        if (head->drops) {
            memcpy(&hash, m->seed + i, sizeof hash);
            Floats keep = kept_of(head->drop, hash + key * 0x9e3779b9u);
            kept *= keep;
            by_probability *= keep;
        }
        store_rounded(probabilities + at, where(inside, kept));
        store_rounded(gradients + at, where(inside, p * (by_probability - load_floats(m->along + i)) * head->scale));
    }
}

/* along[i] = context[i] . gradient[i], which is the sum of the probabilities times their gradients. */
static void sum_along(AttentionMemory *m, const Head *head, Tokens context, Tokens gradient) {
    for (int64_t i = 0; i < head->length; i++) {
        Floats sum = {0};
        for (int64_t j = 0; j < padded(head->size); j += 16)
            sum += widened(context.at + i * context.stride + j) * widened(gradient.at + i * gradient.stride + j);
        m->along[i] = total_of(sum);
        m->seed[i] = head_seed(head, i);
    }
}

/* The gradients of queries, keys and values (`to`, each `part` numbers apart, with the stride `stride`), from that of
 * the context. All are readable up to a multiple of 32 tokens. */
static void attend_gradient(AttentionMemory *m, const Head *head, const bf16 *qkv, int64_t part, int64_t stride,
                            const bf16 *context, const bf16 *gradient, int64_t context_stride, bf16 *to) {
    int64_t length = padded(head->length), size = padded(head->size), depth = length / BLOCK;
    Tokens q = tokens_of(qkv, stride, head, m->query), k = tokens_of(qkv + part, stride, head, m->key);
    Tokens v = tokens_of(qkv + 2 * part, stride, head, m->value), g = tokens_of(gradient, context_stride, head, m->gradient);
    sum_along(m, head, tokens_of(context, context_stride, head, m->context), g);
    pack_right_transposed(q.at, q.stride, head->length, size, m->right_key);   /* of the scores */
    pack_right_transposed(g.at, g.stride, head->length, size, m->right_value); /* of the gradients of the probabilities */
    pack_right(q.at, q.stride, head->length, size, m->right_query);
    pack_right(g.at, g.stride, head->length, size, m->right_gradient);
    float block[NUMBERS] __attribute__((aligned(64)));
    for (int64_t first = 0; first < head->length; first += BLOCK) {
        int64_t rows = head->length - first < BLOCK ? head->length - first : BLOCK;
        for (int64_t n = 0; n < length; n += BLOCK) {
            multiply_block(row_major(k.at + first * k.stride, k.stride, m->right_key + n * size, size / BLOCK), m->scores + n, length, 0);
            multiply_block(row_major(v.at + first * v.stride, v.stride, m->right_value + n * size, size / BLOCK), m->by_probability + n, length, 0);
        }
        for (int64_t j = 0; j < rows; j++)
            softmax_row_gradient(m->scores + j * length, m->by_probability + j * length, m, head, (uint32_t)(first + j), j, m->probabilities, m->scores_gradient);
        for (int64_t n = 0; n < size; n += BLOCK) {
            multiply_block(packed_left(m->probabilities, m->right_gradient + n * length, depth), block, BLOCK, 0);
            store_block(block, rows, NULL, head, n, to + 2 * part + first * stride, stride);
            multiply_block(packed_left(m->scores_gradient, m->right_query + n * length, depth), block, BLOCK, 0);
            store_block(block, rows, NULL, head, n, to + part + first * stride, stride);
        }
        pack_right(k.at + first * k.stride, k.stride, rows, size, m->right_block);
        for (int64_t i = 0; i < length; i += BLOCK) {
            left_block_transposed(m->scores_gradient + i * BLOCK, BLOCK, rows, m->left);
            for (int64_t n = 0; n < size; n += BLOCK)
                multiply_block(packed_left(m->left, m->right_block + n * BLOCK, 1), m->query_gradient + i * size + n * BLOCK, BLOCK, first > 0);
        }
    }
    for (int64_t i = 0; i < head->length; i += BLOCK)
        for (int64_t n = 0; n < size; n += BLOCK)
            store_block(m->query_gradient + i * size + n * BLOCK, head->length - i < BLOCK ? head->length - i : BLOCK, NULL, head, n, to + i * stride, stride);
}

#endif
