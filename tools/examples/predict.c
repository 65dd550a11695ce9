/* Usage: predict WEIGHTS ROWS FILE: reads ROWS rows of float32 from FILE, and prints what the network predicts for each:
 * the largest probability with its class, and the uncertainties; of a regression mean and standard deviations. */
#include <stdio.h>
#include <stdlib.h>

#include <tribikos/model.h>

static int complain(const char *why)
{
    (void)fprintf(stderr, "predict: %s\n", why);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) return complain("usage: predict WEIGHTS ROWS FILE");
    trb_model *model = NULL;
    if (trb_model_open(argv[1], 0, &model) != TRB_MODEL_OK) return complain(trb_model_message(NULL));
    const size_t n = strtoul(argv[2], NULL, 10), D = trb_model_inputs(model), K = trb_model_outputs_of_head(model);
    float *x = malloc(n * D * sizeof *x), *p = malloc(n * K * sizeof *p);
    double *u = malloc(3 * n * sizeof *u);
    FILE *f = fopen(argv[3], "rb");
    if (x == NULL || p == NULL || u == NULL || f == NULL || fread(x, D * sizeof *x, n, f) != n)
        return complain("the rows cannot be read");
    (void)fclose(f);

    const int regression = trb_model_is_regression(model);
    const trb_model_outputs numbers = {.mean = u, .model_std = u + n, .data_std = u + 2 * n};
    const trb_model_outputs classes = {.probabilities = p, .total_uncertainty = u, .model_uncertainty = u + n};
    if (trb_model_predict(model, n, x, regression ? &numbers : &classes) != TRB_MODEL_OK)
        return complain(trb_model_message(model));
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        for (size_t k = 1; k < K && !regression; k++) best = p[i * K + k] > p[i * K + best] ? k : best;
        if (regression)
            (void)printf("%.9g %.9g %.9g\n", u[i], u[n + i], u[2 * n + i]);
        else
            (void)printf("%zu %.9g %.9g %.9g\n", best, (double)p[i * K + best], u[i], u[n + i]);
    }
    free(u);
    free(p);
    free(x);
    trb_model_close(model);
    return 0;
}
