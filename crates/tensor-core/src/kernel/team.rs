//! Work that the threads of the pool join: the calling thread begins at once, whoever is awake helps, and nobody is
//! waited for who has not begun.
//!
//! To wake a sleeping thread takes tens of microseconds, in which a core adds up hundreds of thousands of elements. So a
//! thread that helped stays awake for as long as waking it would cost ([`LINGER`]) and offers its time to whatever else
//! the pool or the system has to do meanwhile; so does the calling thread when it waits for the last helper.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a thread that has nothing left to do stays awake: about as long as it takes to wake it.
const LINGER: Duration = Duration::from_micros(50);

/// No thread has more invitations under way than this many for each thread of the pool: where all of these are at work for
/// long, nobody takes them up.
const INVITATIONS: usize = 8;

/// The most threads that work together: a bit for each seat.
pub(super) const SEATS: usize = u64::BITS as usize;

/// The work is over: nobody enters any more.
const CLOSED: usize = 1;
/// The calling thread sleeps until the last helper has left.
const ASLEEP: usize = 2;
/// One helper at work; the state counts them.
const HELPER: usize = 4;

/// Work on the stack of the thread that called [`run`], and who is at it.
struct Work {
    /// What each thread calls. It is there as long as the state is not `CLOSED`, or a helper has not left.
    call: NonNull<dyn Fn(usize) + Sync>,
    state: AtomicUsize,
    /// How many seats there are, and which of them are taken.
    seats: usize,
    taken: AtomicU64,
    caller: Thread,
    /// Whether the caller is no thread of the pool. One that is may take up an invitation itself while it waits for
    /// something else, which must not wait in turn.
    from_outside: bool,
    /// The caller's invitations that no thread has taken up yet.
    open: Arc<AtomicUsize>,
    /// What the first helper panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: of its fields only `call` is not `Send` by itself, and a `Sync` function may be called from any thread.
unsafe impl Send for Work {}
// SAFETY: as above; helpers share nothing of it but the function, which is `Sync`.
unsafe impl Sync for Work {}

/// Calls `work(seat)` on this thread and on those threads of the current pool that come before this thread has returned
/// from it, each with a seat of its own below `seats`. Returns when nobody is at it any more; a panic of a helper goes on in
/// the calling thread.
///
/// A thread is given the same seat again if it can be: what it worked on may still lie in its cache.
pub(super) fn run(seats: usize, work: &(dyn Fn(usize) + Sync)) {
    let seats = seats.clamp(1, SEATS);
    let within = rayon_core::current_thread_index();
    let seat = within.unwrap_or(0) % seats;
    // None where the thread is about to end, and its count is gone.
    let open = OPEN.try_with(Arc::clone).unwrap_or_default();
    let most = INVITATIONS * rayon_core::current_num_threads();
    let helpers = (seats - 1).min(most.saturating_sub(open.load(Ordering::Relaxed)));
    if helpers == 0 {
        return work(seat);
    }
    // SAFETY: the types differ in the lifetime alone. It is kept to: nobody calls the function but a helper that entered
    // before `CLOSED`, and this function does not return, nor unwind, until it is closed and all of them have left.
    let call = unsafe {
        std::mem::transmute::<
            NonNull<dyn Fn(usize) + Sync + '_>,
            NonNull<dyn Fn(usize) + Sync + 'static>,
        >(NonNull::from(work))
    };
    let shared = Arc::new(Work {
        call,
        state: AtomicUsize::new(0),
        seats,
        taken: AtomicU64::new(1 << seat),
        caller: thread::current(),
        from_outside: within.is_none(),
        open,
        panic: Mutex::new(None),
    });
    let end = End(&shared);
    shared.open.fetch_add(helpers, Ordering::Relaxed);
    for _ in 0..helpers {
        let shared = Arc::clone(&shared);
        rayon_core::spawn(move || {
            shared.open.fetch_sub(1, Ordering::Relaxed);
            shared.help();
            let from_outside = shared.from_outside;
            drop(shared);
            if from_outside {
                linger();
            }
        });
    }
    work(seat);
    drop(end);
    let panic = shared
        .panic
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

impl Work {
    /// Calls the function, unless the work is over.
    fn help(&self) {
        let enter = |state| (state & CLOSED == 0).then_some(state + HELPER);
        let entered = self
            .state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, enter);
        if entered.is_err() {
            return;
        }
        // SAFETY: it entered before the work was over, and so the caller waits for it to leave.
        let call = unsafe { self.call.as_ref() };
        let seat = self.sit(rayon_core::current_thread_index().unwrap_or(0));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(seat))) {
            let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(panic);
        }
        if self.state.fetch_sub(HELPER, Ordering::Release) == CLOSED | ASLEEP | HELPER {
            self.caller.unpark();
        }
    }

    /// Takes the seat `wanted`, or the next that is free: there is one for everybody who enters.
    fn sit(&self, wanted: usize) -> usize {
        let mut seat = wanted % self.seats;
        while self.taken.fetch_or(1 << seat, Ordering::Relaxed) & (1 << seat) != 0 {
            seat = (seat + 1) % self.seats;
        }
        seat
    }
}

/// Ends the work when it is dropped, in a panic of the calling thread too: nobody enters any more, and those who did
/// have left.
struct End<'a>(&'a Work);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let state = &self.0.state;
        let mut now = state.fetch_or(CLOSED, Ordering::Acquire);
        let mut patience = Patience::new();
        while now >= HELPER {
            if patience.is_left() {
                now = state.load(Ordering::Acquire);
            } else {
                now = state.fetch_or(ASLEEP, Ordering::Acquire);
                if now >= HELPER {
                    thread::park();
                }
            }
        }
    }
}

thread_local! {
    /// Whether this thread lingers already, and took up another invitation meanwhile.
    static LINGERS: Cell<bool> = const { Cell::new(false) };
    /// This thread's invitations that no thread has taken up yet.
    static OPEN: Arc<AtomicUsize> = Arc::default();
}

/// Stays awake for the next work: takes up what the pool has to do until there was nothing for [`LINGER`].
fn linger() {
    if LINGERS.replace(true) {
        return;
    }
    let mut patience = Patience::new();
    while patience.is_left() {
        if rayon_core::yield_now() == Some(rayon_core::Yield::Executed) {
            patience = Patience::new();
        }
    }
    LINGERS.set(false);
}

/// The time that a thread waits awake.
struct Patience {
    since: Instant,
    asked: u32,
}

/// How often a waiting thread looks around before it lets others have the core for a moment: the system's call for that
/// takes as long as small work does.
const LOOKS: u32 = 16;

impl Patience {
    fn new() -> Self {
        Patience {
            since: Instant::now(),
            asked: 0,
        }
    }

    /// Whether there is any left.
    fn is_left(&mut self) -> bool {
        for _ in 0..4 {
            std::hint::spin_loop();
        }
        self.asked += 1;
        if !self.asked.is_multiple_of(LOOKS) {
            return true;
        }
        thread::yield_now();
        self.since.elapsed() < LINGER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;

    fn pool(threads: usize) -> rayon_core::ThreadPool {
        rayon_core::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    }

    /// How often each of `n` places is visited by threads on so many seats.
    fn visits(n: usize, seats: usize) -> Vec<usize> {
        let (next, places) = (AtomicUsize::new(0), vec![0; n]);
        let places: Vec<AtomicUsize> = places.into_iter().map(AtomicUsize::new).collect();
        run(seats, &|_| {
            while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                place.fetch_add(1, Ordering::Relaxed);
            }
        });
        places.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn all_is_done_once_from_outside_and_within_a_pool_and_nested() {
        let rounds = if cfg!(miri) { 3 } else { 300 };
        for n in 0..rounds {
            assert_eq!(visits(n, 4), vec![1; n]);
        }
        let pool = pool(3);
        for n in 0..rounds {
            assert_eq!(pool.install(|| visits(n, 3)), vec![1; n]);
        }
        let sum = AtomicUsize::new(0);
        run(3, &|_| {
            sum.fetch_add(visits(10, 3).into_iter().sum(), Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner() % 10, 0);
    }

    /// What is borrowed is there until the last helper has left, however many threads call at once.
    #[test]
    fn many_callers_share_the_pool() {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..if cfg!(miri) { 3 } else { 500 } {
                        assert_eq!(visits(n % 50, 4), vec![1; n % 50]);
                    }
                });
            }
        });
    }

    /// The caller leaves its own share only after a helper has begun, and yet waits for it.
    #[test]
    fn the_caller_waits_for_whoever_began() {
        let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let caller = thread::current().id();
        run(2, &|_| {
            if thread::current().id() == caller {
                while !begun.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            } else {
                begun.store(true, Ordering::Release);
                // Longer than the caller waits awake.
                thread::sleep(10 * LINGER);
                done.store(true, Ordering::Release);
            }
        });
        assert!(done.into_inner());
    }

    #[test]
    fn a_panic_of_a_helper_reaches_the_caller_and_one_of_the_caller_waits_for_helpers() {
        let (caller, begun) = (thread::current().id(), AtomicBool::new(false));
        for of_caller in [false, true] {
            begun.store(false, Ordering::Release);
            let left = AtomicBool::new(false);
            let result = catch_unwind(AssertUnwindSafe(|| {
                run(2, &|_| {
                    if thread::current().id() == caller {
                        while !begun.load(Ordering::Acquire) {
                            thread::yield_now();
                        }
                        assert!(!of_caller, "of the caller");
                    } else {
                        begun.store(true, Ordering::Release);
                        thread::sleep(LINGER);
                        left.store(true, Ordering::Release);
                        assert!(of_caller, "of a helper");
                    }
                });
            }));
            let words = result.unwrap_err();
            let words = words.downcast_ref::<&str>().unwrap();
            assert_eq!(
                *words,
                ["of a helper", "of the caller"][usize::from(of_caller)]
            );
            assert!(left.into_inner(), "{words}");
        }
        assert_eq!(visits(20, 2), vec![1; 20]);
    }

    /// Where all threads of a pool are at work, nobody takes up an invitation, and no more are sent.
    #[test]
    fn invitations_do_not_pile_up() {
        let (pool, both) = (pool(2), Barrier::new(2));
        pool.scope(|scope| {
            scope.spawn(|_| {
                both.wait();
                both.wait();
            });
            scope.spawn(|_| {
                both.wait();
                for _ in 0..100 {
                    assert_eq!(visits(5, 2), vec![1; 5]);
                }
                let open = OPEN.with(|open| open.load(Ordering::Relaxed));
                assert_eq!(open, 2 * INVITATIONS);
                both.wait();
            });
        });
    }

    #[test]
    fn everyone_has_a_seat_of_its_own() {
        for seats in [1, 2, 3, SEATS, SEATS + 9] {
            let sat: Vec<AtomicUsize> = (0..SEATS).map(|_| AtomicUsize::new(0)).collect();
            let entered = AtomicUsize::new(0);
            run(seats, &|seat| {
                sat[seat].fetch_add(1, Ordering::Relaxed);
                entered.fetch_add(1, Ordering::Relaxed);
                thread::sleep(LINGER);
            });
            let sat: Vec<usize> = sat.into_iter().map(AtomicUsize::into_inner).collect();
            assert!(sat.iter().all(|&n| n <= 1), "{sat:?}");
            assert_eq!(sat.iter().sum::<usize>(), entered.into_inner());
            assert!(sat.iter().skip(seats).all(|&n| n == 0), "{sat:?}");
        }
    }

    /// Whatever a thread drops as it ends may still compute, when the count of its invitations is gone.
    #[test]
    fn a_thread_that_ends_still_gets_its_work_done() {
        static DONE: AtomicUsize = AtomicUsize::new(0);
        struct Last;
        impl Drop for Last {
            fn drop(&mut self) {
                DONE.fetch_add(visits(20, 2).into_iter().sum(), Ordering::Relaxed);
            }
        }
        thread_local! {
            static LAST: Last = const { Last };
        }
        for first in [true, false] {
            let work = move || {
                // Thread locals end in an order that depends on which was used first.
                if first {
                    LAST.with(|_| ());
                }
                assert_eq!(visits(20, 2), vec![1; 20]);
                LAST.with(|_| ());
            };
            thread::spawn(work).join().unwrap();
        }
        assert_eq!(DONE.load(Ordering::Relaxed), 40);
    }
}
