//! Shows what lies in a queue's file: `file_queue ls PATH [COUNT]`.
//!
//! It changes nothing, and the queue may be in use. The first line has the counts; then comes a
//! line for each of the first items, 100 or as many as are asked for, in the order of the puts: the
//! item's number, how long ago it was put, where it stands, how often it was taken, and what it is,
//! of which a long text is cut.

use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use workmill_file_queue::{Contents, ItemState, ListedItem, inspect};

/// The number of items that are shown.
const COUNT: usize = 100;

/// The number of characters of an item that are shown.
const WIDTH: usize = 500;

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let (path, count) = match &*words {
        [verb, path] if verb == "ls" => (path, Some(COUNT)),
        [verb, path, count] if verb == "ls" => {
            (path, count.to_str().and_then(|it| it.parse().ok()))
        }
        _ => return usage(),
    };
    let Some(count) = count else {
        return usage();
    };
    match inspect(path, count) {
        Ok(contents) => match show(&contents, &mut io::stdout().lock()) {
            // Nobody reads on, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => failed(&error),
            Ok(()) => ExitCode::SUCCESS,
        },
        Err(error) => failed(&error),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: file_queue ls PATH [COUNT]");
    ExitCode::from(2)
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("file_queue: {error}");
    ExitCode::FAILURE
}

fn show(contents: &Contents, out: &mut impl Write) -> io::Result<()> {
    let state = if contents.is_closed { "closed" } else { "open" };
    let Contents {
        ready,
        taken,
        set_aside,
        bytes,
        ..
    } = contents;
    writeln!(
        out,
        "{state}: {ready} ready, {taken} taken, {set_aside} set aside, {bytes} bytes"
    )?;
    for item in &contents.items {
        show_item(item, out)?;
    }
    let all = ready + taken + set_aside;
    let hidden = all.saturating_sub(contents.items.len() as u64);
    if hidden > 0 {
        writeln!(out, "and {hidden} more")?;
    }
    Ok(())
}

fn show_item(item: &ListedItem, out: &mut impl Write) -> io::Result<()> {
    let age = SystemTime::now().duration_since(item.put_at);
    let age = age.unwrap_or_default().as_secs();
    let state = match &item.state {
        ItemState::Ready => "ready".to_owned(),
        ItemState::Taken {
            process, is_alive, ..
        } => match is_alive {
            true => format!("taken by process {process}"),
            false => format!("taken by process {process}, which is gone"),
        },
        ItemState::SetAside { reason, .. } => format!("set aside ({reason})"),
        _ => "?".to_owned(),
    };
    let body = match rmp_serde::from_slice::<Shown>(&item.body) {
        Ok(Shown(text)) => match text.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{} …", &text[..end]),
            None => text,
        },
        Err(_) => format!("{} bytes that are not MessagePack", item.body.len()),
    };
    let ListedItem { id, takes, .. } = item;
    writeln!(out, "{id}  {age} s  {state}  taken {takes} times  {body}")
}

/// Any item, as text in the style of JSON.
struct Shown(String);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyItem).map(Self)
    }
}

struct AnyItem;

impl<'de> Visitor<'de> for AnyItem {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        Ok(format!("{value:?}"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(format!("{value:?}"))
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<String, E> {
        Ok(format!("{} bytes", value.len()))
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<String, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<String, A::Error> {
        let mut text = "[".to_owned();
        while let Some(Shown(item)) = items.next_element()? {
            let comma = if text.len() > 1 { ", " } else { "" };
            let _ = write!(text, "{comma}{item}");
        }
        Ok(text + "]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<String, A::Error> {
        let mut text = "{".to_owned();
        while let Some((Shown(key), Shown(value))) = entries.next_entry()? {
            let comma = if text.len() > 1 { ", " } else { "" };
            let _ = write!(text, "{comma}{key}: {value}");
        }
        Ok(text + "}")
    }
}
