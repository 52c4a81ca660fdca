//! Memory without a name that processes share.

use std::fs::File;
use std::io;

/// Creates a file without a name, of `bytes` bytes that are zero. It cannot be made smaller, where
/// the system can promise that.
#[cfg(target_os = "linux")]
pub(super) fn create(name: &str, bytes: u64) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

    expect_allowed(bytes)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create(name, flags)?;
    ftruncate(&file, bytes)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn create(name: &str, bytes: u64) -> io::Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};

    static CREATED: AtomicU64 = AtomicU64::new(0);
    expect_allowed(bytes)?;
    // ORDERING: Relaxed: only the number counts, and each caller gets another.
    let number = CREATED.fetch_add(1, Ordering::Relaxed);
    let name = format!("{name}-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut options = File::options();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    file.set_len(bytes)?;
    Ok(file)
}

/// Checks that this process may have a file of that length. To make one that is longer would raise
/// a signal that ends it.
fn expect_allowed(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, getrlimit};

    match getrlimit(Resource::Fsize).current {
        Some(most) if bytes > most => {
            let message = format!(
                "shared memory of {bytes} bytes: the limit of this process for files is {most}"
            );
            Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
        }
        _ => Ok(()),
    }
}

/// Has the system keep memory for all of a file, so that no write to a map of it can fail.
#[cfg(target_os = "linux")]
pub(super) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    /// Some systems give all back that a call has got so far when a signal comes. So that it gets
    /// on, however often one comes, each call is for little.
    const STEP: u64 = 1 << 20;

    // The system would look for more until it has killed other programs, or this one.
    let system = rustix::system::sysinfo();
    let units = u128::from(system.totalram) + u128::from(system.totalswap);
    if u128::from(bytes) > units * u128::from(system.mem_unit.max(1)) {
        let message = format!("shared memory of {bytes} bytes is more than this system has");
        return Err(io::Error::new(io::ErrorKind::OutOfMemory, message));
    }
    let mut from = 0;
    while from < bytes {
        let step = STEP.min(bytes - from);
        match fallocate(file, FallocateFlags::empty(), from, step) {
            Err(Errno::INTR) => {}
            done => {
                done?;
                from += step;
            }
        }
    }
    Ok(())
}

/// Checks that a file is one that [`create`] has made, with at least `bytes` bytes.
pub(super) fn check(file: &File, bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{SealFlags, fcntl_get_seals};
        if !fcntl_get_seals(file)?.contains(SealFlags::SHRINK) {
            return Err(io::Error::other("shared memory that could shrink"));
        }
    }
    match file.metadata()?.len() {
        length if length >= bytes => Ok(()),
        length => Err(io::Error::other(format!(
            "shared memory of {length} bytes in place of {bytes}"
        ))),
    }
}
