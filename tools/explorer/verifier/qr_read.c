/* qr_read.c: finding the modules of a QR code in a picture: see qr_read.h.
 *
 * 1. Grey to black and white: one threshold for all, else one for each neighbourhood; dark on light, else light on dark.
 * 2. Finder patterns: whatever is crossed as 1:1:3:1:1, along rows and down columns. Three of them make a right angle.
 * 3. The timing patterns between them tell the version: only at the right one do they alternate.
 * 4. The alignment pattern in the fourth corner fixes perspective and rounding; then each module is looked at in five places.
 */
#include "tools/explorer/verifier/qr_read.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FINDERS_MAX  512 /* kept while rows are read */
#define FINDERS_BEST 14  /* of which triples are made */
#define TRIPLES_MAX  12  /* that are tried */
#define CELLS        40  /* neighbourhoods along a side */

struct point {
    double x, y;
};

struct finder {
    struct point at;
    double module; /* pixels */
    double hits;   /* rows that met it */
};

struct picture {
    uint8_t *dark; /* one byte a pixel */
    uint32_t width, height;
    struct finder finders[FINDERS_MAX];
    uint32_t finders_n;
};

static double absolute(double x)
{
    return x < 0 ? -x : x;
}

static bool is_dark(const struct picture *p, double x, double y)
{
    return x >= 0 && y >= 0 && x < p->width && y < p->height &&
           p->dark[(uint32_t)y * p->width + (uint32_t)x] != 0;
}

/* ---- black and white ---- */

/* Otsu: the threshold between the two groups of brightness that lie farthest apart. */
static void darken_all(struct picture *p, const uint8_t *grey)
{
    uint32_t counts[256] = {0}, n = p->width * p->height, below_n = 0, threshold = 127;
    double sum = 0, below = 0, best = -1;

    for (uint32_t i = 0; i < n; i++)
        counts[grey[i]]++;
    for (uint32_t v = 0; v < 256; v++)
        sum += (double)v * counts[v];
    for (uint32_t v = 0; v < 255; v++) {
        below_n += counts[v];
        below += (double)v * counts[v];
        if (below_n > 0 && below_n < n) {
            double apart = below / below_n - (sum - below) / (n - below_n);
            double score = apart * apart * below_n * (n - below_n);

            if (score > best) {
                best = score;
                threshold = v;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++)
        p->dark[i] = grey[i] <= threshold;
}

/* Against the mean of the five by five cells around: uneven light. */
static void darken_locally(struct picture *p, const uint8_t *grey)
{
    static uint32_t sums[CELLS][CELLS], counts[CELLS][CELLS];

    memset(sums, 0, sizeof(sums));
    memset(counts, 0, sizeof(counts));
    for (uint32_t y = 0; y < p->height; y++)
        for (uint32_t x = 0; x < p->width; x++) {
            sums[y * CELLS / p->height][x * CELLS / p->width] += grey[y * p->width + x];
            counts[y * CELLS / p->height][x * CELLS / p->width]++;
        }
    for (uint32_t y = 0; y < CELLS; y++)
        for (uint32_t x = 0; x < CELLS; x++) {
            uint32_t sum = 0, n = 0;

            for (uint32_t v = y < 2 ? 0 : y - 2; v <= y + 2 && v < CELLS; v++)
                for (uint32_t u = x < 2 ? 0 : x - 2; u <= x + 2 && u < CELLS; u++) {
                    n += counts[v][u];
                    sum += sums[v][u];
                }
            for (uint32_t v = (y * p->height + CELLS - 1) / CELLS; v * CELLS / p->height == y; v++)
                for (uint32_t u = (x * p->width + CELLS - 1) / CELLS; u * CELLS / p->width == x; u++)
                    p->dark[v * p->width + u] = (uint64_t)grey[v * p->width + u] * n * 10 < (uint64_t)sum * 9;
        }
}

static void invert(struct picture *p)
{
    for (uint32_t i = 0; i < p->width * p->height; i++)
        p->dark[i] = p->dark[i] == 0;
}

/* ---- finder patterns ---- */

/* Five runs, dark first: 1:1:3:1:1? */
static bool is_finder(const uint32_t runs[5])
{
    double total = (double)runs[0] + runs[1] + runs[2] + runs[3] + runs[4], module = total / 7,
           slack = module * .5 + .2;

    return total >= 7 && absolute(runs[0] - module) <= slack && absolute(runs[1] - module) <= slack &&
           absolute(runs[2] - 3 * module) <= slack * 2 && absolute(runs[3] - module) <= slack &&
           absolute(runs[4] - module) <= slack;
}

/* A pixel's place in its row or column. */
struct spot {
    size_t at, step;         /* in the picture, and how far apart there its neighbours are */
    uint32_t before, behind; /* how many it has */
};

/* The five runs through a dark pixel along a line; the middle of the pattern, or a negative number. Not looked at is what is further than
 * `far` away, twice the pattern: of stripes every few pixels are a candidate, whose runs go through the whole picture. */
static double cross(const struct picture *p, const struct spot *spot, uint32_t far, double *module)
{
    uint32_t runs[5] = {0}, i = 0, k = 0, before = spot->before < far ? spot->before : far,
             behind = spot->behind < far ? spot->behind : far;

    for (unsigned run = 2; run < 3; run--) { /* 2, 1, 0, and then it wraps */
        for (; i <= before && (p->dark[spot->at - i * spot->step] != 0) == (run % 2 == 0); i++)
            runs[run]++;
    }
    for (unsigned run = 2; run < 5; run++)
        for (k += run == 2; k <= behind && (p->dark[spot->at + k * spot->step] != 0) == (run % 2 == 0); k++)
            runs[run]++;
    if (!is_finder(runs))
        return -1;
    *module = ((double)runs[0] + runs[1] + runs[2] + runs[3] + runs[4]) / 7;
    return (double)spot->before - i + 1 + runs[0] + runs[1] + runs[2] / 2.0;
}

static void note_finder(struct picture *p, struct point at, double module)
{
    for (uint32_t i = 0; i < p->finders_n; i++) {
        struct finder *f = &p->finders[i];

        if (absolute(f->at.x - at.x) > 1.5 * f->module || absolute(f->at.y - at.y) > 1.5 * f->module ||
            absolute(f->module - module) > f->module * .5)
            continue;
        f->at.x += (at.x - f->at.x) / (f->hits + 1);
        f->at.y += (at.y - f->at.y) / (f->hits + 1);
        f->module += (module - f->module) / (f->hits + 1);
        f->hits++;
        return;
    }
    if (p->finders_n == FINDERS_MAX) { /* crowded: what one row alone met, further up, makes room */
        uint32_t kept = 0;

        for (uint32_t i = 0; i < FINDERS_MAX; i++)
            if (p->finders[i].hits > 1 || p->finders[i].at.y + p->finders[i].module * 3 > at.y)
                p->finders[kept++] = p->finders[i];
        p->finders_n = kept;
    }
    if (p->finders_n < FINDERS_MAX)
        p->finders[p->finders_n++] = (struct finder){at, module, 1};
}

/* A row met 1:1:3:1:1, `wide` pixels in all, with its middle at `x`: does the column through it, and the row through that column's middle? */
static void look_closer(struct picture *p, double x, uint32_t y, uint32_t wide)
{
    double across = 0, down = 0, cx, cy;
    uint32_t column = (uint32_t)x;
    struct spot spot = {(size_t)y * p->width + column, p->width, y, p->height - 1 - y};

    if (p->dark[y * p->width + column] == 0)
        return;
    cy = cross(p, &spot, 2 * wide, &down);
    if (cy < 0 || !is_dark(p, column, cy))
        return;
    spot = (struct spot){(size_t)(uint32_t)cy * p->width + column, 1, column, p->width - 1 - column};
    cx = cross(p, &spot, 2 * wide, &across);
    if (cx >= 0 && absolute(across - down) <= .4 * across + .5)
        note_finder(p, (struct point){cx, cy}, (across + down) / 2);
}

static void find_finders(struct picture *p)
{
    p->finders_n = 0;
    for (uint32_t y = 0; y < p->height; y++) {
        const uint8_t *row = p->dark + (size_t)y * p->width;
        uint32_t runs[5] = {0}, begin = 0;

        for (uint32_t x = 1; x <= p->width; x++) {
            if (x < p->width && (row[x] != 0) == (row[begin] != 0))
                continue;
            memmove(runs, runs + 1, 4 * sizeof(runs[0]));
            runs[4] = x - begin;
            if (row[begin] != 0 && runs[0] > 0 && is_finder(runs))
                look_closer(p, x - (double)runs[4] - runs[3] - runs[2] / 2.0, y,
                    runs[0] + runs[1] + runs[2] + runs[3] + runs[4]);
            begin = x;
        }
    }
}

/* How much speaks for one: of a true finder pattern three modules' rows tell, of a chance likeness few. */
static double weight(const struct finder *f)
{
    double w = f->hits / (3 * f->module);

    return w < 1 ? w : 1;
}

static void sort_finders(struct picture *p)
{
    for (uint32_t i = 1; i < p->finders_n; i++)
        for (uint32_t k = i; k > 0 && weight(&p->finders[k]) > weight(&p->finders[k - 1]); k--) {
            struct finder f = p->finders[k];

            p->finders[k] = p->finders[k - 1];
            p->finders[k - 1] = f;
        }
    if (p->finders_n > FINDERS_BEST)
        p->finders_n = FINDERS_BEST;
}

/* ---- three of them ---- */

struct triple {
    struct point corner, right, down; /* centres of the finder patterns */
    double modules;                   /* between two of them, about */
    double off;                       /* from a right angle with equal arms */
};

static double distance2(struct point a, struct point b)
{
    return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

static double root(double x)
{
    double r = x > 1 ? x : 1;

    for (unsigned i = 0; i < 40; i++) /* Newton, from above */
        r = (r + x / r) / 2;
    return r;
}

static bool is_triple(
    struct triple *out, const struct finder *a, const struct finder *b, const struct finder *c)
{
    double ab = distance2(a->at, b->at), ac = distance2(a->at, c->at), bc = distance2(b->at, c->at);
    double module = (a->module + b->module + c->module) / 3, turn;

    if (ab + ac <= 0 || absolute(ab - ac) > .5 * (ab + ac) || absolute(bc - ab - ac) > .4 * (ab + ac))
        return false;
    if (absolute(a->module - module) > .4 * module || absolute(b->module - module) > .4 * module ||
        absolute(c->module - module) > .4 * module)
        return false;
    turn = (b->at.x - a->at.x) * (c->at.y - a->at.y) - (b->at.y - a->at.y) * (c->at.x - a->at.x);
    *out = (struct triple){.corner = a->at,
        .right = turn > 0 ? b->at : c->at,
        .down = turn > 0 ? c->at : b->at,
        .modules = root((ab + ac) / 2) / module,
        .off = (absolute(ab - ac) + absolute(bc - ab - ac)) / (ab + ac) -
               (weight(a) + weight(b) + weight(c)) / 3};
    return out->modules > 9 && out->modules < 260;
}

/* The best of them, best first; their number. */
static uint32_t find_triples(const struct picture *p, struct triple best[TRIPLES_MAX])
{
    uint32_t n = 0;

    for (uint32_t a = 0; a < p->finders_n; a++)
        for (uint32_t b = 0; b < p->finders_n; b++)
            for (uint32_t c = 0; c < b; c++) {
                struct triple t;
                uint32_t k;

                if (a == b || a == c || !is_triple(&t, &p->finders[a], &p->finders[b], &p->finders[c]))
                    continue;
                k = n < TRIPLES_MAX ? n++ : TRIPLES_MAX - 1;
                if (k == TRIPLES_MAX - 1 && n == TRIPLES_MAX && best[k].off <= t.off && best[k].modules > 0)
                    continue;
                for (; k > 0 && best[k - 1].off > t.off; k--)
                    best[k] = best[k - 1];
                best[k] = t;
            }
    return n;
}

/* ---- the grid ---- */

/* Modules to pixels: x = (m0 u + m1 v + m2) / w, y = (m3 u + m4 v + m5) / w, w = m6 u + m7 v + 1. */
struct grid {
    double m[8];
};

static struct point place(const struct grid *g, double u, double v)
{
    double w = g->m[6] * u + g->m[7] * v + 1;

    if (w < 1e-6)
        return (struct point){-1, -1};
    return (struct point){
        (g->m[0] * u + g->m[1] * v + g->m[2]) / w, (g->m[3] * u + g->m[4] * v + g->m[5]) / w};
}

static bool is_dark_at(const struct picture *p, const struct grid *g, double u, double v)
{
    struct point at = place(g, u, v);

    return is_dark(p, at.x, at.y);
}

/* From the three centres alone. */
static void lay_flat(struct grid *g, const struct triple *t, uint32_t side)
{
    double n = side - 7.0;
    struct point u = {(t->right.x - t->corner.x) / n, (t->right.y - t->corner.y) / n};
    struct point v = {(t->down.x - t->corner.x) / n, (t->down.y - t->corner.y) / n};

    *g = (struct grid){
        {u.x, v.x, t->corner.x - 3.5 * (u.x + v.x), u.y, v.y, t->corner.y - 3.5 * (u.y + v.y), 0, 0}};
}

/* Gauss, with the largest pivot; false: no solution. Eight equations of eight unknowns and a right side. */
static bool solve(double rows[8][9], double out[8])
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned best = i;

        for (unsigned k = i + 1; k < 8; k++)
            if (absolute(rows[k][i]) > absolute(rows[best][i]))
                best = k;
        if (absolute(rows[best][i]) < 1e-9)
            return false;
        for (unsigned j = 0; j < 9; j++) {
            double swapped = rows[i][j];

            rows[i][j] = rows[best][j];
            rows[best][j] = swapped;
        }
        for (unsigned k = 0; k < 8; k++) {
            double factor = k == i ? 0 : rows[k][i] / rows[i][i];

            for (unsigned j = i; j < 9; j++)
                rows[k][j] -= factor * rows[i][j];
        }
    }
    for (unsigned i = 0; i < 8; i++)
        out[i] = rows[i][8] / rows[i][i];
    return true;
}

/* From the three centres and that of the last alignment pattern. */
static bool lay_in_perspective(struct grid *g, const struct triple *t, uint32_t side, struct point fourth)
{
    double far = side - 3.5, near = side - 6.5;
    const double from[4][2] = {{3.5, 3.5}, {far, 3.5}, {3.5, far}, {near, near}};
    const struct point to[4] = {t->corner, t->right, t->down, fourth};
    double rows[8][9] = {{0}};

    for (unsigned i = 0; i < 4; i++) {
        double u = from[i][0], v = from[i][1];
        const double one[9] = {u, v, 1, 0, 0, 0, -u * to[i].x, -v * to[i].x, to[i].x};
        const double two[9] = {0, 0, 0, u, v, 1, -u * to[i].y, -v * to[i].y, to[i].y};

        memcpy(rows[2 * i], one, sizeof(one));
        memcpy(rows[2 * i + 1], two, sizeof(two));
    }
    return solve(rows, g->m);
}

/* How well both timing patterns alternate at this size, in thousandths, less what the distance of the centres speaks against it. */
static double timing(const struct picture *p, const struct triple *t, uint32_t side)
{
    struct grid g;
    uint32_t good = 0, n = side - 16;

    lay_flat(&g, t, side);
    for (uint32_t i = 8; i < side - 8; i++)
        good += (uint32_t)(is_dark_at(p, &g, i + .5, 6.5) == (i % 2 == 0)) +
                (uint32_t)(is_dark_at(p, &g, 6.5, i + .5) == (i % 2 == 0));
    return 500.0 * good / n - 2.5 * absolute(side - 7 - t->modules);
}

static uint32_t side_of(const struct picture *p, const struct triple *t)
{
    uint32_t found = 0;
    double best = 0;

    for (uint32_t side = 21; side <= QR_SIDE_MAX; side += 4) {
        double score = timing(p, t, side);

        if (score > best) {
            best = score;
            found = side;
        }
    }
    return found;
}

/* Looks for the alignment pattern in the fourth corner, up to three modules off; where several places fit alike, their middle. */
static bool find_alignment(const struct picture *p, const struct grid *g, uint32_t side, struct point *out)
{
    double centre = side - 6.5, sum_u = 0, sum_v = 0;
    uint32_t best = 21, n = 0; /* of 25 modules this many must be right */

    for (int i = -15; i <= 15; i++)
        for (int k = -15; k <= 15; k++) {
            double u = centre + i * .2, v = centre + k * .2;
            uint32_t good = 0;

            for (int dy = -2; dy <= 2; dy++)
                for (int dx = -2; dx <= 2; dx++) {
                    bool is_ring = dx == -2 || dx == 2 || dy == -2 || dy == 2, is_middle = dx == 0 && dy == 0;

                    good += is_dark_at(p, g, u + dx, v + dy) == (is_ring || is_middle);
                }
            if (good > best) {
                best = good;
                sum_u = sum_v = 0;
                n = 0;
            }
            if (good == best) {
                sum_u += u;
                sum_v += v;
                n++;
            }
        }
    if (n == 0)
        return false;
    *out = place(g, sum_u / n, sum_v / n);
    return true;
}

/* Five places in each module, and the majority of them. */
static void sample(uint8_t *modules, const struct picture *p, const struct grid *g, uint32_t side)
{
    for (uint32_t y = 0; y < side; y++)
        for (uint32_t x = 0; x < side; x++) {
            double u = x + .5, v = y + .5;
            unsigned dark = is_dark_at(p, g, u, v);

            dark += is_dark_at(p, g, u - .2, v - .2) + is_dark_at(p, g, u + .2, v - .2);
            dark += is_dark_at(p, g, u - .2, v + .2) + is_dark_at(p, g, u + .2, v + .2);
            modules[y * side + x] = dark >= 3;
        }
}

static enum qr_result read_triple(char *out, size_t *size, const struct picture *p, const struct triple *t)
{
    static uint8_t modules[QR_SIDE_MAX * QR_SIDE_MAX];
    uint32_t side = side_of(p, t);
    enum qr_result result = QR_NONE;
    struct grid flat, g;
    struct point fourth;

    if (side == 0 || timing(p, t, side) < 700)
        return QR_NONE;
    lay_flat(&flat, t, side);
    g = flat;
    if (side > 21 && find_alignment(p, &flat, side, &fourth) && lay_in_perspective(&g, t, side, fourth)) {
        sample(modules, p, &g, side);
        result = qr_read_modules(out, size, modules, side);
    }
    if (result == QR_READ || result == QR_FOREIGN)
        return result;
    sample(modules, p, &flat, side);
    return qr_read_modules(out, size, modules, side);
}

static enum qr_result read_picture(char *out, size_t *size, struct picture *p)
{
    struct triple triples[TRIPLES_MAX];
    enum qr_result best = QR_NONE;
    uint32_t n;

    find_finders(p);
    sort_finders(p);
    n = find_triples(p, triples);
    for (uint32_t i = 0; i < n; i++) {
        enum qr_result result = read_triple(out, size, p, &triples[i]);

        if (result == QR_READ || result == QR_FOREIGN)
            return result;
        if (result == QR_DAMAGED)
            best = result;
    }
    return best;
}

enum qr_result qr_read(char *out, size_t *size, const uint8_t *grey, uint32_t width, uint32_t height)
{
    struct picture p = {.width = width, .height = height};
    enum qr_result best = QR_NONE;

    *size = 0;
    if (width < 21 || height < 21 || width > QR_PIXELS_MAX / height)
        return QR_NONE;
    p.dark = malloc((size_t)width * height);
    if (p.dark == NULL)
        return QR_NO_MEMORY;
    for (unsigned i = 0; i < 4 && best != QR_READ && best != QR_FOREIGN; i++) {
        enum qr_result result;

        if (i < 2)
            darken_all(&p, grey);
        else
            darken_locally(&p, grey);
        if (i % 2 == 1)
            invert(&p);
        result = read_picture(out, size, &p);
        best = result != QR_NONE ? result : best;
    }
    free(p.dark);
    return best;
}
