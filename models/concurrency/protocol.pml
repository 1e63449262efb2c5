/* The whole life of blocks freed by other threads: remote free, the owner's drain, its exit (park),
 * adoption by a new thread, scavenging by a third. Sequentially consistent; the memory orders are the
 * Relacy models' business. models/MAPPING.md ties the elements to the code.
 *
 * One page of BLOCKS slots, all in use by FREERS threads, each of which frees one; the owner frees the
 * rest itself, drains, and exits. An adopter takes the parked context, drains, parks it again. A
 * scavenger drains parked contexts under their lock. A page that has become empty while its
 * holder gives slots back is retired.
 *
 * MUTANT (pan must find an error in each):
 *   1 park forgets to drain, and nobody scavenges       5 the page is posted only by luck (never again
 *   2 a post forgets to post the page                     after the first time)
 *   3 the drain reads the stack, then clears it         6 an adopter does not take the context off the
 *   4 the drain clears the pending stack last             list of parked ones
 *                                                       7 the scavenger takes no lock
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef FREERS
#define FREERS 3
#endif
#define BLOCKS (FREERS + 1)
#define NONE 255

mtype = { LIVE, REMOTE, FREE };

mtype entry[BLOCKS] = LIVE;  /* the slot entries */
byte link[BLOCKS] = NONE;    /* of a REMOTE slot: the next one */
byte remote_head = NONE;     /* SoPage::remote_head */
byte used = BLOCKS;          /* SoPage::used */
bool pending = false;        /* the page is on its owner's pending stack */
bool retired = false;        /* the page is with the cold box */

bool locked = false;         /* the registry's lock */
bool parked = false;         /* the context is on the list of parked ones */
byte holders = 0;            /* threads that work on the context */

inline acquire_lock() { atomic { !locked -> locked = true } }
inline release_lock() { locked = false }

/* The holder's own business, in one step: nobody else looks at what it touches. */
inline give(slot) {
  d_step {
    assert(entry[slot] != FREE);  /* none comes back twice */
    assert(!retired);
    entry[slot] = FREE;
    link[slot] = NONE;
    used--;
    if
    :: used == 0 -> assert(remote_head == NONE); retired = true
    :: else
    fi
  }
}

/* drain_owner_only. `s` and `n` are the caller's. */
inline drain(s, n) {
  holders++;
  assert(holders == 1);         /* one thread at a time touches the context's pages */
  if
  :: pending ->
#if MUTANT != 4
     pending = false;           /* exchange of pending.head */
#endif
#if MUTANT == 3
     s = remote_head;
     remote_head = NONE;
#else
     atomic { s = remote_head; remote_head = NONE }
#endif
     do
     :: s != NONE ->
        assert(entry[s] == REMOTE);
        n = link[s];
        give(s);
        s = n
     :: else -> break
     od;
#if MUTANT == 4
     pending = false;
#endif
     s = NONE; n = NONE
  :: else
  fi;
  holders--
}

/* mark_remote and post of one slot by a thread that does not hold the context. */
proctype Freer(byte slot) {
  byte head = NONE;
  head = remote_head;
  atomic { assert(entry[slot] == LIVE); entry[slot] = REMOTE; link[slot] = head }
  do
  :: atomic { remote_head == head -> remote_head = slot } ; break
  :: atomic { remote_head != head -> head = remote_head } ; link[slot] = head
  od;
  if
#if MUTANT == 2
  :: true
#elif MUTANT == 5
  :: head == NONE && slot == 0 -> pending = true
  :: else
#else
  :: head == NONE -> atomic { assert(!pending); pending = true }
  :: else
#endif
  fi;
  head = NONE
}

/* The first holder: frees its own block, drains as its slow paths do, exits. */
proctype Owner() {
  byte s = NONE, n = NONE;
  drain(s, n);
  holders++;
  give(FREERS);
  holders--;
#if MUTANT != 1
  drain(s, n);
#endif
  acquire_lock();
  parked = true;
  release_lock()
}

/* A new thread: attach, drain, work, exit. Comes or does not come. */
proctype Adopter() {
  byte s = NONE, n = NONE;
  bool mine = false;
  acquire_lock();
  if
  :: parked ->
#if MUTANT != 6
     parked = false;
#endif
     mine = true
  :: else
  fi;
  release_lock();
  if
  :: mine ->
     drain(s, n);
     acquire_lock();
     parked = true;
     release_lock()
  :: else
  fi;
  mine = false
}

/* Whoever borrows pages looks after parked contexts now and then: for ever, as programs do. */
active proctype Scavenger() {
  byte s = NONE, n = NONE;
#if MUTANT == 1
  false;
#endif
end:
  do
  :: pending && parked ->
#if MUTANT == 7
     if
     :: parked -> drain(s, n)
     :: else
     fi
#else
     acquire_lock();
     if
     :: parked && pending -> drain(s, n)
     :: else
     fi;
     release_lock()
#endif
  od
}

init {
  byte i = 0;
  atomic {
    run Owner();
    run Adopter();
    do
    :: i < FREERS -> run Freer(i); i++
    :: else -> break
    od;
    i = 0
  }
}

/* No block is lost: all of them come back to the page, which goes back to the cold box. Under weak
 * fairness of the threads. */
ltl nothing_lost { <> retired }
