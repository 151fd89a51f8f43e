/* The steps of an encoder layer (arXiv:1810.04805) between its products, row by row, in float32: non-linearities, and dropout,
 * residual and layer normalisation (arXiv:1607.06450), with their gradients.
 *
 * Sums of gradients over rows are taken for each chunk of the plan and added in the order of the chunks.
 */
#ifndef PALM_LAYER_ROWS_H
#define PALM_LAYER_ROWS_H

#include "layer_plan.h"

enum { GELU = 0, RELU = 1, TANH = 2 };

/* y = f(x), and f'(x). */
static inline void activate(const float *restrict x, float *restrict y, float *restrict slope, int activation) {
    if (activation == GELU) {
#pragma omp simd
        for (int j = 0; j < BLOCK; j++) {
            float distribution, density;
            normal_of(x[j], &distribution, &density);
            y[j] = x[j] * distribution;
            slope[j] = distribution + x[j] * density;
        }
    } else if (activation == RELU) {
#pragma omp simd
        for (int j = 0; j < BLOCK; j++) {
            y[j] = x[j] > 0.0f ? x[j] : 0.0f;
            slope[j] = x[j] > 0.0f ? 1.0f : 0.0f;
        }
    } else {
#pragma omp simd
        for (int j = 0; j < BLOCK; j++) {
            y[j] = tanh_of(x[j]);
            slope[j] = 1.0f - y[j] * y[j];
        }
    }
}

/* f(x) of 16 numbers, where the result is rounded to bfloat16. */
static inline Floats activated(Floats x, int activation) {
    if (activation == GELU) return gelu_of(x);
    if (activation == RELU) return larger_of(all_of(0.0f), x);
    for (int j = 0; j < 16; j++) x[j] = tanh_of(x[j]);
    return x;
}

/* The derivative at x, where the function is y. */
static inline Floats slope_of(Floats x, Floats y, int activation) {
    if (activation == GELU) return gelu_slope_of(x);
    if (activation == RELU) return where((Words)(x > 0.0f), all_of(1.0f));
    return 1.0f - y * y;
}

typedef struct {
    int64_t width;
    const float *weight, *shift, *bias;
    float epsilon;
    Dropout drop;
    int drops;
} Norm;

/* z = residual + dropout(z + bias); out = normal * weight + shift, where normal = (z - mean) * rate. `z` becomes `normal`.
 * Returns the rate. */
static float norm_row(const Norm *norm, float *restrict z, const float *restrict residual, int64_t row, float *restrict out) {
    int64_t width = norm->width;
    const float *restrict bias = norm->bias, *restrict weight = norm->weight, *restrict shift = norm->shift;
    uint32_t seed = norm->drops ? row_seed(norm->drop, row) : 0;
    Floats sum = {0}, squares = {0};
    for (int64_t j = 0, some = 16; j < width; j += 16) {
        some = least(width - j, 16);
        Floats x = load_some(z + j, some) + load_some(bias + j, some);
        if (norm->drops) x = where_kept(norm->drop, column_hashes(seed, j), x) * norm->drop.scale;
        x += load_some(residual + j, some);
        sum += x;
        store_some(z + j, x, some);
    }
    float centre = total_of(sum) / (float)width;
    for (int64_t j = 0; j < width; j += 16) {
        Floats x = load_some(z + j, width - j) - centre;
        if (width - j < 16) x = where(below(j, width), x);
        squares = fused_of(x, x, squares);
    }
    float rate = 1.0f / sqrtf(total_of(squares) / (float)width + norm->epsilon);
    for (int64_t j = 0, some = 16; j < width; j += 16) {
        some = least(width - j, 16);
        Floats x = (load_some(z + j, some) - centre) * rate;
        store_some(z + j, x, some);
        store_some(out + j, fused_of(x, load_some(weight + j, some), load_some(shift + j, some)), some);
    }
    return rate;
}

/* Sums of gradients over the rows of a chunk. */
typedef struct {
    float *weight, *shift, *bias;
} NormSums;

/* gradient of `out` -> of the residual, `through`, and of what was dropped out, `u`; `x` is what `norm_row` left in `z`.
 * `through` may be `gradient`. */
static void norm_row_gradient(const Norm *norm, const float *gradient, const float *restrict x, float rate, int64_t row,
                              float *through, float *restrict u, NormSums sums) {
    int64_t width = norm->width;
    const float *restrict weight = norm->weight;
    Floats levels = {0}, alongs = {0};
    for (int64_t j = 0, some = 16; j < width; j += 16) {
        some = least(width - j, 16);
        Floats g = load_some(gradient + j, some), normal = load_some(x + j, some), inner = g * load_some(weight + j, some);
        levels += inner;
        alongs = fused_of(inner, normal, alongs);
        store_some(sums.weight + j, fused_of(g, normal, load_some(sums.weight + j, some)), some);
        store_some(sums.shift + j, load_some(sums.shift + j, some) + g, some);
    }
    float level = total_of(levels) / (float)width, along = total_of(alongs) / (float)width;
    uint32_t seed = norm->drops ? row_seed(norm->drop, row) : 0;
    for (int64_t j = 0, some = 16; j < width; j += 16) {
        some = least(width - j, 16);
        Floats inner = load_some(gradient + j, some) * load_some(weight + j, some);
        Floats v = rate * fused_of(load_some(x + j, some), all_of(-along), inner - level), dropped = v;
        if (norm->drops) dropped = where_kept(norm->drop, column_hashes(seed, j), v) * norm->drop.scale;
        store_some(u + j, dropped, some);
        store_some(through + j, v, some);
        store_some(sums.bias + j, load_some(sums.bias + j, some) + dropped, some);
    }
}

static inline Norm norm_of(const Plan *plan, const float *weight, const float *shift, const float *bias, int which) {
    const Layer *layer = plan->layer;
    Dropout drop = dropout_of(layer->hidden_dropout, layer->seeds[which], layer->first);
    return (Norm){layer->width, weight, shift, bias, layer->epsilon, drop, layer->hidden_dropout > 0.0f};
}

/* to[count] = the sum over chunks of parts[chunks stride]. */
static void add_chunks(const float *parts, int64_t chunks, int64_t stride, float *restrict to, int64_t count) {
    if (to == NULL) return;
    memset(to, 0, sizeof(float) * count);
    for (int64_t c = 0; c < chunks; c++) {
        const float *restrict part = parts + c * stride;
#pragma omp simd
        for (int64_t j = 0; j < count; j++) to[j] += part[j];
    }
}

#endif
