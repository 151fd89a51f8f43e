// The most that one core computes: products whose operands stay in registers. See peak.py.
//
// Each function runs `rounds` rounds and returns the number of floating-point (or 8-bit) operations, 0 where the
// compiler was not told to use the instructions.

#include <immintrin.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ACCUMULATORS 12  // independent sums hide the latency of a fused multiply-add

static volatile float sink;

#if defined(__AVX512F__)
double peak_float32(int64_t rounds) {
    __m512 sums[ACCUMULATORS], one = _mm512_set1_ps(0.999f), other = _mm512_set1_ps(1e-3f);
    for (int i = 0; i < ACCUMULATORS; i++) sums[i] = _mm512_set1_ps((float)i);
    for (int64_t round = 0; round < rounds; round++)
        for (int i = 0; i < ACCUMULATORS; i++) sums[i] = _mm512_fmadd_ps(sums[i], one, other);
    for (int i = 1; i < ACCUMULATORS; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
    sink = _mm512_reduce_add_ps(sums[0]);
    return 2.0 * 16 * ACCUMULATORS * (double)rounds;
}
#elif defined(__AVX2__) && defined(__FMA__)
double peak_float32(int64_t rounds) {
    __m256 sums[ACCUMULATORS], one = _mm256_set1_ps(0.999f), other = _mm256_set1_ps(1e-3f);
    for (int i = 0; i < ACCUMULATORS; i++) sums[i] = _mm256_set1_ps((float)i);
    for (int64_t round = 0; round < rounds; round++)
        for (int i = 0; i < ACCUMULATORS; i++) sums[i] = _mm256_fmadd_ps(sums[i], one, other);
    for (int i = 1; i < ACCUMULATORS; i++) sums[0] = _mm256_add_ps(sums[0], sums[i]);
    sink = _mm256_cvtss_f32(sums[0]);
    return 2.0 * 8 * ACCUMULATORS * (double)rounds;
}
#else
double peak_float32(int64_t rounds) { return 0.0 * (double)rounds; }
#endif

#if defined(__AMX_BF16__) && defined(__AMX_INT8__)
typedef struct {
    uint8_t palette, start, zero[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} TileShapes;

// Registers 0 to 3 are the sums, 4 to 7 the operands; all are full: 16 rows of 64 bytes.
static int begin_tiles(void) {
    static const uint8_t operands[16 * 64] = {0};
    TileShapes shapes = {.palette = 1};
    if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */)) return 1;
    for (int i = 0; i < 8; i++) shapes.row_bytes[i] = 64, shapes.rows[i] = 16;
    __asm__ volatile("" : : "r"(&shapes) : "memory");  // the intrinsic tells the compiler of 8 bytes only
    _tile_loadconfig(&shapes);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, operands, 64);
    _tile_loadd(5, operands, 64);
    _tile_loadd(6, operands, 64);
    _tile_loadd(7, operands, 64);
    return 0;
}

// The intrinsics are statements, not expressions.
#define FOUR_PRODUCTS(PRODUCT) { PRODUCT(0, 4, 6); PRODUCT(1, 4, 7); PRODUCT(2, 5, 6); PRODUCT(3, 5, 7); }

double peak_bf16(int64_t rounds) {
    if (begin_tiles()) return 0.0;
    for (int64_t round = 0; round < rounds; round++) FOUR_PRODUCTS(_tile_dpbf16ps)
    _tile_release();
    return 4.0 * 2 * 16 * 16 * 32 * (double)rounds;
}

double peak_int8(int64_t rounds) {
    if (begin_tiles()) return 0.0;
    for (int64_t round = 0; round < rounds; round++) FOUR_PRODUCTS(_tile_dpbssd)
    _tile_release();
    return 4.0 * 2 * 16 * 16 * 64 * (double)rounds;
}
#else
double peak_bf16(int64_t rounds) { return 0.0 * (double)rounds; }
double peak_int8(int64_t rounds) { return 0.0 * (double)rounds; }
#endif
