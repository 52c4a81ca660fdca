//! The lines of `sha256sum`: how they are written, and how they are read back.
//!
//! A name with a backslash, a newline or a carriage return in it is escaped, and its line begins
//! with a backslash to say so. Names are bytes; nothing is asked of their encoding.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::hashing::Hash;

/// The content of a line of a list.
pub(crate) enum Line {
    /// A file should have this hash.
    Entry(Hash, PathBuf),
    /// A remark, or nothing at all.
    Comment,
    /// Neither an entry nor a remark.
    Malformed,
}

/// Writes the line of a file.
pub(crate) fn write(out: &mut dyn Write, hash: &Hash, path: &Path) -> io::Result<()> {
    let (mark, name) = escaped(path);
    out.write_all(mark)?;
    for byte in hash {
        write!(out, "{byte:02x}")?;
    }
    out.write_all(b"  ")?;
    out.write_all(&name)?;
    out.write_all(b"\n")
}

/// Writes the verdict of a check on a file.
///
/// Here `sha256sum` escapes a name only when it would break the line.
pub(crate) fn write_verdict(out: &mut dyn Write, path: &Path, verdict: &str) -> io::Result<()> {
    let plain = path.as_os_str().as_encoded_bytes();
    if plain.contains(&b'\n') {
        let (mark, name) = escaped(path);
        out.write_all(mark)?;
        out.write_all(&name)?;
    } else {
        out.write_all(plain)?;
    }
    writeln!(out, ": {verdict}")
}

/// Returns a name as it is written, and the mark of the line if anything in it is escaped.
fn escaped(path: &Path) -> (&'static [u8], Vec<u8>) {
    let bytes = path.as_os_str().as_encoded_bytes();
    let mut name = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' => name.extend(b"\\\\"),
            b'\n' => name.extend(b"\\n"),
            b'\r' => name.extend(b"\\r"),
            _ => name.push(byte),
        }
    }
    let mark: &[u8] = if name.len() > bytes.len() { b"\\" } else { b"" };
    (mark, name)
}

/// Reads a line, with or without the newline at its end.
pub(crate) fn parse(line: &[u8]) -> Line {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Comment;
    }
    entry(line).map_or(Line::Malformed, |(hash, path)| Line::Entry(hash, path))
}

fn entry(line: &[u8]) -> Option<(Hash, PathBuf)> {
    let (is_escaped, line) = match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (digits, rest) = line.split_at_checked(2 * size_of::<Hash>())?;
    // Two spaces, or a space and an asterisk, which once meant another way to read.
    let name = rest.strip_prefix(b"  ").or(rest.strip_prefix(b" *"))?;
    let name = if is_escaped {
        unescaped(name)?
    } else {
        name.to_vec()
    };
    let path = crate::path_from(name).filter(|path| !path.as_os_str().is_empty())?;
    Some((hash_from(digits)?, path))
}

fn hash_from(digits: &[u8]) -> Option<Hash> {
    let mut hash = Hash::default();
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()?;
    }
    Some(hash)
}

fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = name.iter();
    let mut plain = Vec::with_capacity(name.len());
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            _ => byte,
        });
    }
    Some(plain)
}
