//! Keeps what happened: spans of tasks, and waits in them, with threads and times.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// A time in which a thread ran a task, or waited in one.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) thread: String,
    pub(crate) task: String,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) is_wait: bool,
    /// The number of tasks that were running below it on this thread.
    pub(crate) depth: usize,
    /// Where and when the task was submitted, if this is its first piece.
    pub(crate) submitted: Option<(String, Duration)>,
}

#[derive(Clone)]
pub(crate) struct Recorder {
    began: Instant,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    pieces: Vec<Piece>,
    /// By span.
    tasks: HashMap<u64, Task>,
    /// By thread: the spans that are entered, and the beginning of a wait.
    stacks: HashMap<String, Vec<(u64, Duration)>>,
    waits: HashMap<String, Duration>,
}

struct Task {
    name: String,
    submitted: Option<(String, Duration)>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            inside: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything that was kept.
    pub(crate) fn take(&self) -> Vec<Piece> {
        std::mem::take(&mut self.lock().pieces)
    }
}

/// Returns the name of this thread.
fn here() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("a thread").to_owned()
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0 = value.to_owned();
    }

    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0 = format!("{value:?}");
    }
}

/// The name of a task, as the layers above find it.
struct Name(String);

/// Returns the name of the task whose span it is.
pub(crate) fn name_of<S>(span: &SpanRef<'_, S>) -> String
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let extensions = span.extensions();
    let name = extensions.get::<Name>();
    name.map_or_else(|| span.name().to_owned(), |name| name.0.clone())
}

/// Returns the message of an event.
pub(crate) fn text_of(event: &Event<'_>) -> String {
    let mut text = Text::default();
    event.record(&mut text);
    text.0
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut name = Text::default();
        attributes.record(&mut name);
        let submitted = Some((here(), self.began.elapsed()));
        let Text(name) = name;
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Name(name.clone()));
        }
        let task = Task { name, submitted };
        self.lock().tasks.insert(id.into_u64(), task);
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        let entered = (id.into_u64(), self.began.elapsed());
        self.lock().stacks.entry(here()).or_default().push(entered);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let (to, thread) = (self.began.elapsed(), here());
        let inside = &mut *self.lock();
        let stack = inside.stacks.entry(thread.clone()).or_default();
        let Some((span, from)) = stack.pop() else {
            return;
        };
        let depth = stack.len();
        debug_assert_eq!(span, id.into_u64());
        if let Some(task) = inside.tasks.get_mut(&span) {
            inside.pieces.push(Piece {
                thread,
                task: task.name.clone(),
                from,
                to,
                is_wait: false,
                depth,
                submitted: task.submitted.take(),
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let text = text_of(event);
        let (now, thread) = (self.began.elapsed(), here());
        let inside = &mut *self.lock();
        match text.as_str() {
            "waits" => {
                inside.waits.insert(thread, now);
            }
            "goes on" => {
                let depth = inside.stacks.get(&thread).map_or(0, Vec::len);
                if let Some(from) = inside.waits.remove(&thread) {
                    inside.pieces.push(Piece {
                        thread,
                        task: "waits".to_owned(),
                        from,
                        to: now,
                        is_wait: true,
                        depth: depth.saturating_sub(1),
                        submitted: None,
                    });
                }
            }
            _ => {}
        }
    }
}
