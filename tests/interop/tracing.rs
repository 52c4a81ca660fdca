//! With the feature `tracing`, spans follow tasks to the threads that run them.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, mpsc};

use ::tracing::field::{Field, Visit};
use ::tracing::span::{Attributes, Id};
use ::tracing::{Subscriber, info_span};
use ::tracing_subscriber::Registry;
use ::tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use ::tracing_subscriber::registry::LookupSpan;
use workmill::{ThreadPoolExecutor, yield_now};

use crate::support::{limited, occupy};

/// All spans by their ids: name, task and parent; and those that were closed.
#[derive(Default)]
struct Spans {
    made: HashMap<u64, Made>,
    closed: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Made {
    name: &'static str,
    task: String,
    parent: Option<u64>,
}

static SPANS: OnceLock<Mutex<Spans>> = OnceLock::new();

fn spans() -> std::sync::MutexGuard<'static, Spans> {
    SPANS.get_or_init(Mutex::default).lock().unwrap()
}

struct Task(String);

impl Visit for Task {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "task" {
            self.0 = value.to_owned();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

struct Keep;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keep {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut task = Task(String::new());
        attributes.record(&mut task);
        let span = context.span(id).unwrap();
        let made = Made {
            name: span.name(),
            task: task.0,
            parent: span.parent().map(|parent| parent.id().into_u64()),
        };
        spans().made.insert(id.into_u64(), made);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        spans().closed.push(id.into_u64());
    }
}

fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let all = Registry::default().with(Keep);
        ::tracing::subscriber::set_global_default(all).unwrap();
    });
}

/// The names of the current span and of those around it, the innermost first; of spans of tasks
/// with the task.
fn context() -> Vec<String> {
    let mut next = ::tracing::Span::current().id().map(|id| id.into_u64());
    let mut names = Vec::new();
    let spans = spans();
    while let Some(made) = next.and_then(|id| spans.made.get(&id)) {
        names.push(match made.task.is_empty() {
            true => made.name.to_owned(),
            false => format!("{} {}", made.name, made.task),
        });
        next = made.parent;
    }
    names
}

#[test]
fn a_task_runs_in_a_span_whose_parent_is_that_of_its_submitter() {
    listen();
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let request = info_span!("request");
        let (bake, knead) = (pool.named("bake"), pool.named("knead"));
        let names = request.in_scope(|| {
            bake.submit(move || {
                let child = knead.spawn(async {
                    yield_now().await;
                    context()
                });
                (context(), child.join().unwrap())
            })
        });
        let (closure, future) = names.join().unwrap();
        assert_eq!(closure, ["closure bake", "request"]);
        assert_eq!(future, ["future knead", "closure bake", "request"]);
        let (send, receive) = mpsc::channel();
        request.in_scope(|| pool.execute(move || send.send(context()).unwrap()));
        let names = receive.recv().unwrap();
        assert!(names[0].starts_with("closure ") && names[0].contains("tracing::a_task"));
        assert_eq!(names[1..], ["request"]);
        let borrowed =
            request.in_scope(|| pool.scope(|scope| scope.submit(context).join().unwrap()));
        assert_eq!(borrowed[1..], ["request"]);
    });
}

#[test]
fn the_second_half_of_a_join_has_the_context_of_the_first() {
    listen();
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (one, other) = info_span!("sum").in_scope(|| {
            pool.join(
                || std::thread::sleep(std::time::Duration::from_millis(20)),
                context,
            );
            pool.join(context, context)
        });
        assert_eq!(one, other);
        assert_eq!(one.last().unwrap(), "sum");
    });
}

#[test]
fn a_span_is_closed_when_its_task_has_ended_or_was_cancelled() {
    listen();
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let is_closed = |task: &str| {
            let spans = spans();
            let made = spans.made.iter().find(|(_, made)| made.task == task);
            spans.closed.contains(made.unwrap().0)
        };
        let release = occupy(&pool);
        let ends = pool.named("ends").submit(|| ());
        let cancelled = pool.named("cancelled").submit(|| ());
        let future = pool.named("future that ends").spawn(async {});
        assert!(cancelled.cancel() && is_closed("cancelled"));
        assert!(!is_closed("ends") && !is_closed("future that ends"));
        release.set();
        pool.wait_idle().unwrap();
        assert!(is_closed("ends") && is_closed("future that ends"));
        drop((ends, future));
    });
}
