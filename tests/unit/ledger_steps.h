/* ledger_steps.h: steps that the tests of the embedded ledger share, on top of ledger_fixture.h: setting up, pushing,
 * comparing. Unlike the fixture's own, they assert. */
#ifndef SLK_TESTS_LEDGER_STEPS_H
#define SLK_TESTS_LEDGER_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ledger_fixture.h"

/* cmocka's state becomes a fixture: without a ledger, with a new one, with one of 5 events in a submission and 10 in a
 * block. tear_down frees it. */
void open_fixture(void **state, const struct fixture_shape *shape);
int set_up_empty(void **state);
int set_up(void **state);
int set_up_small_limits(void **state);
int tear_down(void **state);

void assert_tip_equal(const struct slk_tip *a, const struct slk_tip *b);
/* What the stored checkpoint covers; zeros when there is none. */
struct slk_tree_head signed_head(struct slk_ledger *ledger);

/* Answers in the order they came. */
struct seen {
    size_t n;
    size_t tags[4096];
    struct slk_result results[4096];
    enum slk_rule rules[16]; /* of the newest refused one */
};

/* Pushes these bytes; the answer goes to `seen` under this tag. */
void push(struct slk_ledger *ledger, struct slk_span bytes, size_t tag, struct seen *seen);
void flush(struct slk_ledger *ledger);
/* A submission that issues `n` cards, first_number and up. */
struct slk_span issue_many(struct fixture *f, uint32_t first_number, size_t n);

#endif
