/* Weights per cycle of one core in ggml's kernels of one row, by format: what hw_models/catalog/isas/avx2.yaml has.
 *
 * Build ggml (of llama.cpp, or of the sources of the package llama-cpp-python) with -DGGML_NATIVE=ON
 * -DBUILD_SHARED_LIBS=OFF -DGGML_OPENMP=OFF, then
 *   gcc -O2 -I GGML/include ggml_rows.c BUILD/src/libggml-cpu.a BUILD/src/libggml-base.a -lstdc++ -lm -lpthread -ldl
 * Cycles are those of a chain of dependent additions timed beside each turn; the best of 600 turns counts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ggml-cpu.h"
#include "ggml.h"

enum { WEIGHTS = 4096, TURNS = 600, CALLS = 100, ADDITIONS = 2000000 };

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double cycles_per_s(void) {
    uint64_t x = 0;
    const double start = now_s();
    for (int i = 0; i < ADDITIONS / 4; i++)
        __asm__ volatile("add $1,%0\n\tadd $1,%0\n\tadd $1,%0\n\tadd $1,%0" : "+r"(x));
    return ADDITIONS / (now_s() - start);
}

int main(void) {
    const enum ggml_type types[] = {
        GGML_TYPE_F16,   GGML_TYPE_BF16,  GGML_TYPE_Q8_0,    GGML_TYPE_Q4_0,   GGML_TYPE_Q2_K,  GGML_TYPE_Q3_K,
        GGML_TYPE_Q4_K,  GGML_TYPE_Q5_K,  GGML_TYPE_Q6_K,    GGML_TYPE_IQ1_S,  GGML_TYPE_IQ2_XXS, GGML_TYPE_IQ2_XS,
        GGML_TYPE_IQ2_S, GGML_TYPE_IQ3_XXS, GGML_TYPE_IQ4_NL, GGML_TYPE_IQ4_XS, GGML_TYPE_MXFP4,
    };
    ggml_cpu_init();
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        const struct ggml_type_traits_cpu *traits = ggml_get_type_traits_cpu(types[k]);
        const size_t stored = ggml_row_size(types[k], WEIGHTS), other = ggml_row_size(traits->vec_dot_type, WEIGHTS);
        unsigned char *row = aligned_alloc(64, (stored + 63) / 64 * 64), *input = aligned_alloc(64, (other + 63) / 64 * 64);
        for (size_t i = 0; i < stored; i++) row[i] = (unsigned char)(rand() & 0x3b); /* no exponent of all ones */
        for (size_t i = 0; i < other; i++) input[i] = (unsigned char)(rand() & 0x3b);
        double clock = 0, call_s = 1;
        float sum = 0;
        for (int turn = 0; turn < TURNS; turn++) {
            const double measured = cycles_per_s(), start = now_s();
            clock = measured > clock ? measured : clock;
            for (int i = 0; i < CALLS; i++) traits->vec_dot(WEIGHTS, &sum, 0, row, 0, input, 0, 1);
            const double took = (now_s() - start) / CALLS;
            call_s = took < call_s ? took : call_s;
        }
        printf("%-8s %5.2f weights per cycle at %.2f GHz\n", ggml_type_name(types[k]), WEIGHTS / (call_s * clock), clock * 1e-9);
        free(row);
        free(input);
    }
    return 0;
}
