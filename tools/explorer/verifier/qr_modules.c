/* qr_modules.c: from the modules of a QR code to its text: see qr_read.h. */
#include <stdbool.h>
#include <string.h>

#include "tools/explorer/verifier/qr_read.h"

#define CODEWORDS_MAX 3706 /* version 40 */
#define VERSION_MAX   40
#define ECC_MAX       30
#define FORMAT_MASK   0x5412u

enum level { LEVEL_L, LEVEL_M, LEVEL_Q, LEVEL_H, LEVELS_N };

/* ISO/IEC 18004 table 9: error correction codewords of a block, and blocks, by version. */
static const uint8_t ecc_sizes[LEVELS_N][VERSION_MAX] = {
    {7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28,
        30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
    {10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28,
        28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28},
    {13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30, 28, 30, 30, 30, 30, 28,
        30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
    {17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28, 30, 24, 30, 30, 30, 30,
        30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30}};
static const uint8_t block_counts[LEVELS_N][VERSION_MAX] = {
    {1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17,
        18, 19, 19, 20, 21, 22, 24, 25},
    {1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29,
        31, 33, 35, 37, 38, 40, 43, 45, 47, 49},
    {1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20, 23, 23, 25, 27, 29, 34, 34, 35, 38,
        40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68},
    {1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25, 25, 34, 30, 32, 35, 37, 40, 42, 45,
        48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81}};

struct code {
    const uint8_t *modules;
    uint32_t side, version;
    enum level level;
    unsigned mask;
};

static bool is_dark(const struct code *c, uint32_t x, uint32_t y)
{
    return c->modules[y * c->side + x] != 0;
}

/* ---- format ---- */

/* Five bits and their BCH(15,5) code, masked. */
static unsigned format_word(unsigned data)
{
    unsigned rest = data;

    for (unsigned i = 0; i < 10; i++)
        rest = rest << 1 ^ (rest >> 9) * 0x537u;
    return (data << 10 | (rest & 0x3ff)) ^ FORMAT_MASK;
}

static unsigned differences(unsigned a, unsigned b)
{
    unsigned n = 0;

    for (unsigned x = a ^ b; x != 0; x &= x - 1)
        n++;
    return n;
}

/* It stands there twice; the word nearest to either copy. Words differ in 7 places, so 3 errors are corrected. */
static bool read_format(struct code *c)
{
    static const enum level levels[4] = {LEVEL_M, LEVEL_L, LEVEL_H, LEVEL_Q};
    unsigned first = 0, second = 0, best = 15, found = 0;
    uint32_t last = c->side - 1;

    for (uint32_t i = 0; i < 15; i++) {
        uint32_t along = i < 6    ? i
                         : i < 8  ? i + 1
                         : i == 8 ? 7
                                  : 14 - i; /* both arms step over the timing patterns */

        first |= (unsigned)(i < 8 ? is_dark(c, 8, along) : is_dark(c, along, 8)) << i;
        second |= (unsigned)(i < 8 ? is_dark(c, last - i, 8) : is_dark(c, 8, last - 14 + i)) << i;
    }
    for (unsigned data = 0; data < 32; data++) {
        unsigned word = format_word(data), a = differences(word, first), b = differences(word, second);
        unsigned near = a < b ? a : b;

        if (near < best) {
            best = near;
            found = data;
        }
    }
    c->level = levels[found >> 3];
    c->mask = found & 7;
    return best <= 3;
}

/* ---- codewords ---- */

/* Centres of alignment patterns along one side; their number, at most 7. */
static uint32_t alignment_places(const struct code *c, uint32_t places[7])
{
    uint32_t n = c->version / 7 + 2, step;

    if (c->version == 1)
        return 0;
    step = c->version == 32 ? 26 : (c->version * 4 + n * 2 + 1) / (n * 2 - 2) * 2;
    places[0] = 6;
    for (uint32_t i = 1; i < n; i++)
        places[i] = c->side - 7 - (n - 1 - i) * step;
    return n;
}

static bool is_near(uint32_t a, uint32_t b)
{
    return a + 2 >= b && b + 2 >= a;
}

/* Does the module belong to a pattern, not to the data? */
static bool is_pattern(
    const struct code *c, uint32_t x, uint32_t y, const uint32_t *places, uint32_t places_n)
{
    uint32_t end = c->side - 8;

    if (x == 6 || y == 6 || (x < 9 && (y < 9 || y >= end)) || (x >= end && y < 9))
        return true;
    if (c->version >= 7 && ((x < 6 && y >= end - 3) || (y < 6 && x >= end - 3)))
        return true;
    for (uint32_t i = 0; i < places_n; i++)
        for (uint32_t j = 0; j < places_n; j++) {
            bool in_corner =
                (i == 0 && j == 0) || (i == 0 && j == places_n - 1) || (i == places_n - 1 && j == 0);

            if (!in_corner && is_near(x, places[i]) && is_near(y, places[j]))
                return true;
        }
    return false;
}

static bool is_masked(unsigned mask, uint32_t x, uint32_t y)
{
    switch (mask) {
    case 0:
        return (x + y) % 2 == 0;
    case 1:
        return y % 2 == 0;
    case 2:
        return x % 3 == 0;
    case 3:
        return (x + y) % 3 == 0;
    case 4:
        return (x / 3 + y / 2) % 2 == 0;
    case 5:
        return x * y % 2 + x * y % 3 == 0;
    case 6:
        return (x * y % 2 + x * y % 3) % 2 == 0;
    default:
        return ((x + y) % 2 + x * y % 3) % 2 == 0;
    }
}

/* Up and down in columns of two, from the right; the number of whole codewords. */
static uint32_t read_codewords(const struct code *c, uint8_t out[CODEWORDS_MAX])
{
    uint32_t places[7], places_n = alignment_places(c, places), bits = 0;

    memset(out, 0, CODEWORDS_MAX);
    for (uint32_t pair = 0; pair < c->side / 2; pair++) {
        uint32_t right = c->side - 1 - 2 * pair;

        right -= right <= 6; /* over the timing pattern */
        for (uint32_t i = 0; i < 2 * c->side; i++) {
            uint32_t x = right - i % 2, y = pair % 2 == 0 ? c->side - 1 - i / 2 : i / 2;

            if (is_pattern(c, x, y, places, places_n) || bits / 8 == CODEWORDS_MAX)
                continue;
            if (is_dark(c, x, y) != is_masked(c->mask, x, y))
                out[bits / 8] |= (uint8_t)(0x80 >> bits % 8);
            bits++;
        }
    }
    return bits / 8;
}

/* ---- Reed-Solomon over GF(256), x^8 + x^4 + x^3 + x^2 + 1 ---- */

static uint8_t powers[512], logs[256];

static void make_field(void)
{
    unsigned x = 1;

    for (unsigned i = 0; i < 255; i++) {
        powers[i] = powers[i + 255] = (uint8_t)x;
        logs[x] = (uint8_t)i;
        x = x << 1 ^ (x >> 7) * 0x11d;
    }
}

static uint8_t times(uint8_t a, uint8_t b)
{
    return a == 0 || b == 0 ? 0 : powers[logs[a] + logs[b]];
}

/* b is not 0 */
static uint8_t over(uint8_t a, uint8_t b)
{
    return a == 0 ? 0 : powers[logs[a] + 255 - logs[b]];
}

/* A polynomial, lowest coefficient first, at x. */
static uint8_t value_at(const uint8_t *poly, uint32_t n, uint8_t x)
{
    uint8_t sum = 0;

    while (n-- > 0)
        sum = (uint8_t)(times(sum, x) ^ poly[n]);
    return sum;
}

/* The values of the block, its first byte the highest coefficient, at the powers 0 to ecc_n - 1; true: all are 0. */
static bool syndromes_of(uint8_t out[ECC_MAX], const uint8_t *block, uint32_t n, uint32_t ecc_n)
{
    uint8_t any = 0;

    for (uint32_t i = 0; i < ecc_n; i++) {
        out[i] = 0;
        for (uint32_t k = 0; k < n; k++)
            out[i] = (uint8_t)(times(out[i], powers[i]) ^ block[k]);
        any |= out[i];
    }
    return any == 0;
}

/* Berlekamp and Massey: the polynomial whose roots are the places of the errors; its degree. */
static uint32_t find_locator(uint8_t locator[ECC_MAX + 1], const uint8_t *syndromes, uint32_t ecc_n)
{
    uint8_t old[ECC_MAX + 1] = {1}, kept[ECC_MAX + 1], last = 1;
    uint32_t degree = 0, since = 1;

    memset(locator, 0, ECC_MAX + 1);
    locator[0] = 1;
    for (uint32_t i = 0; i < ecc_n; i++, since++) {
        uint8_t off = syndromes[i];

        for (uint32_t k = 1; k <= degree; k++)
            off ^= times(locator[k], syndromes[i - k]);
        if (off == 0)
            continue;
        memcpy(kept, locator, sizeof(kept));
        for (uint32_t k = 0; k + since <= ECC_MAX; k++)
            locator[k + since] ^= times(over(off, last), old[k]);
        if (2 * degree > i)
            continue;
        degree = i + 1 - degree;
        memcpy(old, kept, sizeof(old));
        last = off;
        since = 0;
    }
    return degree;
}

/* Forney: the error at the place whose inverse is `root`. */
static uint8_t error_at(const uint8_t *locator, const uint8_t *syndromes, uint32_t ecc_n, uint8_t root)
{
    uint8_t evaluator[ECC_MAX] = {0}, slope = 0, power = 1;

    for (uint32_t i = 0; i < ecc_n; i++)
        for (uint32_t k = 0; k <= i; k++)
            evaluator[i] ^= times(syndromes[i - k], locator[k]);
    for (uint32_t k = 1; k <= ECC_MAX; k += 2) { /* the derivative: odd places only, in characteristic 2 */
        slope ^= times(locator[k], power);
        power = times(power, times(root, root));
    }
    return slope == 0 ? 0 : over(over(value_at(evaluator, ecc_n, root), slope), root);
}

/* Corrects a block in place; false: more is wrong than can be corrected. */
static bool correct(uint8_t *block, uint32_t n, uint32_t ecc_n)
{
    uint8_t syndromes[ECC_MAX], again[ECC_MAX], locator[ECC_MAX + 1];
    uint32_t degree, found = 0;

    if (syndromes_of(syndromes, block, n, ecc_n))
        return true;
    degree = find_locator(locator, syndromes, ecc_n);
    if (2 * degree > ecc_n)
        return false;
    for (uint32_t place = 0; place < n; place++) { /* as a power, from the block's end */
        uint8_t root = powers[255 - place];

        if (value_at(locator, degree + 1, root) != 0)
            continue;
        block[n - 1 - place] ^= error_at(locator, syndromes, ecc_n, root);
        found++;
    }
    return found == degree && syndromes_of(again, block, n, ecc_n);
}

/* Takes the interleaved blocks apart, corrects each, and joins their data; its length, 0: too damaged. */
static uint32_t join_blocks(
    const struct code *c, const uint8_t *words, uint32_t words_n, uint8_t out[CODEWORDS_MAX])
{
    uint32_t blocks_n = block_counts[c->level][c->version - 1], ecc_n = ecc_sizes[c->level][c->version - 1];
    uint32_t total = words_n / blocks_n, short_n = blocks_n - words_n % blocks_n, data_n = total - ecc_n,
             size = 0;

    make_field();
    for (uint32_t b = 0; b < blocks_n; b++) {
        uint8_t block[256];
        uint32_t n = data_n + (b >= short_n); /* the later blocks have one data codeword more */

        for (uint32_t i = 0; i < data_n; i++)
            block[i] = words[i * blocks_n + b];
        if (b >= short_n)
            block[data_n] = words[data_n * blocks_n + b - short_n];
        for (uint32_t i = 0; i < ecc_n; i++)
            block[n + i] = words[words_n - (ecc_n - i) * blocks_n + b];
        if (!correct(block, n + ecc_n, ecc_n))
            return 0;
        memcpy(out + size, block, n);
        size += n;
    }
    return size;
}

/* ---- segments ---- */

struct bits {
    const uint8_t *bytes;
    uint32_t at, end;
    bool bad; /* more was asked for than there is: it stays so */
};

static uint32_t take(struct bits *b, uint32_t n)
{
    uint32_t value = 0;

    if (b->bad || n > b->end - b->at) {
        b->bad = true;
        return 0;
    }
    for (; n > 0; n--, b->at++)
        value = value << 1 | (b->bytes[b->at / 8] >> (7 - b->at % 8) & 1);
    return value;
}

struct text {
    char *out;
    size_t size;
    bool bad;
};

static void put(struct text *t, char c)
{
    if (t->size == QR_TEXT_MAX)
        t->bad = true;
    else
        t->out[t->size++] = c;
}

static void take_digits(struct bits *b, struct text *t, uint32_t n)
{
    static const uint8_t widths[4] = {0, 4, 7, 10};

    while (n > 0 && !b->bad && !t->bad) {
        uint32_t now = n < 3 ? n : 3, value = take(b, widths[now]),
                 scale = now == 3   ? 100
                         : now == 2 ? 10
                                    : 1;

        t->bad = t->bad || value >= 10 * scale;
        for (; scale > 0 && !t->bad && !b->bad; scale /= 10)
            put(t, (char)('0' + value / scale % 10));
        n -= now;
    }
}

static void take_letters(struct bits *b, struct text *t, uint32_t n)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

    while (n > 0 && !b->bad && !t->bad) {
        uint32_t now = n < 2 ? n : 2, value = take(b, now == 2 ? 11 : 6);

        t->bad = t->bad || value >= (now == 2 ? 45 * 45 : 45);
        if (t->bad || b->bad)
            return;
        if (now == 2)
            put(t, letters[value / 45]);
        put(t, letters[value % 45]);
        n -= now;
    }
}

static void take_bytes(struct bits *b, struct text *t, uint32_t n)
{
    while (n-- > 0 && !b->bad && !t->bad) {
        char c = (char)take(b, 8);

        if (!b->bad)
            put(t, c);
    }
}

/* Which character set bytes are in: passed over, our texts are the same in all. */
static void skip_eci(struct bits *b)
{
    uint32_t first = take(b, 8);

    (void)take(b, first < 0x80 ? 0 : first < 0xc0 ? 8 : 16);
}

static enum qr_result read_segments(struct text *t, struct bits *b, uint32_t version)
{
    static const uint8_t widths[3][3] = {{10, 12, 14}, {9, 11, 13}, {8, 16, 16}};
    uint32_t range = version < 10 ? 0 : version < 27 ? 1 : 2;

    while (b->end - b->at >= 4) {
        uint32_t mode = take(b, 4);

        if (mode == 0)
            break;
        if (mode == 1)
            take_digits(b, t, take(b, widths[0][range]));
        else if (mode == 2)
            take_letters(b, t, take(b, widths[1][range]));
        else if (mode == 4)
            take_bytes(b, t, take(b, widths[2][range]));
        else if (mode == 7)
            skip_eci(b);
        else
            return QR_FOREIGN; /* kanji, parts of a series, FNC1 */
        if (b->bad || t->bad)
            return QR_FOREIGN;
    }
    return QR_READ;
}

enum qr_result qr_read_modules(char *out, size_t *size, const uint8_t *modules, uint32_t side)
{
    static uint8_t words[CODEWORDS_MAX], data[CODEWORDS_MAX];
    struct code c = {.modules = modules, .side = side, .version = (side - 17) / 4};
    struct text text = {.out = out};
    struct bits bits = {.bytes = data};
    enum qr_result result;
    uint32_t words_n;

    *size = 0;
    if (side < 21 || side > QR_SIDE_MAX || side % 4 != 1)
        return QR_NONE;
    if (!read_format(&c))
        return QR_DAMAGED;
    words_n = read_codewords(&c, words);
    bits.end = 8 * join_blocks(&c, words, words_n, data);
    if (bits.end == 0)
        return QR_DAMAGED;
    result = read_segments(&text, &bits, c.version);
    *size = result == QR_READ ? text.size : 0;
    return result;
}
