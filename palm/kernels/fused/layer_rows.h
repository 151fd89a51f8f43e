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
    if (activation == RELU) return larger_of(x, all_of(0.0f));
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
    float sum = 0.0f, squares = 0.0f;
    if (norm->drops) {
        Dropout drop = norm->drop;
        uint32_t seed = row_seed(drop, row);
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < width; j++) {
            z[j] = (z[j] + bias[j]) * kept(drop, seed, (uint32_t)j) + residual[j];
            sum += z[j];
        }
    } else {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < width; j++) {
            z[j] = z[j] + bias[j] + residual[j];
            sum += z[j];
        }
    }
    float centre = sum / (float)width;
#pragma omp simd reduction(+ : squares)
    for (int64_t j = 0; j < width; j++) squares += (z[j] - centre) * (z[j] - centre);
    float rate = 1.0f / sqrtf(squares / (float)width + norm->epsilon);
#pragma omp simd
    for (int64_t j = 0; j < width; j++) {
        z[j] = (z[j] - centre) * rate;
        out[j] = z[j] * weight[j] + shift[j];
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
    float *restrict weight_sum = sums.weight, *restrict shift_sum = sums.shift, *restrict bias_sum = sums.bias;
    float level = 0.0f, along = 0.0f;
#pragma omp simd reduction(+ : level, along)
    for (int64_t j = 0; j < width; j++) {
        float inner = gradient[j] * weight[j];
        level += inner;
        along += inner * x[j];
        weight_sum[j] += gradient[j] * x[j];
        shift_sum[j] += gradient[j];
    }
    level /= (float)width;
    along /= (float)width;
    Dropout drop = norm->drop;
    uint32_t seed = row_seed(drop, row);
    if (norm->drops) {
#pragma omp simd
        for (int64_t j = 0; j < width; j++) {
            float v = rate * (gradient[j] * weight[j] - level - x[j] * along);
            u[j] = v * kept(drop, seed, (uint32_t)j);
            through[j] = v;
            bias_sum[j] += u[j];
        }
    } else {
#pragma omp simd
        for (int64_t j = 0; j < width; j++) {
            u[j] = rate * (gradient[j] * weight[j] - level - x[j] * along);
            through[j] = u[j];
            bias_sum[j] += u[j];
        }
    }
}

static inline Norm norm_of(const Plan *plan, const float *weight, const float *shift, const float *bias, int which) {
    const Layer *layer = plan->layer;
    Dropout drop = dropout_of(layer->hidden_dropout, layer->seeds[which]);
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
