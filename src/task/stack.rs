//! Halves of joins: work that lies on the stack of the thread that waits for it.
//!
//! # Words
//! The *owner* of a half is the thread whose [`join`] made it. Until the owner comes back to it, a
//! half is *pending*. It is *private* at first: on the owner's list ([`Pending`]), which no other
//! thread sees. The owner makes the oldest private half *public* by [taking it off the private part
//! of that list](Pending::make_oldest_public), which gives the one [`Public`] there is of this
//! half. The thread that has it may run the half: the owner, if it has taken it back, or a *thief*.
//!
//! # Why the stack frame outlives the half
//! [`join`] does not return or unwind before its half is over, which is the case
//! 1. when the owner has taken the half off its list while it was private: no [`Public`] was ever
//!    made of it, so no other thread has its address;
//! 2. when the owner has been given the [`Public`] of this very half by
//!    [`take_back`](Owner::take_back) or [`wait_for`](Owner::wait_for): there is only one, so no
//!    other thread has any;
//! 3. when the half is done, which is what the thief says last, with its last access to the frame;
//! 4. in a forked child, if the thief is a thread of the parent: no thread of the child has the
//!    [`Public`], since the thread that had it is not there. Then [`join`] panics.
//!
//! Should [`wait_for`](Owner::wait_for) return for another reason, the process ends. A [`Public`]
//! that is lost makes the owner wait forever, and no worse.
//!
//! # The end of a half that was taken
//! One word: TAKEN until the thief has ended the half, then DONE. *Owner:* (O1) look for DONE; if
//! it is not there, (O2) leave a waker and (O3) exchange TAKEN for WAITED; if that fails, the half
//! is done. *Thief:* (T1) write the result; (T2) exchange TAKEN for DONE; if that fails, the owner
//! has left a waker: (T3) take it, (T4) write DONE, (T5) call the waker. Of O3 and T2 one comes
//! first and makes the other fail. After O3 the owner leaves the waker alone until it sees DONE. T5
//! uses nothing of the frame, which may be gone since T4. T2 and T4 release the result, which O1 or
//! O3 acquires.

#![expect(
    unsafe_code,
    reason = "halves are lent to other threads by their addresses, and their closures moved out"
)]

use std::cell::Cell;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::num::NonZero;
use std::process::abort;
use std::ptr::NonNull;
use std::task::Waker;

use crate::fork::Stamp;
use crate::primitive::{AtomicU8, Ordering, UnsafeCell};
use crate::unwind::{self, Kept, Payload};

/// No thief has ended the half; most have none.
const TAKEN: u8 = 0;
/// Likewise, and the owner has left a waker.
const WAITED: u8 = 1;
/// A thief has ended the half.
const DONE: u8 = 2;

/// The thread that joins, as far as its halves are concerned.
pub(crate) trait Owner {
    /// Returns the list of this thread's pending halves.
    fn pending(&self) -> &Pending;

    /// A half was added to the list: makes public what has to be.
    fn pushed(&self);

    /// Makes all halves of the list public.
    fn publish_all(&self);

    /// Returns `true` if another thread will run what this one makes public, though this one does
    /// nothing but wait.
    fn is_covered(&self) -> bool;

    /// Takes a public half back, unless a thief has taken it.
    fn take_back(&self, half: &Half) -> Option<Public>;

    /// Blocks until the half is done, which a thief has taken or will take; in a child process of
    /// the thief's it returns at once. Or takes the half back, if no thread may come to take it; a
    /// waker of this thread's may have been left in it by then.
    fn wait_for(&self, half: &Half) -> Option<Public>;
}

/// The thief of a half, as other threads look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thief {
    /// Identifies the thread while it runs the half.
    pub(crate) thread: NonZero<usize>,
    /// The place where the thread makes its own halves public.
    pub(crate) place: usize,
    /// The number of the first of these that is made while it runs the half, or of an older one.
    pub(crate) since: u64,
}

/// The owner's note when it makes a half public.
#[derive(Clone, Copy)]
struct Publication {
    place: usize,
    process: Stamp,
}

/// The part of a half that is the same for all closures. Other modules have references to halves
/// that are public only, or have been: those that this one passes to an [`Owner`].
pub(crate) struct Half {
    /// The half that the owner added to its list after this one, while that is on the list.
    newer: Cell<*const Half>,
    /// Duties of the caller: those of [`Job::run`].
    run: unsafe fn(*const Half),
    state: AtomicU8,
    /// The rest is there when the half is public: a half that is never public pays nothing for it.
    published: Cell<MaybeUninit<Publication>>,
    /// Written by the thief under the lock under which it takes the half.
    thief: UnsafeCell<MaybeUninit<Option<Thief>>>,
    waker: UnsafeCell<MaybeUninit<Option<Waker>>>,
}

impl Half {
    /// Returns where the half is public, and since when.
    fn published(&self) -> Publication {
        // SAFETY: the half was made public before this module gave a reference to it away.
        unsafe { self.published.get().assume_init() }
    }

    /// Returns the place where the half was made public.
    pub(crate) fn place(&self) -> usize {
        self.published().place
    }

    /// Returns `true` if `public` is the one of this half.
    pub(crate) fn is_of(&self, public: &Public) -> bool {
        std::ptr::eq(self, public.0.as_ptr())
    }

    /// Returns `true` if a thief has ended the half.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        // O1. ORDERING: Acquire takes the result from `Public::run`.
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Returns the thief of the half, if one has taken it. To be called by the owner, under the
    /// lock under which [`taken_by`](Public::taken_by) is.
    pub(crate) fn thief(&self) -> Option<Thief> {
        // SAFETY: no thread writes it meanwhile, as the caller has the lock.
        let thief = self.thief.with(|thief| unsafe { thief.read() });
        // SAFETY: it was written when the half was made public.
        unsafe { thief.assume_init() }
    }

    /// Returns `true` if a thief has ended the half; else the waker is called when it has. To be
    /// called by the owner alone, with one waker.
    #[must_use = "`false`: the half is not done"]
    pub(crate) fn poll_done(&self, waker: &Waker) -> bool {
        match self.state.load(Ordering::Acquire) {
            TAKEN => {}
            state => return state == DONE,
        }
        let waker = MaybeUninit::new(Some(waker.clone()));
        // O2. SAFETY: the thief reads the waker only after O3. There was none.
        self.waker.with_mut(|place| unsafe { place.write(waker) });
        // O3. ORDERING: Release gives the waker to the thief; Acquire takes the result from it.
        let left = self
            .state
            .compare_exchange(TAKEN, WAITED, Ordering::Release, Ordering::Acquire);
        left.is_err()
    }

    /// Takes the half back in a child process of the one in which it was made public, where the
    /// queue that has its [`Public`] is left alone, unless a thief has taken it.
    pub(crate) fn take_back_in_child(&self) -> Option<Public> {
        // A thief that has not noted that it is one has not run anything.
        let is_free = self.is_of_the_parent() && self.thief().is_none();
        is_free.then(|| Public(NonNull::from(self)))
    }

    /// Returns `true` if this is a child process of the one in which the half was made public.
    fn is_of_the_parent(&self) -> bool {
        !self.published().process.is_here()
    }
}

/// The right to run a half: there is one for each half that was made public.
#[must_use = "the owner of the half waits for it"]
pub(crate) struct Public(NonNull<Half>);

// SAFETY: the closure and the result of a half are `Send`, as the callers of `join` promise. Of the
// rest, the owner leaves alone what a thief uses, and a thief what the owner uses: see the fields.
unsafe impl Send for Public {}

impl Public {
    /// Notes the thief, which takes the half. To be called under the lock of the place where the
    /// half is public.
    pub(crate) fn taken_by(&self, thief: Thief) {
        // SAFETY: a `Public` exists, so the half does; see the module.
        let half = unsafe { self.0.as_ref() };
        let thief = MaybeUninit::new(Some(thief));
        // SAFETY: the owner reads this under the same lock. It has no drop.
        half.thief.with_mut(|place| unsafe { place.write(thief) });
    }

    /// Notes that the half is public in another place by now. For its owner.
    pub(crate) fn move_to(&self, place: usize) {
        // SAFETY: a `Public` exists, so the half does; see the module.
        let half = unsafe { self.0.as_ref() };
        let moved = Publication {
            place,
            ..half.published()
        };
        half.published.set(MaybeUninit::new(moved));
    }

    /// Runs the half on this thread, which is not its owner. Does not unwind.
    pub(crate) fn run(self) {
        let half = self.0.as_ptr().cast_const();
        // SAFETY: a `Public` exists, so the half does; see the module.
        let run = unsafe { (*half).run };
        // SAFETY: the pointer is the one that the half was listed with. This is the only `Public`
        // of the half, and it is gone after this.
        unsafe { run(half) };
        // SAFETY: the half exists until it is DONE.
        let state = unsafe { &(*half).state };
        // T2. ORDERING: Release gives the result to the owner; Acquire takes its waker.
        let done = state.compare_exchange(TAKEN, DONE, Ordering::Release, Ordering::Acquire);
        if done.is_err() {
            // SAFETY: the half is not DONE, so it exists.
            let waker = unsafe { &(*half).waker };
            // T3. SAFETY: the owner has left it, and does not touch it before DONE.
            let waker = waker.with_mut(|waker| unsafe { take_waker(waker) });
            // T4. ORDERING: Release gives the result to the owner.
            state.store(DONE, Ordering::Release);
            waker.into_iter().for_each(unwind::wake);
        }
    }
}

/// The pending halves of a thread: those that are public, and then the private ones.
pub(crate) struct Pending {
    oldest: Cell<*const Half>,
    newest: Cell<*const Half>,
    /// The newest of the public ones; null if none is.
    newest_public: Cell<*const Half>,
}

impl Default for Pending {
    fn default() -> Self {
        Self {
            oldest: Cell::new(std::ptr::null()),
            newest: Cell::new(std::ptr::null()),
            newest_public: Cell::new(std::ptr::null()),
        }
    }
}

/// A half that is on a list, with the one before it.
#[derive(Clone, Copy)]
struct Listed {
    half: *const Half,
    older: *const Half,
}

impl Pending {
    /// Returns `true` if no half is private.
    #[inline]
    pub(crate) fn has_no_private(&self) -> bool {
        self.newest.get() == self.newest_public.get()
    }

    /// Makes the oldest private half public, to be found in that place, and returns it.
    pub(crate) fn make_oldest_public(&self, place: usize) -> Option<Public> {
        if self.has_no_private() {
            return None;
        }
        let public = self.newest_public.get();
        let oldest = match public.is_null() {
            true => self.oldest.get(),
            // SAFETY: it is on the list, so it exists.
            false => unsafe { (*public).newer.get() },
        };
        self.newest_public.set(oldest);
        // SAFETY: it is on the list, so it exists.
        let half = unsafe { &*oldest };
        half.published.set(MaybeUninit::new(Publication {
            place,
            process: Stamp::now(),
        }));
        half.thief.with_mut(|thief| {
            // SAFETY: the half is not public yet, so no other thread has it.
            unsafe { thief.write(MaybeUninit::new(None)) }
        });
        half.waker.with_mut(|waker| {
            // SAFETY: the half is not public yet, so no other thread has it.
            unsafe { waker.write(MaybeUninit::new(None)) }
        });
        NonNull::new(oldest.cast_mut()).map(Public)
    }

    /// Adds a half.
    ///
    /// # Safety
    ///
    /// The pointer is one that [`Job::run`] may be called with, and the half exists until it was
    /// taken off the list by one of the next two functions.
    #[inline(always)]
    unsafe fn push(&self, half: *const Half) -> Listed {
        let older = self.newest.get();
        if older.is_null() {
            self.oldest.set(half);
        } else {
            // SAFETY: it is on the list, so it exists.
            unsafe { (*older).newer.set(half) };
        }
        self.newest.set(half);
        Listed { half, older }
    }

    /// Takes the newest half off the list, if it is private.
    #[inline(always)]
    #[must_use = "`true`: the half was private"]
    fn pop_private(&self, listed: Listed) -> bool {
        debug_assert!(self.newest.get() == listed.half, "the newest ends first");
        let is_private = self.newest_public.get() != listed.half;
        if is_private {
            self.newest.set(listed.older);
        }
        is_private
    }

    /// Takes the newest half off the list, which is public.
    fn pop_public(&self, listed: Listed) {
        // The order can be another only if two stacks take turns on one thread.
        if self.newest.get() != listed.half || !self.has_no_private() {
            abort();
        }
        self.newest.set(listed.older);
        self.newest_public.set(listed.older);
    }
}

/// Takes the waker of a public half, if there is one.
///
/// # Safety
///
/// The pointer is that of a half that was made public, and no other thread uses what it leads to.
unsafe fn take_waker(waker: *mut MaybeUninit<Option<Waker>>) -> Option<Waker> {
    // SAFETY: the caller says so.
    let waker = unsafe { &mut *waker };
    // SAFETY: it was written when the half was made public.
    unsafe { waker.assume_init_mut() }.take()
}

/// The closure of a half, or its result.
union Content<F, R> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<Result<R, Payload>>,
}

/// A half as its owner has it. `repr(C)` so that a pointer to it is a pointer to its first part.
#[repr(C)]
struct Job<F, R> {
    half: Half,
    content: UnsafeCell<Content<F, R>>,
}

impl<F: FnOnce() -> R, R> Job<F, R> {
    #[inline(always)]
    fn new(closure: F) -> Self {
        let closure = ManuallyDrop::new(closure);
        Self {
            half: Half {
                newer: Cell::new(std::ptr::null()),
                run: Self::run,
                state: AtomicU8::new(TAKEN),
                published: Cell::new(MaybeUninit::uninit()),
                thief: UnsafeCell::new(MaybeUninit::uninit()),
                waker: UnsafeCell::new(MaybeUninit::uninit()),
            },
            content: UnsafeCell::new(Content { closure }),
        }
    }

    /// Calls the closure, and leaves the result in its place. Does not unwind.
    ///
    /// # Safety
    ///
    /// The pointer comes from a pointer to such a job as a whole, which exists. The closure is in
    /// it, and no other thread takes it.
    unsafe fn run(half: *const Half) {
        // SAFETY: the caller says so.
        let job = unsafe { &*half.cast::<Self>() };
        // SAFETY: the caller says so.
        let closure = unsafe { job.take_closure() };
        let result = ManuallyDrop::new(unwind::catch(closure));
        // T1.
        job.content.with_mut(|content| {
            // SAFETY: the owner reads it only when the half is done. The place is aligned for it,
            // and what was there has been moved out.
            unsafe { content.write(Content { result }) }
        });
    }

    /// Moves the closure out.
    ///
    /// # Safety
    ///
    /// The closure is there, and is not moved out again.
    #[inline(always)]
    unsafe fn take_closure(&self) -> F {
        // SAFETY: the place is valid, and the caller says that this is not read again.
        let content = self.content.with(|content| unsafe { content.read() });
        // SAFETY: the caller says that the closure is there.
        ManuallyDrop::into_inner(unsafe { content.closure })
    }

    /// Moves the result out.
    ///
    /// # Safety
    ///
    /// The half is done, and the result is not moved out again.
    unsafe fn take_result(&self) -> Result<R, Payload> {
        // SAFETY: the place is valid, and the caller says that this is not read again.
        let content = self.content.with(|content| unsafe { content.read() });
        // SAFETY: the half is done, so its result is there.
        ManuallyDrop::into_inner(unsafe { content.result })
    }

    /// Adds the half to its owner's list.
    ///
    /// # Safety
    ///
    /// The job stays where it is until [`end`](Self::end), or [`wait`](Self::wait), has ended it.
    #[inline(always)]
    unsafe fn list(&self, owner: &impl Owner) -> Listed {
        // SAFETY: the pointer comes from one to the whole job, whose closure is in it. The caller
        // says that the job exists until it was taken off.
        unsafe { owner.pending().push((&raw const *self).cast()) }
    }

    /// Ends the half, the newest of the list: here, if no thief has taken it.
    #[inline(always)]
    fn end(&self, owner: &impl Owner, listed: Listed) -> Result<R, Payload> {
        if owner.pending().pop_private(listed) {
            // SAFETY: the half was private, so nobody has touched the closure.
            let closure = unsafe { self.take_closure() };
            return Ok(closure());
        }
        self.end_public(owner, listed)
    }

    #[cold]
    fn end_public(&self, owner: &impl Owner, listed: Listed) -> Result<R, Payload> {
        owner.pending().pop_public(listed);
        match unwind::call_or(|| owner.take_back(&self.half), || abort()) {
            Some(public) => Ok(self.run_taken_back(&public)),
            None => self.wait(owner),
        }
    }

    /// Calls the closure of a half that its owner has taken back.
    fn run_taken_back(&self, public: &Public) -> R {
        if !self.half.is_of(public) {
            abort();
        }
        // It may have waited before.
        let waker = self.half.waker.with_mut(|waker| {
            // SAFETY: the owner has the only `Public`, so there is no thief, and never will be.
            unsafe { take_waker(waker) }
        });
        unwind::discard(waker);
        // SAFETY: the owner has the only `Public`, so nobody has touched the closure.
        let closure = unsafe { self.take_closure() };
        closure()
    }

    /// Ends the half, the newest of the list, while this thread unwinds: on another thread, since
    /// code that runs here would find itself in a thread that panics; but here if no other may
    /// come, or none does. Does not unwind.
    #[cold]
    #[inline(never)]
    fn end_beside_panic(&self, owner: &impl Owner, listed: Listed) {
        let ended = unwind::catch(|| match owner.is_covered() {
            true => {
                owner.publish_all();
                owner.pending().pop_public(listed);
                self.wait(owner)
            }
            false => self.end(owner, listed),
        });
        unwind::discard(ended);
    }

    /// Waits for the half, which a thief has taken or will take, and which is off the list.
    fn wait(&self, owner: &impl Owner) -> Result<R, Payload> {
        if !self.half.is_done() {
            if let Some(public) = unwind::call_or(|| owner.wait_for(&self.half), || abort()) {
                return Ok(self.run_taken_back(&public));
            }
        }
        if self.half.is_done() {
            let waker = self.half.waker.with_mut(|waker| {
                // SAFETY: the half is done, so the thief has taken the waker, or never will.
                unsafe { take_waker(waker) }
            });
            unwind::discard(waker);
            // SAFETY: the half is done, and this is called once.
            return unsafe { self.take_result() };
        }
        if !self.half.is_of_the_parent() {
            // The thief is going to use this frame.
            abort();
        }
        panic!("the thread that has this half of a join is not there in a forked child");
    }
}

/// Calls both closures, the second maybe on another thread, and returns their results.
///
/// If one of them panics, the panic goes on when both have ended; if both do, that of the first.
#[inline(always)]
pub(crate) fn join<A, B, RA, RB>(owner: &impl Owner, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    let job = Job::new(b);
    // SAFETY: the job is not moved. It is ended below, also if the call in between unwinds.
    let listed = unsafe { job.list(owner) };
    let call = || {
        owner.pushed();
        a()
    };
    let first = unwind::call_or(call, || job.end_beside_panic(owner, listed));
    let first = Kept::new(first);
    match job.end(owner, listed) {
        Ok(second) => (first.into_inner(), second),
        Err(payload) => unwind::resume(payload),
    }
}

/// Calls both closures on other threads, and returns their results, as [`join`] does.
#[cold]
#[inline(never)]
pub(crate) fn join_elsewhere<A, B, RA, RB>(owner: &impl Owner, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let (one, other) = (Job::new(a), Job::new(b));
    // SAFETY: neither job is moved. Both are taken off and ended below, by code that does not
    // unwind before; except in a forked child, where no thread has them.
    let first = unsafe { one.list(owner) };
    // SAFETY: the job is not moved, and ended below.
    let second = unsafe { other.list(owner) };
    unwind::call_or(|| owner.publish_all(), || abort());
    owner.pending().pop_public(second);
    owner.pending().pop_public(first);
    // A panic here is that of a forked child.
    let first = unwind::catch(|| one.wait(owner)).and_then(|it| it);
    let second = unwind::catch(|| other.wait(owner)).and_then(|it| it);
    match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(payload), second) => {
            unwind::discard(second);
            unwind::resume(payload)
        }
        (Ok(first), Err(payload)) => {
            unwind::discard(first);
            unwind::resume(payload)
        }
    }
}
