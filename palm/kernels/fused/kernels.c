/* The steps of an encoder layer between its matrix products, and the optimizer's update: float32, row-major, OpenMP.
 *
 * Compiled once for each instruction set in setup.py; palm/kernels/fused/library.py loads the best one that the processor
 * runs, and documents the arguments. OpenMP's symbols are left undefined on purpose: they bind to the runtime that
 * Paddle has loaded, since a second one would compete with it for the cores.
 *
 * Sums over rows are taken in BLOCKS parts that do not depend on the number of threads, and added in their order, so the
 * same input gives the same bits. Functions that allocate memory return 0, or 1 if that failed.
 */
#include <stdlib.h>

#include "vector_math.h"

/* What this library is built from; palm/kernels/fused/built.py compares it with the sources that lie beside it. */
const char palm_sources[] = "palm-sources:" PALM_SOURCES;

#define BLOCKS 32

static int64_t blocks_of(int64_t rows) { return rows < BLOCKS ? rows : BLOCKS; }
static int64_t first_row(int64_t block, int64_t blocks, int64_t rows) { return block * rows / blocks; }

/* target[width] = sum over blocks of parts[blocks width] */
static void add_parts(const float *restrict parts, float *restrict target, int64_t blocks, int64_t stride, int64_t width) {
    memset(target, 0, sizeof(float) * width);
    for (int64_t block = 0; block < blocks; block++) {
        const float *part = parts + block * stride;
#pragma omp simd
        for (int64_t j = 0; j < width; j++) target[j] += part[j];
    }
}

/* ---- Attention: [batch seq 3 heads size] <-> three of [batch heads seq size] ---- */

/* Adds the bias, scales the queries, and moves the heads outwards. */
void palm_split_heads(const float *restrict qkv, const float *restrict bias, float *restrict split, int64_t batch,
                      int64_t seq, int64_t heads, int64_t size, float scale) {
    int64_t hidden = heads * size, part = batch * seq * hidden;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t b = 0; b < batch; b++)
        for (int64_t s = 0; s < seq; s++)
            for (int64_t which = 0; which < 3; which++)
                for (int64_t h = 0; h < heads; h++) {
                    const float *from = qkv + ((b * seq + s) * 3 + which) * hidden + h * size;
                    const float *add = bias + which * hidden + h * size;
                    float *to = split + which * part + ((b * heads + h) * seq + s) * size;
                    float factor = which == 0 ? scale : 1.0f;
#pragma omp simd
                    for (int64_t d = 0; d < size; d++) to[d] = (from[d] + add[d]) * factor;
                }
}

/* The gradient of the above: of qkv, and of the bias. */
int palm_split_heads_gradient(const float *query, const float *key, const float *value, float *restrict qkv,
                              float *restrict bias, int64_t batch, int64_t seq, int64_t heads, int64_t size,
                              float scale) {
    int64_t hidden = heads * size, rows = batch * seq, blocks = blocks_of(rows);
    float *parts = calloc(blocks * 3 * hidden, sizeof(float));
    if (parts == NULL) return 1;
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < blocks; block++)
        for (int64_t row = first_row(block, blocks, rows); row < first_row(block + 1, blocks, rows); row++) {
            int64_t b = row / seq, s = row % seq;
            for (int64_t which = 0; which < 3; which++) {
                const float *source = which == 0 ? query : which == 1 ? key : value;
                float factor = which == 0 ? scale : 1.0f;
                for (int64_t h = 0; h < heads; h++) {
                    const float *restrict from = source + ((b * heads + h) * seq + s) * size;
                    float *restrict to = qkv + (row * 3 + which) * hidden + h * size;
                    float *restrict sum = parts + (block * 3 + which) * hidden + h * size;
#pragma omp simd
                    for (int64_t d = 0; d < size; d++) {
                        float gradient = from[d] * factor;
                        to[d] = gradient;
                        sum[d] += gradient;
                    }
                }
            }
        }
    add_parts(parts, bias, blocks, 3 * hidden, 3 * hidden);
    free(parts);
    return 0;
}

/* outwards: [batch seq heads size] -> [batch heads seq size]; otherwise back. */
void palm_move_heads(const float *restrict from, float *restrict to, int64_t batch, int64_t seq, int64_t heads,
                     int64_t size, int outwards) {
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t b = 0; b < batch; b++)
        for (int64_t s = 0; s < seq; s++)
            for (int64_t h = 0; h < heads; h++) {
                int64_t outside = ((b * heads + h) * seq + s) * size, inside = ((b * seq + s) * heads + h) * size;
                if (outwards) memcpy(to + outside, from + inside, sizeof(float) * size);
                else memcpy(to + inside, from + outside, sizeof(float) * size);
            }
}

/* scores [batch heads seq seq] + mask [batch seq] (may be NULL) -> probabilities, in place, by softmax over the last axis.
 * With dropout, `dropped` gets the probabilities after dropout, and those that were dropped are stored negated: a
 * probability is never negative, so the sign bit stores the mask at no cost. `first` is the number of rows [seq] before. */
void palm_shares(float *restrict scores, const float *mask, float *restrict dropped, int64_t batch, int64_t heads,
                 int64_t seq, float probability, uint32_t seed, int64_t first) {
    Dropout drop = dropout_of(probability, seed, first);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < batch * heads * seq; row++) {
        float *restrict x = scores + row * seq;
        float most = -INFINITY, total = 0.0f;
        if (mask != NULL) {
            const float *restrict add = mask + row / (heads * seq) * seq;
#pragma omp simd
            for (int64_t j = 0; j < seq; j++) x[j] += add[j];
        }
#pragma omp simd reduction(max : most)
        for (int64_t j = 0; j < seq; j++) most = x[j] > most ? x[j] : most;
#pragma omp simd reduction(+ : total)
        for (int64_t j = 0; j < seq; j++) {
            float e = exp_of(x[j] - most);
            e = x[j] - most < -87.0f ? 0.0f : e; /* padding has a probability of exactly 0 */
            x[j] = e;
            total += e;
        }
        float rate = 1.0f / total;
        if (probability > 0.0f) {
            float *restrict out = dropped + row * seq;
            uint32_t key = row_seed(drop, row);
#pragma omp simd
            for (int64_t j = 0; j < seq; j++) {
                float share = x[j] * rate, factor = kept(drop, key, (uint32_t)j);
                out[j] = share * factor;
                x[j] = factor > 0.0f ? share : -share;
            }
        } else {
#pragma omp simd
            for (int64_t j = 0; j < seq; j++) x[j] *= rate;
        }
    }
}

/* Recomputes the probabilities after dropout from those that store their mask. */
void palm_dropped_shares(const float *restrict shares, float *restrict dropped, int64_t count, float probability) {
    float scale = 1.0f / (1.0f - probability);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) dropped[i] = shares[i] > 0.0f ? shares[i] * scale : 0.0f;
}

/* gradient of the dropped probabilities [rows seq] -> gradient of the scores, in place: s (g - sum s g). */
void palm_shares_gradient(const float *restrict shares, float *restrict gradient, int64_t rows, int64_t seq,
                          float probability) {
    float scale = 1.0f / (1.0f - probability);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *restrict s = shares + row * seq;
        float *restrict g = gradient + row * seq;
        float along = 0.0f;
#pragma omp simd reduction(+ : along)
        for (int64_t j = 0; j < seq; j++) {
            float inner = s[j] > 0.0f ? g[j] * scale : 0.0f;
            g[j] = inner;
            along += inner * s[j];
        }
#pragma omp simd
        for (int64_t j = 0; j < seq; j++) g[j] = fabsf(s[j]) * (g[j] - along);
    }
}

/* ---- The feed-forward part's non-linearity ---- */

enum { GELU = 0, RELU = 1, TANH = 2 };

/* values += bias, in place; active = f(values). */
void palm_activate(float *restrict values, const float *restrict bias, float *restrict active, int64_t rows,
                   int64_t width, int kind) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *restrict x = values + row * width;
        float *restrict y = active + row * width;
        if (kind == GELU) {
#pragma omp simd
            for (int64_t j = 0; j < width; j++) {
                float u = x[j] + bias[j], distribution, density;
                normal_of(u, &distribution, &density);
                x[j] = u;
                y[j] = u * distribution;
            }
        } else if (kind == RELU) {
#pragma omp simd
            for (int64_t j = 0; j < width; j++) {
                float u = x[j] + bias[j];
                x[j] = u;
                y[j] = u > 0.0f ? u : 0.0f;
            }
        } else {
#pragma omp simd
            for (int64_t j = 0; j < width; j++) {
                float u = x[j] + bias[j];
                x[j] = u;
                y[j] = tanh_of(u);
            }
        }
    }
}

/* gradient of `active` -> gradient of `values`, in place; bias gets its sum over rows. */
int palm_activate_gradient(const float *restrict values, float *restrict gradient, float *restrict bias, int64_t rows,
                           int64_t width, int kind) {
    int64_t blocks = blocks_of(rows);
    float *parts = calloc(blocks * width, sizeof(float));
    if (parts == NULL) return 1;
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        float *restrict sum = parts + block * width;
        for (int64_t row = first_row(block, blocks, rows); row < first_row(block + 1, blocks, rows); row++) {
            const float *restrict x = values + row * width;
            float *restrict g = gradient + row * width;
            if (kind == GELU) {
#pragma omp simd
                for (int64_t j = 0; j < width; j++) {
                    float distribution, density;
                    normal_of(x[j], &distribution, &density);
                    float slope = g[j] * (distribution + x[j] * density);
                    g[j] = slope;
                    sum[j] += slope;
                }
            } else if (kind == RELU) {
#pragma omp simd
                for (int64_t j = 0; j < width; j++) {
                    float slope = x[j] > 0.0f ? g[j] : 0.0f;
                    g[j] = slope;
                    sum[j] += slope;
                }
            } else {
#pragma omp simd
                for (int64_t j = 0; j < width; j++) {
                    float t = tanh_of(x[j]), slope = g[j] * (1.0f - t * t);
                    g[j] = slope;
                    sum[j] += slope;
                }
            }
        }
    }
    add_parts(parts, bias, blocks, width, width);
    free(parts);
    return 0;
}

/* ---- Dropout, residual and layer normalisation ---- */

/* values = residual + dropout(values + bias), in place; out = LayerNorm(values) * weight + shift. bias and residual may be
 * NULL. mean and rate (1 / deviation), [rows], are kept for the gradient. */
void palm_add_norm(float *restrict values, const float *bias, const float *residual, const float *restrict weight,
                   const float *restrict shift, float *restrict out, float *restrict mean, float *restrict rate,
                   int64_t rows, int64_t width, float epsilon, float probability, uint32_t seed, int64_t first) {
    Dropout drop = dropout_of(probability, seed, first);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *restrict x = values + row * width;
        float *restrict y = out + row * width;
        float sum = 0.0f, squares = 0.0f;
        if (bias != NULL) {
#pragma omp simd
            for (int64_t j = 0; j < width; j++) x[j] += bias[j];
        }
        if (probability > 0.0f) {
            uint32_t key = row_seed(drop, row);
#pragma omp simd
            for (int64_t j = 0; j < width; j++) x[j] *= kept(drop, key, (uint32_t)j);
        }
        if (residual != NULL) {
            const float *restrict add = residual + row * width;
#pragma omp simd
            for (int64_t j = 0; j < width; j++) x[j] += add[j];
        }
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < width; j++) sum += x[j];
        float centre = sum / (float)width;
#pragma omp simd reduction(+ : squares)
        for (int64_t j = 0; j < width; j++) squares += (x[j] - centre) * (x[j] - centre);
        float r = 1.0f / sqrtf(squares / (float)width + epsilon);
        mean[row] = centre;
        rate[row] = r;
#pragma omp simd
        for (int64_t j = 0; j < width; j++) y[j] = (x[j] - centre) * r * weight[j] + shift[j];
    }
}

/* The gradient of the above. residual [rows width] gets the gradient of the sum; values that of what was dropped out (it
 * may be NULL where nothing was: the two are the same). weight, shift and bias get theirs; bias may be NULL. */
int palm_add_norm_gradient(const float *restrict normed, const float *restrict gradient, const float *restrict scale,
                           const float *restrict mean, const float *restrict rate, float *restrict residual,
                           float *values, float *weight, float *shift, float *bias, int64_t rows, int64_t width,
                           float probability, uint32_t seed, int64_t first) {
    Dropout drop = dropout_of(probability, seed, first);
    int64_t blocks = blocks_of(rows);
    float *parts = calloc(blocks * 3 * width, sizeof(float));
    if (parts == NULL) return 1;
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        float *restrict weight_sum = parts + block * 3 * width;
        float *restrict shift_sum = weight_sum + width;
        float *restrict bias_sum = shift_sum + width;
        for (int64_t row = first_row(block, blocks, rows); row < first_row(block + 1, blocks, rows); row++) {
            const float *restrict x = normed + row * width;
            const float *restrict g = gradient + row * width;
            float *restrict to = residual + row * width;
            float centre = mean[row], r = rate[row], level = 0.0f, along = 0.0f;
#pragma omp simd reduction(+ : level, along)
            for (int64_t j = 0; j < width; j++) {
                float normal = (x[j] - centre) * r, inner = g[j] * scale[j];
                level += inner;
                along += inner * normal;
                weight_sum[j] += g[j] * normal;
                shift_sum[j] += g[j];
            }
            level /= (float)width;
            along /= (float)width;
            if (values != NULL) {
                float *restrict out = values + row * width;
                uint32_t key = row_seed(drop, row);
#pragma omp simd
                for (int64_t j = 0; j < width; j++) {
                    float v = r * (g[j] * scale[j] - level - (x[j] - centre) * r * along);
                    float u = v * kept(drop, key, (uint32_t)j);
                    to[j] = v;
                    out[j] = u;
                    bias_sum[j] += u;
                }
            } else {
#pragma omp simd
                for (int64_t j = 0; j < width; j++) {
                    float v = r * (g[j] * scale[j] - level - (x[j] - centre) * r * along);
                    to[j] = v;
                    bias_sum[j] += v;
                }
            }
        }
    }
    add_parts(parts, weight, blocks, 3 * width, width);
    add_parts(parts + width, shift, blocks, 3 * width, width);
    if (bias != NULL) add_parts(parts + 2 * width, bias, blocks, 3 * width, width);
    free(parts);
    return 0;
}

/* bfloat16 is the upper half of a float32: rounded[count] = values[count] to the nearest, ties to even. NaN stays NaN. */
void palm_to_bf16(const float *restrict values, uint16_t *restrict rounded, int64_t count) {
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = bits_of_float(values[i]);
        uint32_t nan = (bits >> 16) | 0x40u, nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        rounded[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? nan : nearest);
    }
}

/* out = dropout(values), both [rows width]; its gradient is the same function of the gradient. */
void palm_dropout(const float *restrict values, float *restrict out, int64_t rows, int64_t width, float probability,
                  uint32_t seed, int64_t first) {
    Dropout drop = dropout_of(probability, seed, first);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *restrict x = values + row * width;
        float *restrict y = out + row * width;
        uint32_t key = row_seed(drop, row);
#pragma omp simd
        for (int64_t j = 0; j < width; j++) y[j] = x[j] * kept(drop, key, (uint32_t)j);
    }
}

/* ---- The optimizer, over all tensors at once ---- */

#define CHUNK 65536 /* elements that one thread takes at a time */

static int64_t chunks_of(int64_t size) { return (size + CHUNK - 1) / CHUNK; }

#define BLOCK 1024  /* elements whose squares are summed in float32 */

/* A tensor of gradients: `size` elements; of a table only `count` of its rows, where `rows` is not NULL: their numbers,
 * ascending, with `values` [count width]. All other rows are 0. */
typedef struct {
    const float *values;
    const int64_t *rows;
    int64_t count, width, size;
} Gradient;

static float __attribute__((noinline)) squares_of(const float *restrict g, int64_t count) {
    float some = 0.0f;
#pragma omp simd reduction(+ : some)
    for (int64_t i = 0; i < count; i++) some += g[i] * g[i];
    return some;
}

/* The elements start .. stop of a table, at most BLOCK, into `elements`; `at` is the first of its rows that ends after
 * `start`. */
static void copy_rows(Gradient g, int64_t at, int64_t start, int64_t stop, float *restrict elements) {
    memset(elements, 0, sizeof(float) * (stop - start));
    for (; at < g.count && g.rows[at] * g.width < stop; at++) {
        int64_t first = g.rows[at] * g.width, from = first > start ? first : start;
        int64_t to = first + g.width < stop ? first + g.width : stop;
        memcpy(elements + (from - start), g.values + at * g.width + (from - first), sizeof(float) * (to - from));
    }
}

static double squares_of_chunk(Gradient g, int64_t start, int64_t end) {
    double sum = 0.0;
    float elements[BLOCK];
    int64_t at = 0;
    if (g.rows != NULL) { /* by halves, to the first row that ends after `start` */
        for (int64_t above = g.count; at < above;) {
            int64_t middle = (at + above) / 2;
            if ((g.rows[middle] + 1) * g.width > start) above = middle;
            else at = middle + 1;
        }
    }
    for (; start < end; start += BLOCK) {
        int64_t stop = start + BLOCK < end ? start + BLOCK : end;
        if (g.rows == NULL) {
            sum += squares_of(g.values + start, stop - start);
            continue;
        }
        while (at < g.count && (g.rows[at] + 1) * g.width <= start) at++;
        if (at == g.count || g.rows[at] * g.width >= stop) continue; /* the block is 0 */
        copy_rows(g, at, start, stop, elements);
        sum += squares_of(elements, stop - start);
    }
    return sum;
}

/* The sum of the squares of all gradients, in *total: not finite where one of them is not, or where it overflows.
 *
 * Sums are taken over fixed chunks, so that they depend neither on the number of threads nor on whether a table's
 * gradient is given as rows. rows[t] is NULL for a whole tensor; counts and widths are those of rows. */
int palm_squared_sum(const float *const *values, const int64_t *const *rows, const int64_t *counts,
                     const int64_t *widths, const int64_t *sizes, int64_t count, double *total) {
    int64_t *first = malloc(sizeof(int64_t) * (count + 1)); /* number of each tensor's first chunk */
    if (first == NULL) return 1;
    first[0] = 0;
    for (int64_t t = 0; t < count; t++) first[t + 1] = first[t] + chunks_of(sizes[t]);
    int64_t chunks = first[count];
    double *parts = malloc(sizeof(double) * (chunks + 1));
    if (parts == NULL) {
        free(first);
        return 1;
    }
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < chunks; c++) {
        int64_t t = 0;
        for (int64_t above = count; t + 1 < above;) {
            int64_t middle = (t + above) / 2;
            if (first[middle] <= c) t = middle;
            else above = middle;
        }
        Gradient g = {values[t], rows[t], counts[t], widths[t], sizes[t]};
        int64_t start = (c - first[t]) * CHUNK;
        parts[c] = squares_of_chunk(g, start, start + CHUNK < g.size ? start + CHUNK : g.size);
    }
    *total = 0.0;
    for (int64_t c = 0; c < chunks; c++) *total += parts[c];
    free(parts);
    free(first);
    return 0;
}

typedef struct {
    float beta1, beta2, clip, keep, step, epsilon;
} Update;

static inline void update_elements(float *restrict p, const float *restrict g, float *restrict m, float *restrict v,
                                   int64_t count, Update u) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        float gradient = g[i] * u.clip;
        float mean = u.beta1 * m[i] + (1.0f - u.beta1) * gradient;
        float square = u.beta2 * v[i] + (1.0f - u.beta2) * gradient * gradient;
        m[i] = mean;
        v[i] = square;
        p[i] = u.keep * p[i] - u.step * mean / (sqrtf(square) + u.epsilon);
    }
}

static inline int any_set(const float *restrict g, int64_t count) {
    uint32_t bits = 0;
#pragma omp simd reduction(| : bits)
    for (int64_t i = 0; i < count; i++) bits |= bits_of_float(g[i]) << 1; /* without the sign */
    return bits != 0;
}

/* AdamW (arXiv:1711.05101) of `count` tensors, each with its own rate, decay factor and bias corrections, since a head
 * that was not sampled has had fewer updates than the encoder:
 *   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  p = keep p - step m / (sqrt(v) + epsilon)
 * with g scaled by `clip` first. `steps`, `epsilons` carry the bias corrections: see palm/engine/optim/fused_adamw.py.
 *
 * A tensor is rows of `widths` elements. touched[row] (or touched NULL: all are) says whether a row ever had a gradient. One
 * that never had, such as the embedding of a word not yet seen, has an optimizer state of 0, so only its decay remains:
 * the same result with a third of the memory traffic. */
void palm_adamw(float *const *parameters, const float *const *gradients, float *const *first, float *const *second,
                uint8_t *const *touched, const int64_t *sizes, const int64_t *widths, const float *keeps,
                const float *steps, const float *epsilons, int64_t count, float beta1, float beta2, float clip) {
    for (int64_t t = 0; t < count; t++) {
        Update u = {beta1, beta2, clip, keeps[t], steps[t], epsilons[t]};
        float *p = parameters[t], *m = first[t], *v = second[t];
        const float *g = gradients[t];
        uint8_t *known = touched[t];
        int64_t size = sizes[t], width = known == NULL ? CHUNK / 8 : widths[t], pieces = (size + width - 1) / width;
#pragma omp parallel for schedule(static) if (size > CHUNK / 4)
        for (int64_t piece = 0; piece < pieces; piece++) {
            int64_t start = piece * width, length = start + width < size ? width : size - start;
            if (known != NULL && !known[piece] && !any_set(g + start, length)) {
                if (u.keep != 1.0f) {
                    float *restrict row = p + start;
#pragma omp simd
                    for (int64_t i = 0; i < length; i++) row[i] *= u.keep;
                }
                continue;
            }
            if (known != NULL) known[piece] = 1;
            update_elements(p + start, g + start, m + start, v + start, length, u);
        }
    }
}

/* ---- The same for some rows of a table, and later for all others ---- */

/* The factors of the updates of a table, in their order: see palm_adamw. */
typedef struct {
    const float *keeps, *steps, *epsilons;
    float beta1, beta2;
} Updates;

#define SEGMENT 64 /* updates that are examined at once */
#define LANES 64   /* elements that stay in registers meanwhile */

/* The decay of `length` elements, at most LANES, in the updates from .. to. */
static inline void decay_elements(float *restrict p, int64_t length, const float *keeps, int64_t from, int64_t to) {
    for (int64_t s = from; s < to; s++) {
        float keep = keeps[s];
#pragma omp simd
        for (int64_t i = 0; i < length; i++) p[i] *= keep;
    }
}

/* Whether the updates from .. to, with a gradient of 0, change p by its decay alone: p - x is p in float32 as long as x is
 * smaller than p 2^-25. All bounds are cautious: x by a thousandth, and p by a factor of 4. */
static int only_decays(const float *restrict p, const float *restrict m, const float *restrict v, int64_t width,
                       Updates u, int64_t from, int64_t to) {
    float kept = 0x1p-27f, longest = 0.0f, least = INFINITY, squares = 1.0f;
    for (int64_t s = from; s < to; s++) {
        float keep = fabsf(u.keeps[s]), step = fabsf(u.steps[s]);
        kept *= keep < 1.0f ? keep : 1.0f;
        longest = step > longest ? step : longest;
        least = u.epsilons[s] < least ? u.epsilons[s] : least;
        squares *= u.beta2;
    }
    int moved = 0;
#pragma omp simd reduction(| : moved)
    for (int64_t i = 0; i < width; i++) {
        float square = v[i] * squares, root = square > 1e-30f ? 0.999f * sqrtf(square) : 0.0f;
        float reach = 1.001f * longest * fabsf(m[i]) / (root + least) + 1e-30f;
        moved |= !(reach < kept * fabsf(p[i]));
    }
    return !moved;
}

/* Whether m is what it was after another update with a gradient of 0: 0, or a few units of the least number. */
static inline int settled(const float *restrict m, int64_t width, float beta1) {
    int moved = 0;
#pragma omp simd reduction(| : moved)
    for (int64_t i = 0; i < width; i++) moved |= bits_of_float(beta1 * m[i] + 0.0f) != bits_of_float(m[i]);
    return !moved;
}

static inline void decay_all(float *restrict p, float *restrict m, float *restrict v, int64_t length, Updates u,
                             int64_t from, int64_t to) {
    for (int64_t s = from; s < to; s++) {
        float keep = u.keeps[s];
#pragma omp simd
        for (int64_t i = 0; i < length; i++) {
            p[i] *= keep;
            m[i] = u.beta1 * m[i] + 0.0f; /* 0 of -0, as an update makes it */
            v[i] *= u.beta2;
        }
    }
}

/* The updates from .. to of a row that had no gradient in them: the same operations in the same order, hence the same
 * bits, without those that change nothing. `zeros` is a gradient. */
static void catch_up_row(float *p, float *m, float *v, const float *zeros, int touched, int64_t width, Updates u,
                         int64_t from, int64_t to) {
    if (!touched) {
        while (from < to && u.keeps[from] == 1.0f) from++;
        for (int64_t j = 0; j + LANES <= width && from < to; j += LANES) decay_elements(p + j, LANES, u.keeps, from, to);
        decay_elements(p + width / LANES * LANES, width % LANES, u.keeps, from, to);
        return;
    }
    for (; from < to; from += SEGMENT) {
        int64_t end = from + SEGMENT < to ? from + SEGMENT : to;
        if (end - from < SEGMENT / 8 || !only_decays(p, m, v, width, u, from, end)) {
            for (int64_t s = from; s < end; s++) {
                Update update = {u.beta1, u.beta2, 1.0f, u.keeps[s], u.steps[s], u.epsilons[s]};
                update_elements(p, zeros, m, v, width, update);
            }
        } else if (settled(m, width, u.beta1)) {
            for (int64_t s = from; s < end; s++) {
                float keep = u.keeps[s];
#pragma omp simd
                for (int64_t i = 0; i < width; i++) {
                    p[i] *= keep;
                    v[i] *= u.beta2;
                }
            }
        } else {
            for (int64_t j = 0; j + LANES <= width; j += LANES) decay_all(p + j, m + j, v + j, LANES, u, from, end);
            int64_t rest = width / LANES * LANES;
            decay_all(p + rest, m + rest, v + rest, width % LANES, u, from, end);
        }
    }
}

/* Updates of a table [rows width] whose rows mostly have a gradient of 0: only `rows` [count], ascending, are brought up to
 * date, or all of them, `count`, where rows is NULL. done[row] is the number of updates that a row has had, of `updates`,
 * whose factors are keeps, steps and epsilons.
 *
 * With `values`, the gradients of these rows [count width], another update follows, whose factors are the last ones.
 * The result is that of palm_adamw with a dense gradient, to the bit. `touched` is the same, too. */
int palm_adamw_rows(float *p, float *m, float *v, uint8_t *touched, int64_t *done, const int64_t *rows,
                    const float *values, int64_t count, int64_t width, const float *keeps, const float *steps,
                    const float *epsilons, int64_t updates, float beta1, float beta2, float clip) {
    float *zeros = calloc(width, sizeof(float));
    if (zeros == NULL) return 1;
    Updates u = {keeps, steps, epsilons, beta1, beta2};
#pragma omp parallel for schedule(monotonic : dynamic, 16)
    for (int64_t r = 0; r < count; r++) {
        int64_t row = rows == NULL ? r : rows[r], start = row * width;
        catch_up_row(p + start, m + start, v + start, zeros, touched[row], width, u, done[row], updates);
        done[row] = updates;
        if (values == NULL) continue;
        const float *g = values + r * width;
        done[row] = updates + 1;
        if (touched[row] || any_set(g, width)) {
            Update update = {beta1, beta2, clip, keeps[updates], steps[updates], epsilons[updates]};
            update_elements(p + start, g, m + start, v + start, width, update);
            touched[row] = 1;
        } else decay_elements(p + start, width, keeps, updates, updates + 1);
    }
    free(zeros);
    return 0;
}

/* sums[index[i]] += values[i], in the order of i: rows of `width` elements. */
void palm_add_rows(const float *restrict values, const int64_t *restrict index, float *restrict sums, int64_t count,
                   int64_t width) {
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < (width + LANES - 1) / LANES; block++) {
        int64_t start = block * LANES, length = start + LANES < width ? LANES : width - start;
        for (int64_t i = 0; i < count; i++) {
            const float *restrict from = values + i * width + start;
            float *restrict to = sums + index[i] * width + start;
#pragma omp simd
            for (int64_t j = 0; j < length; j++) to[j] += from[j];
        }
    }
}
