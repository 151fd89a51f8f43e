/* All layers of an encoder in one call, for prediction: one parallel region, in which a chunk of rows goes through all
 * layers without waiting for other chunks. Nothing is saved for a gradient.
 */
#include "encoder.h"

static const EncoderKernel *const KERNELS[] = {&palm_float32_encoder, &palm_bf16_encoder, &palm_int8_encoder};

static void encode_chunk(const EncoderKernel *kernel, const Plan *plan, int64_t number, int64_t layers, const void *const *weights,
                         const float *hidden, float *out, char *shared, char *own, Team team) {
    int64_t width = plan->layer->width, begin = plan->sequence[number], end = plan->sequence[number + 1];
    const int64_t *starts = plan->starts + begin;
    Chunk chunk = {plan, end - begin, starts[end - begin] - starts[0], starts};
    int64_t first = first_of(team.number, chunk.rows, team), last = first_of(team.number + 1, chunk.rows, team);
    out += starts[0] * width;
    memcpy(out + first * width, hidden + (starts[0] + first) * width, sizeof(float) * (last - first) * width);
    for (int64_t l = 0; l < layers; l++) kernel->layer(&chunk, weights[l], out, shared, own, team);
    meet(team);
}

/* hidden[rows width] -> out, through `layers` layers; weights[l] is what kernel number `kernel` takes for a layer: for
 * float32 the twelve parameters, for the others what `palm_bf16_encoder_pack` or `palm_int8_encoder_pack` wrote. Returns 0,
 * or 1 if memory could not be allocated. */
int palm_encode(const Layer *layer, const int64_t *starts, const float *hidden, int64_t kernel, int64_t layers,
                const void *const *weights, float *out) {
    const EncoderKernel *compute = KERNELS[kernel];
    Plan plan;
    if (make_plan(&plan, layer, starts)) return 1;
    int64_t threads = omp_get_max_threads(), together = plan.chunks < threads;
    int64_t shared = (compute->shared_bytes(&plan) + 63) / 64 * 64, own = (compute->own_bytes(&plan) + 63) / 64 * 64;
    char *memory = allocate(shared * (together ? 1 : threads) + own * threads);
    if (memory == NULL) {
        free(plan.sequence);
        return 1;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t thread = omp_get_thread_num(), count = omp_get_num_threads();
        char *mine = memory + own * thread, *common = memory + own * threads + (together ? 0 : shared * thread);
        compute->begin();
        if (together) {
            for (int64_t c = 0; c < plan.chunks; c++)
                encode_chunk(compute, &plan, c, layers, weights, hidden, out, common, mine, (Team){thread, count});
        } else {
#pragma omp for schedule(monotonic : dynamic, 1)
            for (int64_t c = 0; c < plan.chunks; c++)
                encode_chunk(compute, &plan, c, layers, weights, hidden, out, common, mine, (Team){0, 1});
        }
        compute->end();
    }
    free(memory);
    free(plan.sequence);
    return 0;
}

/* to[arrays each] = `each` numbers of each array, of sizes[array] numbers: spread over it by the golden ratio, so that they
 * lie in all rows and columns of a matrix. */
void palm_sample(const float *const *arrays, const int64_t *sizes, int64_t count, int64_t each, float *to) {
    for (int64_t a = 0; a < count; a++)
        for (int64_t i = 0; i < each; i++) {
            uint64_t place = (uint64_t)i * 2654435769u % 4294967296u; /* a fraction of 2^32 */
            to[a * each + i] = arrays[a][place * (uint64_t)sizes[a] >> 32];
        }
}
