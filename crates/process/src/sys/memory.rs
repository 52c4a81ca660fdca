//! Memory without a name that processes share.

use std::fs::File;
use std::io;

/// Creates a file without a name, of `bytes` bytes that are zero. It cannot be made smaller, where
/// the system can promise that.
#[cfg(target_os = "linux")]
pub(super) fn create(name: &str, bytes: u64) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

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
