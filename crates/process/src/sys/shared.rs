//! Values and arrays in memory that processes share: why the references to it are sound.
//!
//! The memory is a file (`segment.rs`) that was made for exactly this type, cannot change its
//! length, and is reached by this file only. It is mapped as a whole, and stays mapped for as long
//! as any object here refers to it. A map begins with a page, so that what follows the header is
//! aligned to [`HEADER`] bytes. All bits of it are a valid value of the type (of atomics, see
//! below; of the elements of arrays it is what [`Pod`] says). It is left to argue which
//! threads access it at the same time.
//!
//! # Values
//!
//! Every access is an operation of the atomic type that [`Value::get`] refers to. Atomic operations
//! of these types are instructions of the processor, which do not care by which process or which
//! address a thread reaches the word. So to share it with a process is what it is to share it with
//! a thread. Of an integer all bits are a value. A `bool` is written as a `bool` only, since the
//! number of the type is in the header, and zero, as which it begins, is one.
//!
//! # Arrays
//!
//! There are two kinds of references, and never both at a time:
//!
//! - `&mut [T]`, and `&[T]`, from a [`Locked`], for as long as that is borrowed;
//! - `&[T]` from a [`Frozen`].
//!
//! A `Locked` holds the system's lock of the file (`flock`), which at most one *open file
//! description* has. Each `Locked` opens the file anew, so it has a description that no other has:
//! the lock excludes other processes, other threads, and other objects of the same thread alike. (A
//! copy of a descriptor would share the description, and with it the lock.) So at most one `Locked`
//! exists at a time, in all processes; and the borrow checker sees to its references.
//!
//! A word in the header has the array's *state*: whole, being written, or frozen. It is read when
//! the lock was taken, and changed only by the thread that has the lock. Frozen is final: `Frozen`
//! is made under the lock, by the `Locked` that is consumed, or of an array that is frozen already;
//! and no `Locked` comes of an array that is frozen. So after that nobody writes.
//!
//! Happens-before: the lock is released after a release store of the state, and the next holder
//! makes an acquire load of it after it has taken the lock. It reads what was stored by the last
//! holder, or (frozen) something later; so all that this holder has written is visible.
//!
//! # When a holder dies
//!
//! The system releases the lock when the description is closed: at the death of the process, and of
//! those that were made by a `fork` while it held the lock, since these have it, too. (Worker
//! processes are killed with their group.) Before the first write the state becomes *being
//! written*, by an exchange that later writes cannot pass; and it becomes whole again before the
//! lock is released. So the next holder of a lock that was released by death, or by a panic, sees
//! that the array was being written, and [`Locked::is_torn`] says so. Nothing is undefined then:
//! the elements have whatever bits were stored.
//!
//! # What it stands on
//!
//! That the code of the user's does not open the file behind our back: by `/proc/self/fd`, a
//! debugger, or unsafe code. And that nobody copies the process by a bare `fork` and uses the guard
//! in both, which needs unsafe code as well.

#![expect(
    unsafe_code,
    reason = "memory that processes share is reached by a pointer"
)]

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytemuck::Pod;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::segment::{self, ARRAY, HEADER, STATE, Shape, VALUE};
use crate::primitive::SharedPrimitive;

/// The state of an array.
const WHOLE: u32 = 0;
const BEING_WRITTEN: u32 = 1;
const FROZEN: u32 = 2;

/// A file, and its map.
#[derive(Debug)]
struct Mapped {
    map: MmapRaw,
    file: File,
}

impl Mapped {
    fn new(file: File, shape: Shape) -> io::Result<Self> {
        let length = shape.file_length().expect("it was checked") as usize;
        let map = MmapOptions::new().len(length).map_raw(&file)?;
        Ok(Self { map, file })
    }

    /// Returns the address of what follows the header.
    fn content(&self) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(HEADER)
    }

    fn state(&self) -> &AtomicU32 {
        let word = self.map.as_mut_ptr().wrapping_add(STATE).cast();
        // SAFETY: the word lies in the header, which is a part of every map, and is aligned, since
        // the map begins with a page. It is accessed by atomic operations only: the system writes
        // to the bytes before it alone. It lives as long as the map, which `self` owns.
        unsafe { AtomicU32::from_ptr(word) }
    }
}

/// A value that processes share.
#[derive(Debug)]
pub(crate) struct Value<T> {
    mapped: Arc<Mapped>,
    types: PhantomData<fn() -> T>,
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        Self {
            mapped: Arc::clone(&self.mapped),
            types: PhantomData,
        }
    }
}

impl<T: SharedPrimitive> Value<T> {
    const SHAPE: Shape = Shape {
        kind: VALUE + T::NUMBER,
        size: size_of::<T>() as u64,
        align: align_of::<T::Atomic>() as u64,
        length: 1,
    };

    /// Creates a value that is zero.
    pub(crate) fn new() -> io::Result<Self> {
        let file = segment::create(Self::SHAPE)?;
        // The system has memory for it from here on.
        file.write_all_at(&[0; 64][..size_of::<T>()], HEADER as u64)?;
        Self::map(file)
    }

    pub(crate) fn open(descriptor: OwnedFd) -> Result<Self, String> {
        let (file, shape) = segment::open(descriptor)?;
        if shape != Self::SHAPE {
            return Err("shared memory of another type than this value".to_owned());
        }
        Self::map(file).map_err(|error| error.to_string())
    }

    fn map(file: File) -> io::Result<Self> {
        let mapped = Arc::new(Mapped::new(file, Self::SHAPE)?);
        let types = PhantomData;
        Ok(Self { mapped, types })
    }

    pub(crate) fn get(&self) -> &T::Atomic {
        const {
            assert!(size_of::<T>() == size_of::<T::Atomic>());
            assert!(align_of::<T::Atomic>() <= HEADER);
        }
        let value = self.mapped.content().cast::<T::Atomic>();
        // SAFETY: the map has the value behind its header, where it is aligned: a map begins with a
        // page, and the alignment is no more than that of the header. Its bits are valid, and each
        // access is atomic: see the module. It lives as long as the map, which `self` keeps.
        unsafe { &*value }
    }

    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        segment::copy(&self.mapped.file)
    }
}

/// An array that processes share.
#[derive(Debug)]
pub(crate) struct Array<T> {
    mapped: Arc<Mapped>,
    length: usize,
    /// It hands elements from thread to thread, and shares them when it is frozen.
    types: PhantomData<(Mutex<T>, T)>,
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self {
            mapped: Arc::clone(&self.mapped),
            ..*self
        }
    }
}

/// Why an array was not locked.
#[derive(Debug)]
pub(crate) enum NotLocked {
    /// Another has the lock.
    Held,
    /// This thread has it.
    HeldHere,
    Frozen,
    Io(io::Error),
}

thread_local! {
    /// The files that this thread has locked, by device and number.
    static HELD: RefCell<Vec<(u64, u64)>> = const { RefCell::new(Vec::new()) };
}

impl<T: Pod> Array<T> {
    fn shape(length: usize) -> Shape {
        const {
            assert!(
                align_of::<T>() <= HEADER,
                "the elements are aligned too strictly"
            );
        }
        Shape {
            kind: ARRAY,
            size: size_of::<T>() as u64,
            align: align_of::<T>() as u64,
            length: length as u64,
        }
    }

    /// Creates an array of these elements.
    pub(crate) fn new(elements: &[T]) -> io::Result<Self> {
        let shape = Self::shape(elements.len());
        let file = segment::create(shape)?;
        file.write_all_at(bytemuck::cast_slice(elements), HEADER as u64)?;
        Self::map(file, shape)
    }

    /// Creates an array of zeros, for which there is room in memory.
    pub(crate) fn zeroed(length: usize) -> io::Result<Self> {
        let shape = Self::shape(length);
        let file = segment::create(shape)?;
        #[cfg(target_os = "linux")]
        super::memory::reserve(&file, shape.file_length().expect("it was checked"))?;
        Self::map(file, shape)
    }

    pub(crate) fn open(descriptor: OwnedFd) -> Result<Self, String> {
        let (file, shape) = segment::open(descriptor)?;
        let expected = Self::shape(shape.length as usize);
        if shape != expected {
            let (size, align) = (shape.size, shape.align);
            return Err(format!(
                "shared memory whose elements have {size} bytes and the alignment {align}, or that \
                 is no array, in place of an array of {}",
                std::any::type_name::<T>()
            ));
        }
        Self::map(file, shape).map_err(|error| error.to_string())
    }

    fn map(file: File, shape: Shape) -> io::Result<Self> {
        if cfg!(not(target_os = "linux")) {
            let message = "shared arrays need a file without a name that can be opened anew, for \
                           their lock, which this system lacks";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        Ok(Self {
            mapped: Arc::new(Mapped::new(file, shape)?),
            length: shape.length as usize,
            types: PhantomData,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        segment::copy(&self.mapped.file)
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_lock(&self) -> Result<Locked<'_, T>, NotLocked> {
        self.lock_by(|lock| flock(lock, FlockOperation::NonBlockingLockExclusive))
    }

    /// Blocks until it has taken the lock.
    pub(crate) fn lock(&self) -> Result<Locked<'_, T>, NotLocked> {
        match self.try_lock() {
            Err(NotLocked::Held) => self
                .lock_by(|lock| workmill::blocking(|| flock(lock, FlockOperation::LockExclusive))),
            locked => locked,
        }
    }

    fn lock_by(
        &self,
        mut take: impl FnMut(&OwnedFd) -> Result<(), Errno>,
    ) -> Result<Locked<'_, T>, NotLocked> {
        let io = |error: io::Error| NotLocked::Io(error);
        let meta = self.mapped.file.metadata().map_err(io)?;
        let number = (meta.dev(), meta.ino());
        // A thread that is ending does not know any more.
        let held = HELD.try_with(|held| held.borrow().contains(&number));
        if held.unwrap_or(false) {
            return Err(NotLocked::HeldHere);
        }
        let lock = reopen(&self.mapped.file).map_err(io)?;
        loop {
            match take(&lock) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Err(NotLocked::Held),
                Err(error) => return Err(io(error.into())),
            }
        }
        // ORDERING: Acquire: with the store of the last holder (`unlock`), so that what it has
        // written happens before this.
        let state = self.mapped.state().load(Ordering::Acquire);
        if state == FROZEN {
            return Err(NotLocked::Frozen);
        }
        let _ = HELD.try_with(|held| held.borrow_mut().push(number));
        Ok(Locked {
            array: self,
            lock,
            number,
            is_torn: state != WHOLE,
            has_written: false,
            was_panicking: std::thread::panicking(),
            is_last: false,
            not_send: PhantomData,
        })
    }

    /// Returns the elements for good, if the array is frozen.
    pub(crate) fn frozen(&self) -> Option<Frozen<T>> {
        // ORDERING: Acquire: with the store of the holder that has frozen it (`Locked::freeze`).
        let state = self.mapped.state().load(Ordering::Acquire);
        (state == FROZEN).then(|| Frozen(self.clone()))
    }

    /// Returns the elements. They may be those of another process at this moment: the code that
    /// makes a reference of it says why not.
    fn elements(&self) -> *mut [T] {
        std::ptr::slice_from_raw_parts_mut(self.mapped.content().cast(), self.length)
    }
}

/// Opens a file anew.
#[cfg(target_os = "linux")]
fn reopen(file: &File) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;

    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let opened = File::options().read(true).write(true).open(path);
    let opened = opened.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the file of an array cannot be opened anew by /proc: {error}"),
        )
    })?;
    // Printed text must not get into it.
    super::socket::above_standard(opened.into())
}

#[cfg(not(target_os = "linux"))]
fn reopen(_: &File) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The lock of an array. Its drop releases it.
#[derive(Debug)]
pub(crate) struct Locked<'a, T: Pod> {
    array: &'a Array<T>,
    lock: OwnedFd,
    number: (u64, u64),
    is_torn: bool,
    has_written: bool,
    was_panicking: bool,
    /// Whether the array is to be frozen.
    is_last: bool,
    /// It is released by the thread that has taken it, which is how that knows what it holds.
    not_send: PhantomData<*const ()>,
}

impl<T: Pod> Locked<'_, T> {
    /// Returns `true` if the last holder died or panicked while it wrote.
    pub(crate) fn is_torn(&self) -> bool {
        self.is_torn
    }

    pub(crate) fn elements(&self) -> &[T] {
        // SAFETY: the elements lie behind the header of the map, aligned and with the length for
        // which it was made, and all bits of them are valid. Nobody writes to them while `self` is
        // borrowed: `self` holds the lock, and hands out `&mut` only by `elements_mut`.
        unsafe { &*self.array.elements() }
    }

    pub(crate) fn elements_mut(&mut self) -> &mut [T] {
        if !self.has_written {
            self.has_written = true;
            // ORDERING: Acquire: no write to the elements is moved before it. If this process is
            // killed after a write, the state says so.
            let state = self.array.mapped.state();
            state.swap(BEING_WRITTEN, Ordering::Acquire);
        }
        // SAFETY: as in `elements`; and there is no other reference to them: `self` holds the lock,
        // and is borrowed exclusively.
        unsafe { &mut *self.array.elements() }
    }

    /// Releases the lock for good: nobody writes to the array any more.
    pub(crate) fn freeze(mut self) -> Frozen<T> {
        self.is_last = true;
        Frozen(self.array.clone())
    }
}

impl<T: Pod> Drop for Locked<'_, T> {
    fn drop(&mut self) {
        let is_unwinding = std::thread::panicking() && !self.was_panicking;
        let is_half_done = is_unwinding && (self.has_written || self.is_torn);
        let state = match self.is_last {
            // Also while unwinding: the `Frozen` is there.
            true => FROZEN,
            false if is_half_done => BEING_WRITTEN,
            false => WHOLE,
        };
        // ORDERING: Release: with the load of the next holder (`lock_by`) or reader (`frozen`): all
        // that this one has written happens before what they do.
        self.array.mapped.state().store(state, Ordering::Release);
        // A child that is about to be made by a fork of another thread has the description as well
        // for a moment, so it would not do to close the descriptor.
        let _ = flock(&self.lock, FlockOperation::Unlock);
        let _ = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            if let Some(at) = held.iter().position(|it| *it == self.number) {
                held.swap_remove(at);
            }
        });
    }
}

/// An array to which nobody writes any more.
#[derive(Debug)]
pub(crate) struct Frozen<T>(Array<T>);

impl<T> Clone for Frozen<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Pod> Frozen<T> {
    pub(crate) fn elements(&self) -> &[T] {
        // SAFETY: the elements lie behind the header of the map, aligned and with the length for
        // which it was made, and all bits of them are valid. The array is frozen, so nobody writes
        // to them any more, in no process.
        unsafe { &*self.0.elements() }
    }

    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        self.0.copy()
    }
}
