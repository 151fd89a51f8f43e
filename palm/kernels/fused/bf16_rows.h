/* What is done with rows of products in bfloat16, in training and in prediction alike: so both compute the same numbers, to
 * the bit.
 */
#ifndef PALM_BF16_ROWS_H
#define PALM_BF16_ROWS_H

#include "bf16_tiles.h"
#include "layer_rows.h"

/* Where a row of a product goes. */
typedef struct {
    const float *bias; /* padded */
    Slabs rounded;     /* the result */
    Slabs before;      /* of the non-linearity: its input, which is kept for the gradient; may be NULL */
    int activation;
} Finish;

static inline void finish_rounded(const void *context, const float *x, int64_t row, int64_t column) {
    const Finish *f = context;
    store_row(place_in(f->rounded, row, column), rounded(load_floats(x), load_floats(x + 16)));
}

static inline void finish_biased(const void *context, const float *x, int64_t row, int64_t column) {
    const Finish *f = context;
    const float *bias = f->bias + column;
    store_row(place_in(f->rounded, row, column), rounded(load_floats(x) + load_floats(bias), load_floats(x + 16) + load_floats(bias + 16)));
}

static inline void finish_activated(const void *context, const float *x, int64_t row, int64_t column) {
    const Finish *f = context;
    const float *bias = f->bias + column;
    Row before = rounded(load_floats(x) + load_floats(bias), load_floats(x + 16) + load_floats(bias + 16));
    if (f->before.at != NULL) store_row_past(place_in(f->before, row, column), before);
    /* What the gradient will see: f of the rounded input, so that both passes compute the same function. */
    Row active = rounded(activated(half_of(before, 0), f->activation), activated(half_of(before, 1), f->activation));
    store_row(place_in(f->rounded, row, column), active);
}

#endif
