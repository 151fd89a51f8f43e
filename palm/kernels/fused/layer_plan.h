/* An encoder layer over packed rows: its arguments, how its rows are divided into chunks, and memory.
 *
 * A batch is the tokens that exist: sequence b is rows starts[b] to starts[b + 1], without padding. Sequences are taken in
 * chunks of some hundred rows, which stay in the processor's cache through the whole layer; chunks depend on the lengths
 * alone, so that the same input gives the same bits for any number of threads.
 */
#ifndef PALM_LAYER_PLAN_H
#define PALM_LAYER_PLAN_H

#include <stdint.h>
#include <stdlib.h>

#include "vector_math.h"

extern int omp_get_max_threads(void);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);

/* The parameters of a layer, in the order of `LayerWeights` in palm/kernels/contract.py. */
enum { QKV_WEIGHT, QKV_BIAS, OUTPUT_WEIGHT, OUTPUT_BIAS, NORM1_WEIGHT, NORM1_BIAS, INNER_WEIGHT, INNER_BIAS, FFN_WEIGHT,
       FFN_BIAS, NORM2_WEIGHT, NORM2_BIAS, PARAMETERS };

/* Arguments of both directions, as palm/kernels/fused/packed_layer.py lays them out. */
typedef struct {
    int64_t sequences, width, inner, heads, activation;
    int64_t first; /* rows before these: where several processes share a batch, those of the processes before */
    float epsilon, hidden_dropout, attention_dropout;
    uint32_t seeds[3]; /* probabilities, attention's output, the feed-forward part's output */
} Layer;

typedef struct {
    const Layer *layer;
    const int64_t *starts;
    int64_t width, inner, qkv;   /* padded columns */
    int64_t chunks, *sequence;   /* chunk c: sequences sequence[c] to sequence[c + 1] */
    int64_t *place;              /* its first row in what is saved, a multiple of 32: place[c] to place[c + 1] */
    int64_t most_rows, longest;  /* of a chunk, of a sequence; padded */
    int64_t slab;                /* rows of a slab in memory of one chunk: an odd number of blocks, so that slabs do not begin
                                    in the same sets of the first-level cache */
} Plan;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Divides the sequences into chunks of at least an eighth of all rows, but of 64 to 256 unless one sequence is longer. */
static inline int make_plan(Plan *plan, const Layer *layer, const int64_t *starts) {
    int64_t count = layer->sequences, rows = starts[count], aim = rows / 8;
    aim = aim < 64 ? 64 : aim > 256 ? 256 : aim;
    *plan = (Plan){layer, starts, padded(layer->width), padded(layer->inner), padded(3 * layer->width)};
    plan->sequence = malloc(sizeof(int64_t) * 2 * (count + 1));
    if (plan->sequence == NULL) return 1;
    plan->place = plan->sequence + count + 1;
    plan->sequence[0] = plan->place[0] = 0;
    for (int64_t b = 0, first = 0; b < count; b++) {
        int64_t length = starts[b + 1] - starts[b], next = b + 1 < count ? starts[b + 2] - starts[b + 1] : 0;
        int64_t taken = starts[b + 1] - starts[first];
        plan->longest = padded(length) > plan->longest ? padded(length) : plan->longest;
        if (b + 1 < count && taken + next <= aim) continue;
        int64_t c = plan->chunks++;
        plan->sequence[c + 1] = b + 1;
        plan->place[c + 1] = plan->place[c] + padded(taken);
        plan->most_rows = padded(taken) > plan->most_rows ? padded(taken) : plan->most_rows;
        first = b + 1;
    }
    plan->slab = plan->most_rows / BLOCK % 2 ? plan->most_rows : plan->most_rows + BLOCK;
    return 0;
}

static void *take(char **at, int64_t bytes) {
    char *begin = *at;
    *at += (bytes + 63) / 64 * 64;
    return begin;
}

static char *allocate(int64_t bytes) { return aligned_alloc(64, (bytes + 127) / 64 * 64); }

static char *aligned(char *at) { return (char *)(((uintptr_t)at + 63) / 64 * 64); }

#endif
