/* lsx.pml: the voting rules of Lockstep Simplex at one height, for Spin: written from the rules, not from the code.
 *
 *   spin -a lsx.pml && cc -O2 -DSAFETY -DNOREDUCE -DCOLLAPSE -o pan pan.c && ./pan -m100000      (spin.py does it)
 *
 *   -DVIEWS=2           views in which everything goes (1 to 3)
 *   -DPROGRESS          the other question: one more view, in which the honest are left in peace
 *   -DNO_EXCLUSION      a member votes FINALIZE after NULLIFY, and NULLIFY after FINALIZE: must fork
 *   -DNO_K_CHECK        a member notarizes without looking for K: must fork
 *   -DNO_SHOW           with PROGRESS: who votes FINALIZE need not keep N: must get stuck
 *   -DFORKS_ONLY        only two final blocks count
 *
 * Members 0, 1, 2 are honest, the fourth signs anything. In the first VIEWS views every leader is as bad as can be: two fresh
 * blocks each, and any carried one that can be justified. A message is knowledge: what can be shown, any member may learn,
 * now or never. So a state is what honest members signed, and in which view they are.
 *
 * Safety: assertions after every vote; the fourth member's is always counted. Progress: what can be shown is what an honest
 * member was shown once, and the fourth falls silent whenever it likes. No vote is ever taken back, so every run ends; it
 * has to end in a decision (`timeout`: nothing can happen any more).
 */
#ifndef VIEWS
#define VIEWS 2
#endif
#define QUORUM 3
#define PEACE  (VIEWS + 1) /* PROGRESS: its leader is honest and the timers are long enough: nobody nullifies */

#define AT(i, w) ((i) * (PEACE + 1) + (w))
#define A(w)     (2 * (w) - 1) /* the fresh blocks of view w */
#define B(w)     (2 * (w))

byte view[3];
byte notarized[3 * (PEACE + 1)];
bit nullified[3 * (PEACE + 1)];
byte finalized[3 * (PEACE + 1)];

#define NULLIFIES(w)    (nullified[AT(0, w)] + nullified[AT(1, w)] + nullified[AT(2, w)])
#define NOTARIZES(w, b) ((notarized[AT(0, w)] == b) + (notarized[AT(1, w)] == b) + (notarized[AT(2, w)] == b))
#define FINALIZES(w, b) ((finalized[AT(0, w)] == b) + (finalized[AT(1, w)] == b) + (finalized[AT(2, w)] == b))

/* R6: K(w), N(w), F(w): the block, or 0. Nobody votes twice, so of two members one tells what two agree on. */
#ifdef PROGRESS
bit k[PEACE + 1];
byte n[PEACE + 1], f[PEACE + 1];
byte proposal; /* in the last view */
bit is_silent; /* the fourth member, from here on */
#define K(w) k[w]
#define N(w) n[w]
#define F(w) f[w]
#else
#define HELP                  1
#define K(w)                  (NULLIFIES(w) + HELP >= QUORUM)
#define AGREED(votes, w)      (votes[AT(0, w)] != 0 && (votes[AT(0, w)] == votes[AT(1, w)] || votes[AT(0, w)] == votes[AT(2, w)]) \
                               -> votes[AT(0, w)] : (votes[AT(1, w)] == votes[AT(2, w)] -> votes[AT(1, w)] : 0))
#define N(w)                  AGREED(notarized, w)
#define F(w)                  AGREED(finalized, w)
#endif

#if VIEWS >= 2
#define IF_TWO(X) X
#else
#define IF_TWO(X)
#endif
#if VIEWS >= 3
#define IF_THREE(X) X
#else
#define IF_THREE(X)
#endif

/* Is there K for every view after u and before w? */
#ifdef NO_K_CHECK
#define BRIDGED(u, w) true
#else
#define BRIDGED(u, w)                                                                                        \
    ((u >= 1 || w <= 1 || K(1)) IF_TWO(&& (u >= 2 || w <= 2 || K(2))) IF_THREE(&& (u >= 3 || w <= 3 || K(3))))
#endif

#ifdef NO_EXCLUSION
#define MAY_FINALIZE(i, w) true
#define MAY_NULLIFY(i, w)  true
#else
#define MAY_FINALIZE(i, w) (nullified[AT(i, w)] == 0)
#define MAY_NULLIFY(i, w)  (finalized[AT(i, w)] == 0)
#endif

/* Protocol 2.17: all F are for one block. F(w) and K(w) exclude each other; F(w) is for the block of N(w), and so is every
 * later N. */
byte final;
inline check_view(w)
{
    assert(F(w) == 0 || final == 0 || F(w) == final);
    if
    :: F(w) != 0 -> final = F(w)
    :: else
    fi;
#ifndef FORKS_ONLY
    assert(F(w) == 0 || N(w) == F(w));
    assert(final == 0 || N(w) == 0 || N(w) == final);
    assert(F(w) == 0 || w == PEACE || !K(w))
#endif
}
inline check()
{
    d_step {
        final = 0;
        check_view(1);
#if VIEWS >= 2
        check_view(2);
#endif
#if VIEWS >= 3
        check_view(3);
#endif
#ifdef PROGRESS
        check_view(PEACE);
#endif
        final = 0
    }
}

/* R2: a certificate of this or a later view. */
#define ENTER(i, w)                                                                                          \
    :: atomic { view[i] <= w && (K(w) || N(w) != 0) -> view[i] = w + 1 }

/* R4: one block per view; fresh with K of all views before, or carried from N with K of all views between. The two fresh
 * blocks differ in their names only: the first that anybody votes for is a. */
#define FRESH(i, w)                                                                                          \
    :: atomic { view[i] == w && notarized[AT(i, w)] == 0 && BRIDGED(0, w) ->                                 \
        notarized[AT(i, w)] = A(w); check() }                                                                \
    :: atomic { view[i] == w && notarized[AT(i, w)] == 0 && BRIDGED(0, w) && NOTARIZES(w, A(w)) > 0 ->       \
        notarized[AT(i, w)] = B(w); check() }
#define CARRIED(i, u, w)                                                                                     \
    :: atomic { view[i] == w && notarized[AT(i, w)] == 0 && N(u) != 0 && BRIDGED(u, w) ->                    \
        notarized[AT(i, w)] = N(u); check() }

/* R5, whenever its timer likes; R7. */
#define NULLIFY(i, w)                                                                                        \
    :: atomic { view[i] == w && !nullified[AT(i, w)] && MAY_NULLIFY(i, w) ->                                 \
        nullified[AT(i, w)] = 1; check() }
#define FINALIZE(i, w)                                                                                       \
    :: atomic { N(w) != 0 && finalized[AT(i, w)] == 0 && MAY_FINALIZE(i, w) ->                               \
        finalized[AT(i, w)] = N(w); view[i] = (view[i] <= w -> w + 1 : view[i]); check() }

#define MEMBER(i)                                                                                            \
    ENTER(i, 1) FRESH(i, 1) NULLIFY(i, 1) FINALIZE(i, 1)                                                     \
    IF_TWO(ENTER(i, 2) FRESH(i, 2) NULLIFY(i, 2) FINALIZE(i, 2)) IF_TWO(CARRIED(i, 1, 2))                    \
    IF_THREE(ENTER(i, 3) FRESH(i, 3) NULLIFY(i, 3) FINALIZE(i, 3))                                           \
    IF_THREE(CARRIED(i, 1, 3)) IF_THREE(CARRIED(i, 2, 3))

#ifdef PROGRESS
#define HELP (1 - is_silent)
#define SHOW_K(w)                                                                                            \
    :: atomic { !k[w] && NULLIFIES(w) + HELP >= QUORUM -> k[w] = 1; check() }
#define SHOW_N(w, b)                                                                                         \
    :: atomic { n[w] == 0 && b != 0 && NOTARIZES(w, b) + HELP >= QUORUM -> n[w] = b; check() }
#define SHOW_F(w)                                                                                            \
    :: atomic { f[w] == 0 && n[w] != 0 && FINALIZES(w, n[w]) + HELP >= QUORUM -> f[w] = n[w]; check() }
/* A block has its N from members 0, 1 or 1, 2 or 0, 2: one of the first two voted for it. */
#define SHOW(w)                                                                                              \
    SHOW_K(w) SHOW_N(w, notarized[AT(0, w)]) SHOW_N(w, notarized[AT(1, w)]) SHOW_F(w)

/* R3 in the last view: its leader is there and proposes whatever it can give a reason for. */
#define ARRIVED (view[0] >= PEACE || view[1] >= PEACE || view[2] >= PEACE)
#define LEADER_CARRIES(u)                                                                                    \
    :: atomic { proposal == 0 && ARRIVED && n[u] != 0 && BRIDGED(u, PEACE) -> proposal = n[u] }
#define LEADER                                                                                               \
    :: atomic { proposal == 0 && ARRIVED && BRIDGED(0, PEACE) -> proposal = A(PEACE) }                       \
    LEADER_CARRIES(1) IF_TWO(LEADER_CARRIES(2)) IF_THREE(LEADER_CARRIES(3))
#define IN_PEACE(i)                                                                                          \
    :: atomic { view[i] == PEACE && notarized[AT(i, PEACE)] == 0 && proposal != 0 ->                         \
        notarized[AT(i, PEACE)] = proposal; check() }                                                        \
    FINALIZE(i, PEACE)

/* NO_SHOW: who votes FINALIZE does not keep N, and the fourth member, which helped to make it, is gone. */
#ifdef NO_SHOW
#define LOSE(w)                                                                                              \
    :: atomic { is_silent && n[w] != 0 && NOTARIZES(w, n[w]) < QUORUM -> n[w] = 0 }
#else
#define LOSE(w)
#endif
#define EVERYBODY                                                                                            \
    SHOW(1) LOSE(1) IF_TWO(SHOW(2) LOSE(2)) IF_THREE(SHOW(3) LOSE(3))                                        \
    IN_PEACE(0) IN_PEACE(1) IN_PEACE(2)                                                                      \
    LEADER SHOW_N(PEACE, proposal) SHOW_F(PEACE)                                                             \
    :: atomic { !is_silent -> is_silent = 1 }
#define DECIDED (f[1] != 0 IF_TWO(|| f[2] != 0) IF_THREE(|| f[3] != 0) || f[PEACE] != 0)
#else
#define EVERYBODY
#define DECIDED true /* nothing has to happen */
#endif

init {
    d_step { view[0] = 1; view[1] = 1; view[2] = 1 }
    do
    MEMBER(0)
    MEMBER(1)
    MEMBER(2)
    EVERYBODY
    :: timeout -> break
    od;
    assert(DECIDED)
}
