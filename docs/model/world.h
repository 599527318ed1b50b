/* The bounds of the world, and the rules that can be broken; each is set by spin's -D. */
#ifndef N0
#define N0 3          /* Messages the dialler sends in all; at most 6. */
#endif
#ifndef N1
#define N1 3          /* Messages the listener sends in all; at most 6. */
#endif
#ifndef CUTS
#define CUTS 2        /* Links that break: in the handshake or after it. */
#endif
#ifndef CRASHES
#define CRASHES 0     /* Times the listener's process dies and starts again, knowing nothing. */
#endif
#ifndef EVICTS
#define EVICTS 0      /* Times a living listener forgets a parked session. */
#endif
#ifndef GROUPS
#define GROUPS 0      /* 1: a group holds one or more units; 0: one. */
#endif
#ifndef ROOM
#define ROOM 0        /* Units that a receive queue holds, said as Limit; 0: no Limit. */
#endif
#ifndef PROCESSED
#define PROCESSED 0   /* 1: a receipt means processed, and the application acks in any order; 0: received. */
#endif
#ifndef NACKS
#define NACKS 0       /* Messages that the application refuses, under PROCESSED. */
#endif
#ifndef CLOSERS
#define CLOSERS 0     /* Who closes, at any moment: 1 the dialler, 2 the listener, 3 both. */
#endif
#ifndef RESEND
#define RESEND 0      /* When a session is lost, the dialler sends written messages again, flagged; 0: it reports them. */
#endif
#define LINKS (1 + CUTS + 2*CRASHES + EVICTS)   /* A lost session costs a link to learn of it. */

/* Each switch leaves one rule out; the number is the rule's in the protocol's list. */
#ifndef BREAK_REGROUP
#define BREAK_REGROUP 0          /* 1: what is sent again is cut into other groups. */
#endif
#ifndef BREAK_NO_EPOCH
#define BREAK_NO_EPOCH 0         /* Receipts compare unit numbers, whatever the session. */
#endif
#ifndef BREAK_ACK_ALL
#define BREAK_ACK_ALL 0          /* 6: an ack confirms all that was written. */
#endif
#ifndef BREAK_TRUE_ON_CUT
#define BREAK_TRUE_ON_CUT 0      /* A lost link resolves receipts as received. */
#endif
#ifndef BREAK_NACK_PASSED
#define BREAK_NACK_PASSED 0      /* 7: processed passes a Nack that the sender may not have. */
#endif
#ifndef BREAK_NACK_ONCE
#define BREAK_NACK_ONCE 0        /* 7: a Nack is not said again on the next link. */
#endif
#ifndef BREAK_NO_PURE_ACK
#define BREAK_NO_PURE_ACK 0      /* 8: acks only ride with data. */
#endif
#ifndef BREAK_LIMIT_ONCE
#define BREAK_LIMIT_ONCE 0       /* 8: Hello does not say Limit again. */
#endif
#ifndef BREAK_OVERRUN
#define BREAK_OVERRUN 0          /* 8: Limit is not kept to. */
#endif
#ifndef BREAK_NO_CHECK
#define BREAK_NO_CHECK 0         /* 9: numbers are not checked. */
#endif
#ifndef BREAK_NO_INSTANCE
#define BREAK_NO_INSTANCE 0      /* 11: a session of this ID is resumed, whoever opened it. */
#endif
#ifndef BREAK_INSTANCE_ONLY
#define BREAK_INSTANCE_ONLY 0    /* 11: what the dialler repeats names the process, not this opening of the session. */
#endif
#ifndef BREAK_NEW_FOR_LOST
#define BREAK_NEW_FOR_LOST 0     /* 11: an unknown session is opened, even if the dialler has seen it open. */
#endif
#ifndef BREAK_NO_JOIN
#define BREAK_NO_JOIN 0          /* 12: received is computed before the old link was joined. */
#endif
#ifndef BREAK_EARLY_COUNTS
#define BREAK_EARLY_COUNTS 0     /* 12: the peer's numbers in its Hello are used before the old link was joined. */
#endif
#ifndef BREAK_STALE_HELLO
#define BREAK_STALE_HELLO 0      /* 12: the link number is not compared. */
#endif
#ifndef BREAK_OPENING
#define BREAK_OPENING 0          /* 12: it is compared only once the session is open, not while it opens. */
#endif
#ifndef BREAK_AGAIN_LESS
#define BREAK_AGAIN_LESS 0       /* 2: redelivered counts what the last session wrote, not what any session wrote. */
#endif
#ifndef BREAK_NO_RESEND
#define BREAK_NO_RESEND 0        /* A new link goes on after what was written, not after what was received. */
#endif
#ifndef BREAK_NEW_FIRST
#define BREAK_NEW_FIRST 0        /* What was never written goes first on a new link, what was lost behind it. */
#endif
#ifndef BREAK_CLOSE_READS
#define BREAK_CLOSE_READS 0      /* 18: who has said its final numbers still receives messages. */
#endif
#ifndef BREAK_CLOSE_NO_NACKS
#define BREAK_CLOSE_NO_NACKS 0   /* 18: Close does not list the Nacks that are not confirmed. */
#endif
#ifndef BREAK_CLOSE_PASSES
#define BREAK_CLOSE_PASSES 0     /* 18: the processed number of a Close that listed Nacks is said by the next Hello too. */
#endif
#ifndef BREAK_NO_TOMBSTONE
#define BREAK_NO_TOMBSTONE 0     /* 19: a closed session is forgotten at once. */
#endif
