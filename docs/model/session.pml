/*
 * Resume and acknowledgement of the native session.  README.md: what is modelled, and how to run it.
 *
 * A link is seen only through what is read from it, so a cut needs no process of its own: at any moment the dialler may
 * give its link up and dial again.  What it had not read of the old link is lost.  What the listener had not read of it
 * stays readable until the listener joins that link (it notices late), or is never read (it noticed early).  A Hello
 * given up stays in the accept queue, and may be read after its successors.
 *
 * Before both Hellos a link carries nothing but the dialler's Hello, and the listener reads data from one link only, so
 * one channel a direction and one bag of unread Hellos hold the bytes of all links.
 */
#include "world.h"
#define D 0                                   /* The dialler. */
#define L 1                                   /* The listener. */
#define bit(n) (1 << (n))
#define total(i) (i -> N1 : N0)
#define payloads(base, n) ((bit(n) - 1) << ((base) + 1))   /* Of units 1 to n. */

mtype = { HELLO, GROUP, NACK, NACKED, CLOSE, LOST };
/* A frame: kind, first unit, count, its first payload (for the oracle), received, processed, Limit.  Never full. */
chan from[2] = [10] of { mtype, byte, byte, byte, byte, byte, byte };
/* An unread Hello: link, session ID, draw seen (0: none), base (for the oracle), received, processed, Limit, redelivered. */
chan hellos = [LINKS] of { byte, byte, byte, byte, byte, byte, byte, byte };

typedef Side {
	byte base;                                /* Unit n of the session is payload base+n of all that this side sends. */
	byte written, sent, conf, done, limit;    /* Sender: units written; written on this link; confirmed as received, */
	byte ends;                                /* as processed; Limit of the peer.  Bit n: a group ended with unit n. */
	byte rcvd, proc, taken;                   /* Receiver: the numbers it states; units the application took. */
	bit news;                                 /* One of them changed since it was last said on this link. */
	byte acked, nacked, nacksaid, nackdone;   /* Units acked; refused; whose Nack was said on this link; is confirmed. */
	byte nackheard, nackowed;                 /* Sender: units whose Nack came; whose Nack is yet to be confirmed. */
	bit closing, ended                        /* Final numbers were said (listener: the tombstone); the peer's were read. */
};
Side s[2];

/* The dialler: its present link, session ID, what the listener drew for it (0: not seen), units that are sent again from
 * a session before; the listener's Hello was read; a crash took the link. */
byte dials, ses = 1, seen, again;  bit up, dead;
/* The listener: its present link, the one that waits for the join, session ID (0: none), what it drew for the session,
 * units flagged Redelivered; the session is up on its present link. */
byte cur, pend, lses, draw = 1, flagged;  bit lup;
byte cuts, crashes, evicts, nacks, early, back[2];   /* Spent of the world's bounds; what broken rules need. */
/* The oracle, which no rule reads: payloads that a side's process received, that it acked; the newest received. */
byte got[2], okay[2], last[2];

/* Scratch within one atomic step, no part of the state; the faults are variables so that spin prints their names. */
hidden mtype kind;
hidden byte a, c, x, r, p, l, n, m;
hidden byte duplicate, outoforder, falsereceipt, protocolerror, midgroup, livelinkcut, inexactclose;
inline never_be(fault, condition) { fault = (condition); assert(!fault) }

inline drain(q) { do :: q?kind,_,_,_,_,_,_ :: empty(q) -> break od }
inline lowest(mask) { n = 1; do :: !((mask) & bit(n)) -> n++ :: else -> break od }

/* Write a frame.  Its head says both cumulative numbers and Limit as they are now (rules 1, 6, 8). */
inline say(i, what, first, count) {
	if
	:: cur == dials -> assert(nfull(from[i]));
		from[i]!what,first,count,s[i].base+first,s[i].rcvd,s[i].proc,s[i].taken+ROOM
	:: else                                   /* Into a link that the other side has left. */
	fi;
	s[i].news = 0
}

/* The numbers in a head or Hello of the peer: never back, never beyond what was written (rule 9).  Receipts resolve. */
inline counts(i) {
	if :: BREAK_ACK_ALL -> r = s[i].written; p = r :: else fi;
	never_be(protocolerror, !BREAK_NO_CHECK && (r < s[i].conf || p < s[i].done || r > s[i].written || p > r));
	never_be(falsereceipt, payloads((BREAK_NO_EPOCH -> 0 : s[i].base), p) & ~(okay[1-i] | s[i].nackheard << s[i].base));
	s[i].conf = r; s[i].done = p;
	if :: l > s[i].limit && !(BREAK_LIMIT_ONCE && s[i].limit && kind == HELLO) -> s[i].limit = l :: else fi
}

/* The peer's Hello resumes the session: go on after what it received, which is where a group ended (rules 1, 12). */
inline resume(i) {
	kind = HELLO; counts(i);
	never_be(midgroup, r > 0 && !(s[i].ends & bit(r)) && !BREAK_NO_CHECK);
	if
	:: BREAK_NO_RESEND -> s[i].sent = s[i].written
	:: BREAK_NEW_FIRST && r < s[i].written && s[i].base + s[i].written < total(i) -> s[i].sent = s[i].written; back[i] = r + 1
	:: else -> s[i].sent = r
	fi;
	if :: !BREAK_NACK_ONCE -> s[i].nacksaid = 0 :: else fi   /* Rule 7: said again, until confirmed. */
}

#define may_send(i, after) (s[i].base + (after) < total(i) && (!ROOM || BREAK_OVERRUN || (after) < s[i].limit))
/* Write the next group: one that was written before, as it was; or new units within Limit (rules 1, 8). */
inline write(i) {
	c = 1;
	if
	:: s[i].sent < s[i].written ->
		do :: !BREAK_REGROUP && !(s[i].ends & bit(s[i].sent + c)) -> c++ :: else -> break od
	:: else ->
		do :: GROUPS && may_send(i, s[i].sent + c) -> c++ :: break od;
		s[i].written = s[i].sent + c; s[i].ends = s[i].ends | bit(s[i].written)
	fi;
	say(i, GROUP, s[i].sent + 1, c);
	s[i].sent = s[i].sent + c;
	if :: back[i] && s[i].base + s[i].sent == total(i) -> s[i].sent = back[i] - 1; back[i] = 0 :: else fi
}

/* Units of a group must be the next ones; then they are the process's. */
inline units(i) {
	never_be(protocolerror, !BREAK_NO_CHECK && (a != s[i].rcvd + 1 || (ROOM && s[i].rcvd + c > s[i].taken + ROOM)));
	do
	:: c > 0 ->
		never_be(duplicate, got[i] & bit(x) && s[i].rcvd >= i * flagged);
		never_be(outoforder, x != last[i] + 1);
		got[i] = got[i] | bit(x); last[i] = x; s[i].rcvd++; x++; c--
	:: else -> break
	od;
	if :: !PROCESSED -> s[i].proc = s[i].rcvd; okay[i] = got[i] :: else fi;
	s[i].news = 1
}

/* The application acks or refuses units in any order; processed goes up to the first that is open.  It does not pass a
 * refused one before the sender has confirmed the Nack (rule 7). */
#define open(i, u) (PROCESSED && !s[i].closing && u <= s[i].rcvd && !((s[i].acked | s[i].nacked) & bit(u)))
#define to_nack(i) (s[i].nacked & ~(s[i].nacksaid | s[i].nackdone))
inline decide(i, u) {
	if
	:: s[i].acked = s[i].acked | bit(u); okay[i] = okay[i] | bit(s[1-i].base + u)
	:: nacks < NACKS -> nacks++; s[i].nacked = s[i].nacked | bit(u)
	fi;
	processed(i)
}
inline processed(i) {
	do
	:: (s[i].acked | (BREAK_NACK_PASSED -> s[i].nacked : s[i].nackdone)) & bit(s[i].proc + 1) -> s[i].proc++; s[i].news = 1
	:: else -> break
	od
}

/* Close says the final numbers, and lists the Nacks that are not confirmed, so that its processed may pass them.  No other
 * frame lists them, so nowhere else may it: the closer's next Hello says the number without (rules 7, 18). */
inline close(i) {
	s[i].closing = 1; m = s[i].proc; n = s[i].nackdone;
	if :: !BREAK_CLOSE_NO_NACKS -> s[i].nackdone = s[i].nacked; processed(i) :: else fi;
	say(i, CLOSE, 0, (BREAK_CLOSE_NO_NACKS -> 0 : s[i].nacked));
	if :: !BREAK_CLOSE_PASSES -> s[i].proc = m; s[i].nackdone = n :: else fi
}
/* The peer's final numbers are the truth to the unit: received, and processed as far as it goes without a hole. */
inline closed(i) {
	never_be(inexactclose, s[i].base + s[i].conf != last[1-i]);
	n = 0; do :: (s[1-i].acked | s[1-i].nacked) & bit(n+1) -> n++ :: else -> break od;
	never_be(inexactclose, PROCESSED && s[i].done != n);
	s[i].ended = 1
}

/* What both sides do with a frame that is not an answer to Hello. */
inline read(i) {
	if :: kind == CLOSE -> s[i].nackheard = s[i].nackheard | c :: else fi;
	counts(i);
	if
	:: kind == GROUP && c && (BREAK_CLOSE_READS || !s[i].closing) -> units(i)
	:: kind == NACK -> s[i].nackheard = s[i].nackheard | bit(a); s[i].nackowed = s[i].nackowed | bit(a)
	:: kind == NACKED -> s[i].nackdone = s[i].nackdone | bit(a); processed(i)
	:: kind == CLOSE -> if :: !s[i].closing -> close(i) :: else fi; closed(i)
	:: else
	fi
}

/* What either side does of itself at any moment, while it believes in its link; nothing follows its Close. */
#define STEPS(i, linked) \
	:: atomic { linked && may_send(i, s[i].sent) -> write(i) } \
	:: atomic { linked && s[i].news && !BREAK_NO_PURE_ACK -> say(i, GROUP, 0, 0) } \
	:: atomic { ROOM && s[i].taken < s[i].rcvd -> s[i].taken++; s[i].news = 1 } \
	:: atomic { open(i, 1) -> decide(i, 1) } :: atomic { open(i, 2) -> decide(i, 2) } :: atomic { open(i, 3) -> decide(i, 3) } \
	:: atomic { linked && to_nack(i) -> lowest(to_nack(i)); s[i].nacksaid = s[i].nacksaid | bit(n); say(i, NACK, n, 0) } \
	:: atomic { linked && s[i].nackowed -> lowest(s[i].nackowed); s[i].nackowed = s[i].nackowed & ~bit(n); say(i, NACKED, n, 0) } \
	:: atomic { linked && (CLOSERS & bit(i)) -> close(i) }

/* The session is no more for this side; its first `gone` units stay behind, what comes after goes on in the next. */
inline forget(i, gone) {
	s[i].base = s[i].base + gone;
	s[i].nackheard = (s[i].nackheard >> gone) & ~1; s[i].nackowed = 0;
	s[i].written = 0; s[i].sent = 0; s[i].conf = 0; s[i].done = 0; s[i].limit = 0; s[i].ends = 0;
	s[i].rcvd = 0; s[i].proc = 0; s[i].taken = 0; s[i].news = 0;
	s[i].acked = 0; s[i].nacked = 0; s[i].nacksaid = 0; s[i].nackdone = 0
}

/* The dialler joins its old link, then states received under a higher link number (rules 11, 12). */
inline dial() {
	up = 0; dead = 0; dials++; drain(from[L]); assert(nfull(hellos));
	hellos!dials,ses,seen,s[D].base,s[D].rcvd,s[D].proc,s[D].taken+ROOM,again;
	s[D].news = 0
}

active proctype dialler() {
	atomic { dial() };
end:	do
	STEPS(D, (up && !s[D].closing))           /* Rule 13: up only after the listener's Hello. */
	:: atomic { from[L]?kind,a,c,x,r,p,l ->
		if
		:: kind == HELLO ->
			if :: !seen -> seen = c; last[D] = x :: else fi;
			resume(D); up = 1;
			if :: s[D].closing -> close(D) :: else fi
		:: kind == LOST ->                    /* Written is reported as unconfirmed: its receipts resolve so. */
			never_be(inexactclose, CLOSERS && s[D].base + s[D].conf != last[L]);
			if :: again < s[D].written || BREAK_AGAIN_LESS -> again = s[D].written :: else fi;
			n = (RESEND -> s[D].done : s[D].written); again = (RESEND -> again - n : 0);
			forget(D, n); ses++; seen = 0; dial()
		:: else -> read(D)
		fi }
	:: atomic { !s[D].ended && (dead || cuts < CUTS) ->
		if :: dead :: else -> cuts++ fi;
		never_be(falsereceipt, BREAK_TRUE_ON_CUT && payloads(s[D].base, s[D].written) & ~okay[L]);
		dial() }
	od
}

/* Hellos are read in any order.  One whose link number is not the highest is refused; else it waits for the join. */
#define stale(j) ((a == lses && j <= cur && !BREAK_STALE_HELLO) || (j < pend && (lses || !BREAK_OPENING)))
#define ACCEPT(j) \
	:: atomic { j <= LINKS && j != pend && hellos??[j,_,_,_,_,_,_,_] -> \
		hellos ?? <j,a,c,x,r,p,l,n>; \
		if \
		:: a < lses || stale(j) -> n = j \
		:: else -> n = pend; pend = j; early = (BREAK_NO_JOIN -> s[L].rcvd : 0); \
			if :: BREAK_EARLY_COUNTS && a == lses && c == draw -> counts(L) :: else fi \
		fi; \
		if :: n -> never_be(livelinkcut, n == dials); hellos??eval(n),_,_,_,_,_,_,_ :: else fi }
#define known (a == lses && (c == 0 || c == draw || BREAK_NO_INSTANCE) && !(s[L].closing && BREAK_NO_TOMBSTONE))

active proctype listener() {
end:	do
	STEPS(L, (lup && !s[L].closing))
	:: atomic { from[D]?kind,a,c,x,r,p,l -> read(L) }
	ACCEPT(1) ACCEPT(2) ACCEPT(3) ACCEPT(4) ACCEPT(5) ACCEPT(6)
	:: atomic { pend ->                       /* Join the old link, and only then state received (rule 12). */
		never_be(livelinkcut, lup && cur == dials);
		drain(from[D]); cur = pend; pend = 0; hellos??eval(cur),a,c,x,r,p,l,n;
		if
		:: known && s[L].closing -> if :: !s[L].ended -> counts(L) :: else fi; close(L)   /* Rule 19: the tombstone. */
		:: known && !s[L].closing -> resume(L); lup = 1;
			n = s[L].rcvd; s[L].rcvd = (BREAK_NO_JOIN -> early : n); say(L, HELLO, 0, draw); s[L].rcvd = n
		:: !known && c != 0 && !BREAK_NEW_FOR_LOST -> lup = 0; say(L, LOST, 0, 0)   /* Rule 11. */
		:: else ->
			forget(L, s[L].written); lses = a; lup = 1; s[L].limit = l; last[L] = x; flagged = n;
			draw = draw + !BREAK_INSTANCE_ONLY; say(L, HELLO, 0, draw)
		fi }
	:: atomic { crashes < CRASHES ->          /* Process and links are gone; of the accept queue, what luck leaves. */
		crashes++; draw++; forget(L, s[L].written); drain(from[D]);
		if
		:: cur == dials || pend == dials -> dead = 1
		:: else -> if :: hellos??eval(dials),_,_,_,_,_,_,_ -> dead = 1 :: skip fi
		fi;
		if :: pend != 0 -> hellos??eval(pend),_,_,_,_,_,_,_ :: else fi;
		cur = 0; pend = 0; lses = 0; lup = 0 }
	:: atomic { evicts < EVICTS && lses && !pend && cur != dials ->
		evicts++; forget(L, s[L].written); drain(from[D]); cur = 0; lses = 0; lup = 0 }
	od
}

#ifdef LIVE   /* Each message is confirmed in the end, or its session was lost; where someone closes, both sides end. */
#define resolved(i, all) (s[i].base + s[i].done == all)
ltl { <> ((CLOSERS && s[D].ended && s[L].closing) || (!CLOSERS && resolved(D, N0) && resolved(L, N1))) }
#endif
