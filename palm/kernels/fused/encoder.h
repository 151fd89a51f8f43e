/* What a kernel gives to encoder.c, which computes all layers of an encoder in one call, without gradients.
 *
 * Two or more threads either take a chunk each, or, where there are fewer chunks than threads (one short text), share
 * the steps of a chunk: each computes some columns of every product, some heads, some rows. Either way every number is
 * computed by one thread, in the same order of operations, so that the result does not depend on how many there are.
 */
#ifndef PALM_ENCODER_H
#define PALM_ENCODER_H

#include "layer_rows.h"

/* The threads that compute a chunk together. */
typedef struct {
    int64_t number, count; /* of this thread, from 0; of all */
} Team;

/* Waits until all threads of the team are here: between a step and one that reads what others computed in it. */
static inline void meet(Team team) {
    if (team.count > 1) {
#pragma omp barrier
    }
}

/* The first of `count` things that a thread of the team does; `first_of(team.number + 1, …)` is its end. */
static inline int64_t first_of(int64_t number, int64_t count, Team team) { return count * number / team.count; }

/* Some sequences of a batch: sequence b is rows starts[b] to starts[b + 1] of those that are computed together. */
typedef struct {
    const Plan *plan;
    int64_t sequences, rows;
    const int64_t *starts;
} Chunk;

/* Functions of one precision. `shared` is memory of the chunk, `own` is a thread's. */
typedef struct {
    int64_t (*shared_bytes)(const Plan *plan), (*own_bytes)(const Plan *plan);
    void (*begin)(void), (*end)(void); /* in each thread */
    /* Replaces hidden[rows width] by the next hidden states; the rows first_of(team.number, rows, team) and following
     * are this thread's before and after the call. */
    void (*layer)(const Chunk *chunk, const void *weights, float *hidden, char *shared, char *own, Team team);
} EncoderKernel;

extern const EncoderKernel palm_float32_encoder, palm_bf16_encoder, palm_int8_encoder;

#endif
