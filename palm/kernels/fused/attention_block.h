/* Attention in blocks of queries that stay in the cache: float32.
 *
 * The probabilities are never stored: the logarithm of each query's sum of exponentials, its level, is kept, from which
 * the backward pass computes them again (arXiv:2205.14135). Products are the math library's. Each head of a sequence is
 * one thread's work, so no sum is shared by threads, and the same input gives the same bits for any number of them.
 */
#include <stdlib.h>
#include <string.h>

#include "vector_math.h"

enum { QUERIES = 64 }; /* of a block */

extern int omp_get_max_threads(void);
extern int omp_get_thread_num(void);

/* cblas_sgemm of row-major matrices. */
typedef void Sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                   const float *b, int ldb, float beta, float *c, int ldc);
enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };

/* Limits the threads of the calling thread's products; returns the limit before. */
typedef int LimitThreads(int);

/* Softmax of one query's scores over the keys from `begin` to `end`, in place, with dropout; the others become 0. */
static float softmax(float *restrict x, int64_t begin, int64_t end, int64_t keys, Dropout drop, uint32_t seed, int64_t first_key, int drops) {
    float largest = -INFINITY, total = 0.0f;
#pragma omp simd reduction(max : largest)
    for (int64_t j = begin; j < end; j++) largest = x[j] > largest ? x[j] : largest;
#pragma omp simd reduction(+ : total)
    for (int64_t j = begin; j < end; j++) {
        x[j] = exp_of(x[j] - largest);
        total += x[j];
    }
    float rate = 1.0f / total;
    if (drops) {
#pragma omp simd
        for (int64_t j = begin; j < end; j++) x[j] *= rate * kept(drop, seed, (uint32_t)(first_key + j));
    } else {
#pragma omp simd
        for (int64_t j = begin; j < end; j++) x[j] *= rate;
    }
    memset(x, 0, sizeof(float) * begin);
    memset(x + end, 0, sizeof(float) * (keys - end));
    return largest + logf(total);
}

/* One query's scores and gradients of its probabilities -> the probabilities after dropout, and the gradient of the
 * scores, over the keys from `begin` to `end`; the others become 0. */
static void softmax_gradient(float *restrict x, float *restrict g, int64_t begin, int64_t end, int64_t keys, float level, float along,
                             Dropout drop, uint32_t seed, int64_t first_key, int drops) {
    if (drops) {
#pragma omp simd
        for (int64_t j = begin; j < end; j++) {
            float p = exp_of(x[j] - level), keep = kept(drop, seed, (uint32_t)(first_key + j));
            x[j] = p * keep;
            g[j] = p * (keep * g[j] - along);
        }
    } else {
#pragma omp simd
        for (int64_t j = begin; j < end; j++) {
            x[j] = exp_of(x[j] - level);
            g[j] = x[j] * (g[j] - along);
        }
    }
    memset(x, 0, sizeof(float) * begin);
    memset(g, 0, sizeof(float) * begin);
    memset(x + end, 0, sizeof(float) * (keys - end));
    memset(g + end, 0, sizeof(float) * (keys - end));
}

static float dot(const float *restrict one, const float *restrict other, int64_t size) {
    float total = 0.0f;
#pragma omp simd reduction(+ : total)
    for (int64_t j = 0; j < size; j++) total += one[j] * other[j];
    return total;
}

/* Computes one head of one sequence with memory of its own. */
typedef void HeadWork(const void *arguments, int64_t number, float *memory);

/* Calls `work` for each of `count` heads, over all threads, with memory for `floats` each; 1 if it cannot be allocated. */
static int for_each_head(int64_t count, int64_t floats, LimitThreads *limit_threads, HeadWork *work, const void *arguments) {
    int64_t most = omp_get_max_threads(), each = (floats + 15) / 16 * 16;
    int threads = (int)(most < count ? most : count);
    float *memory = aligned_alloc(64, sizeof(float) * (each * threads + 16));
    if (memory == NULL) return 1;
#pragma omp parallel num_threads(threads)
    {
        int before = limit_threads(1);
#pragma omp for schedule(monotonic : dynamic, 1)
        for (int64_t number = 0; number < count; number++) work(arguments, number, memory + each * omp_get_thread_num());
        limit_threads(before);
    }
    free(memory);
    return 0;
}
