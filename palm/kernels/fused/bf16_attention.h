/* Scaled dot-product attention (arXiv:1706.03762) of one head over one sequence, in blocks of 32 queries or keys.
 *
 * The probabilities are never stored: the forward pass keeps the largest score and 1/sum of each query's softmax, from
 * which the backward pass recomputes them (arXiv:2205.14135).
 */
#ifndef PALM_BF16_ATTENTION_H
#define PALM_BF16_ATTENTION_H

#include "bf16_tiles.h"

/* One head of one sequence. */
typedef struct {
    int64_t length, size;    /* tokens; numbers of a head */
    float scale;             /* of the scores: 1 / sqrt(size) */
    float *largest, *rate;   /* [length]: the largest score, 1 / sum of exp */
    Dropout drop;            /* of the probabilities */
    int drops;               /* whether there is any */
    int64_t first_row, rows; /* dropout's row of token i: (first_row + i) * rows + row */
    int64_t row;
} Head;

/* Where a head's numbers lie in a matrix: those of its first token from `column` of row `row` on. */
typedef struct {
    Slabs matrix;
    int64_t row, column;
} Place;

/* Memory of one thread, for sequences of up to `length` tokens (padded) and heads of `size` numbers (padded). */
typedef struct {
    bf16 *query, *key, *value, *context, *gradient;                          /* [length size]: copies of heads that no block divides */
    bf16 *right_query, *right_key, *right_value, *right_gradient;            /* packed */
    bf16 *probabilities, *scores_gradient, *by_query;                        /* [32 length] twice, [length length]: in blocks */
    float *scores;                                    /* [32 length] in blocks; backward: two blocks */
    float *along;                                     /* [length] */
    uint32_t *seed;                                   /* [length] */
} AttentionMemory;

/* Lays out the memory from `at` on; returns its end. With `at` NULL, the number of bytes. Without `backward`, leaves out what
 * only `attend_gradient` uses. */
static char *lay_out_attention(AttentionMemory *m, char *at, int64_t length, int64_t size, int backward) {
    bf16 **matrices[] = {&m->query, &m->key, &m->value, &m->right_key, &m->right_value,
                         &m->context, &m->gradient, &m->right_query, &m->right_gradient};
    for (int i = 0; i < (backward ? 9 : 5); i++, at += sizeof(bf16) * length * size) *matrices[i] = (bf16 *)at;
    m->probabilities = (bf16 *)at, at += sizeof(bf16) * BLOCK * length;
    m->seed = (uint32_t *)at, at += sizeof(uint32_t) * length;
    m->scores = (float *)at, at += sizeof(float) * BLOCK * (backward ? 2 * BLOCK : length);
    if (!backward) return at;
    m->scores_gradient = (bf16 *)at, at += sizeof(bf16) * BLOCK * length;
    m->by_query = (bf16 *)at, at += sizeof(bf16) * length * length;
    m->along = (float *)at, at += sizeof(float) * length;
    return at;
}

/* A head's numbers, in slabs from its first token on, which are readable in whole blocks: where they lie, or a copy in `to`,
 * padded with zeros, where no block divides the head. */
static Slabs tokens_of(Place from, int64_t columns_on, const Head *head, bf16 *to) {
    int64_t width = padded(head->size), column = from.column + columns_on;
    if (width == head->size) return (Slabs){place_in(from.matrix, from.row, column), from.matrix.step};
    Slabs copy = {to, padded(head->length) * BLOCK};
    memset(to, 0, sizeof(bf16) * padded(head->length) * width);
    for (int64_t i = 0; i < head->length; i++) copy_numbers(from.matrix, from.row + i, column, copy, i, 0, head->size);
    return copy;
}

/* The numbers of all tokens as a right operand: zeros behind the last one. */
static void pack_tokens(Slabs from, const Head *head, bf16 *to) {
    for (int64_t n = 0; n < head->size; n += BLOCK)
        for (int64_t k = 0; k < head->length; k += BLOCK, to += NUMBERS) right_block(place_in(from, k, n), BLOCK, head->length - k, to);
}

/* Their transpose as a right operand; what lies behind the last token is in the columns behind. */
static void pack_tokens_transposed(Slabs from, const Head *head, bf16 *to) {
    for (int64_t n = 0; n < head->length; n += BLOCK)
        for (int64_t k = 0; k < head->size; k += BLOCK, to += NUMBERS) right_block_transposed(place_in(from, n, k), BLOCK, to);
}

/* Rounds the first `rows` rows of a block, times their factors (may be NULL) and `factor`: numbers of a head from `column` on,
 * of its tokens from `token` on. */
static void store_block(const float *block, int64_t rows, const float *factors, float factor, const Head *head, int64_t token,
                        int64_t column, Place to) {
    int64_t count = head->size - column < BLOCK ? head->size - column : BLOCK, place = to.column + column;
    for (int64_t i = 0; i < rows; i++) {
        float all = factors == NULL ? factor : factors[i] * factor;
        Row row = rounded(load_floats(block + i * BLOCK) * all, load_floats(block + i * BLOCK + 16) * all);
        if (head->size % BLOCK == 0) store_row(place_in(to.matrix, to.row + token + i, place), row);
        else copy_numbers((Slabs){(bf16 *)&row, 0}, 0, 0, to.matrix, to.row + token + i, place, count);
    }
}

/* The hashes of tokens, of which each is a row of the dropout of the probabilities. */
static void seed_tokens(const Head *head, uint32_t *seed) {
    if (!head->drops) return;
#pragma omp simd
    for (int64_t i = 0; i < head->length; i++) seed[i] = row_seed(head->drop, (head->first_row + i) * head->rows + head->row);
}

/* exp(score - largest) of one query's scores, after dropout but not yet divided by their sum nor scaled for dropout, into a
 * row of the blocks `to`. Keeps the largest score, in the unit of exp2_of, and 1 / sum. `x` is a row of blocks. */
static inline void softmax_row(const float *restrict x, const Head *head, int64_t token, uint32_t seed, bf16 *restrict to) {
    int64_t length = head->length, whole = length / BLOCK * BLOCK;
    float unit = head->scale * 1.44269504f; /* 1 / ln 2 */
    Floats largest = all_of(-INFINITY), total = {0};
    for (int64_t j = 0; j < whole; j += BLOCK)
        largest = larger_of(larger_of(load_floats(x + j * BLOCK), load_floats(x + j * BLOCK + 16)), largest);
    for (int64_t j = whole; j < length; j += 16) {
        Words inside = below(j, length);
        Floats some = load_floats(x + whole * BLOCK + j - whole);
        largest = larger_of((Floats)(((Words)some & inside) | ((Words)all_of(-INFINITY) & ~inside)), largest);
    }
    float most = largest_of(largest) * unit;
    Words hash = COUNT * 0x9e3779b9u + seed;
    for (int64_t j = 0; j < length; j += BLOCK) {
        Floats e[2];
        for (int half = 0; half < 2; half++, hash += 16u * 0x9e3779b9u) {
            e[half] = exp2_of(fused_of(load_floats(x + j * BLOCK + 16 * half), all_of(unit), all_of(-most)));
            if (j == whole) e[half] = where(below(j + 16 * half, length), e[half]);
            total += e[half];
            if (head->drops) e[half] = where_kept(head->drop, mixed_words(hash), e[half]);
        }
        store_row(to + j * BLOCK, rounded(e[0], e[1]));
    }
    head->largest[token] = most;
    head->rate[token] = 1.0f / total_of(total);
}

/* context = dropout(softmax(query . key^T * scale)) . value; queries lie at `query`, keys and values `part` and 2 `part`
 * columns behind them. They are readable up to a multiple of 32 tokens. */
static void attend(AttentionMemory *m, const Head *head, Place query, int64_t part, Place context) {
    int64_t length = padded(head->length), size = padded(head->size);
    Slabs q = tokens_of(query, 0, head, m->query);
    pack_tokens_transposed(tokens_of(query, part, head, m->key), head, m->right_key);
    pack_tokens(tokens_of(query, 2 * part, head, m->value), head, m->right_value);
    seed_tokens(head, m->seed);
    for (int64_t first = 0; first < head->length; first += BLOCK) {
        int64_t rows = head->length - first < BLOCK ? head->length - first : BLOCK;
        for (int64_t n = 0; n < length; n += BLOCK) {
            Operands o = {place_in(q, first, 0), q.step, m->right_key + n * size, size / BLOCK};
            multiply_block(o, m->scores + n * BLOCK, BLOCK, 0, NULL, NULL);
        }
        for (int64_t i = 0; i < rows; i++)
            softmax_row(m->scores + i * BLOCK, head, first + i, head->drops ? m->seed[first + i] : 0, m->probabilities + i * BLOCK);
        for (int64_t n = 0; n < size; n += BLOCK) {
            float block[NUMBERS] __attribute__((aligned(64)));
            Operands o = {m->probabilities, NUMBERS, m->right_value + n * length, length / BLOCK};
            multiply_block(o, block, BLOCK, 0, NULL, NULL);
            store_block(block, rows, head->rate + first, head->drop.scale, head, first, n, context);
        }
    }
}

/* A block of transposed scores, of the keys from `key` on and the queries from `query` on, and of gradients of the
 * probabilities -> the block `probabilities`, after dropout, and `gradients`, of the scores. Neither is scaled, for dropout or
 * as scores are: their products will be. */
static void softmax_block_gradient(const float *restrict scores, const float *restrict by_probability, const AttentionMemory *m,
                                   const Head *head, int64_t key, int64_t query, bf16 *restrict probabilities, bf16 *restrict gradients) {
    float unit = head->scale * 1.44269504f;
    Floats largest[2], rate[2], along[2];
    Words hash[2] = {{0}};
    for (int half = 0; half < 2; half++) {
        int64_t at = query + 16 * half, some = head->length - at;
        largest[half] = load_some(head->largest + at, some);
        rate[half] = load_some(head->rate + at, some);
        along[half] = load_some(m->along + at, some);
        memcpy(&hash[half], m->seed + at, sizeof hash[half]); /* readable up to a multiple of 32 tokens */
        hash[half] += (uint32_t)key * 0x9e3779b9u;
    }
    int64_t last = head->length - query;
    for (int j = 0; j < NUMBERS; j += BLOCK) {
        Floats kept[2], by_score[2];
        for (int half = 0; half < 2; half++) {
            Floats p = exp2_of(fused_of(load_floats(scores + j + 16 * half), all_of(unit), -largest[half])) * rate[half];
            Floats by = load_floats(by_probability + j + 16 * half);
            kept[half] = p;
            if (head->drops) {
                Words mixed = mixed_words(hash[half]);
                kept[half] = where_kept(head->drop, mixed, p);
                by = where_kept(head->drop, mixed, by);
                hash[half] += 0x9e3779b9u;
            }
            by_score[half] = p * (by - along[half]);
            if (last < BLOCK) { /* the last tokens, whatever lies behind them */
                Words inside = below(16 * half, last);
                kept[half] = where(inside, kept[half]);
                by_score[half] = where(inside, by_score[half]);
            }
        }
        store_row(probabilities + j, rounded(kept[0], kept[1]));
        store_row(gradients + j, rounded(by_score[0], by_score[1]));
    }
}

/* along[i] = context[i] . gradient[i], which is the sum of the probabilities times their gradients; not scaled for dropout. */
static void sum_along(AttentionMemory *m, const Head *head, Slabs context, Slabs gradient) {
    for (int64_t i = 0; i < head->length; i++) {
        Floats sum = {0};
        for (int64_t j = 0; j < head->size; j += BLOCK) {
            Row one = load_row(place_in(context, i, j)), other = load_row(place_in(gradient, i, j));
            for (int half = 0; half < 2; half++) sum = fused_of(half_of(one, half), half_of(other, half), sum);
        }
        m->along[i] = total_of(sum) / head->drop.scale;
    }
}

/* The gradients of queries, keys and values, at `to` and `part` and 2 `part` columns behind, from that of the context. All are
 * readable up to a multiple of 32 tokens. */
static void attend_gradient(AttentionMemory *m, const Head *head, Place query, int64_t part, Place context, Place by_context, Place to) {
    int64_t length = padded(head->length), size = padded(head->size), depth = size / BLOCK, blocks = length / BLOCK;
    Slabs q = tokens_of(query, 0, head, m->query), k = tokens_of(query, part, head, m->key), v = tokens_of(query, 2 * part, head, m->value);
    Slabs g = tokens_of(by_context, 0, head, m->gradient);
    Place to_key = to, to_value = to;
    to_key.column += part, to_value.column += 2 * part;
    sum_along(m, head, tokens_of(context, 0, head, m->context), g);
    seed_tokens(head, m->seed);
    pack_tokens_transposed(q, head, m->right_key);   /* of the scores */
    pack_tokens_transposed(g, head, m->right_value); /* of the gradients of the probabilities */
    pack_tokens(q, head, m->right_query);
    pack_tokens(g, head, m->right_gradient);
    float block[NUMBERS] __attribute__((aligned(64))), *by_probability = m->scores + NUMBERS;
    for (int64_t first = 0; first < head->length; first += BLOCK) {
        int64_t rows = head->length - first < BLOCK ? head->length - first : BLOCK;
        for (int64_t n = 0; n < length; n += BLOCK) {
            Operands scores = {place_in(k, first, 0), k.step, m->right_key + n * size, depth};
            Operands gradients = {place_in(v, first, 0), v.step, m->right_value + n * size, depth};
            bf16 *by_scores = m->scores_gradient + n * BLOCK;
            multiply_block(scores, m->scores, BLOCK, 0, NULL, NULL);
            multiply_block(gradients, by_probability, BLOCK, 0, NULL, NULL);
            softmax_block_gradient(m->scores, by_probability, m, head, first, n, m->probabilities + n * BLOCK, by_scores);
            left_block_transposed(by_scores, rows, m->by_query + n * length + first * BLOCK);
        }
        for (int64_t n = 0; n < size; n += BLOCK) {
            multiply_block((Operands){m->probabilities, NUMBERS, m->right_gradient + n * length, blocks}, block, BLOCK, 0, NULL, NULL);
            store_block(block, rows, NULL, head->drop.scale, head, first, n, to_value);
            multiply_block((Operands){m->scores_gradient, NUMBERS, m->right_query + n * length, blocks}, block, BLOCK, 0, NULL, NULL);
            store_block(block, rows, NULL, head->drop.scale * head->scale, head, first, n, to_key);
        }
    }
    pack_tokens(k, head, m->right_key);
    for (int64_t first = 0; first < head->length; first += BLOCK)
        for (int64_t n = 0; n < size; n += BLOCK) {
            multiply_block((Operands){m->by_query + first * length, NUMBERS, m->right_key + n * length, blocks}, block, BLOCK, 0, NULL, NULL);
            store_block(block, head->length - first < BLOCK ? head->length - first : BLOCK, NULL, head->drop.scale * head->scale, head, first, n, to);
        }
}

#endif
