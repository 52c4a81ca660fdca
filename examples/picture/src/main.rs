//! Runs a small mill and draws which worker ran which task when.
//!
//! ```sh
//! cargo run --release -p workmill-picture -- target/run
//! ```
//!
//! writes `target/run.json`, which the trace viewers of browsers open (<https://ui.perfetto.dev>,
//! or `chrome://tracing`), and `target/run.svg`, which needs nothing else.

mod recorder;
mod svg;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing_chrome::{ChromeLayerBuilder, EventOrSpan};
use tracing_subscriber::layer::SubscriberExt;
use workmill::timer::sleep;
use workmill::{Builder, Event, JoinableQueue};

use crate::recorder::Recorder;

/// The number of tasks that may run at a time. More threads come as spares.
const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or("run".to_owned());
    let (trace, picture) = (format!("{path}.json"), format!("{path}.svg"));
    let (chrome, written) = ChromeLayerBuilder::new()
        .file(&trace)
        .name_fn(Box::new(|what| match what {
            EventOrSpan::Event(event) => recorder::text_of(event),
            EventOrSpan::Span(span) => recorder::name_of(span),
        }))
        .build();
    let recorder = Recorder::new();
    let all = tracing_subscriber::registry()
        .with(recorder.clone())
        .with(chrome);
    tracing::subscriber::set_global_default(all)?;

    let pool = Builder::new().threads(THREADS).build()?;
    run_the_mill(&pool)?;
    let metrics = pool.metrics();
    pool.shutdown();

    drop(written);
    std::fs::write(&picture, svg::draw(&recorder.take(), THREADS))?;
    println!("{metrics}\n{trace}: for a trace viewer\n{picture}: for any browser");
    Ok(())
}

fn run_the_mill(pool: &workmill::PoolRef) -> Result<(), Box<dyn Error>> {
    // A wait for what arrives: a spare thread runs in its slot meanwhile.
    let flour = Arc::new(JoinableQueue::unbounded());
    let takes = Arc::clone(&flour);
    let baker = pool.named("bake").submit(move || {
        for _ in 0..3 {
            let _sack = takes.get();
            work(Duration::from_millis(2));
        }
    });
    // Tasks that are submitted inside lie in the local queue, from which others steal.
    let opened = Arc::new(Event::new());
    let opens = Arc::clone(&opened);
    let miller = pool.named("mill").submit(move || {
        let grinders = workmill::current().expect("in the pool").named("grind");
        let sacks: Vec<_> = (0..6)
            .map(|n| {
                grinders.submit(move || {
                    work(Duration::from_micros(900 + 200 * n));
                    n
                })
            })
            .collect();
        opens.set();
        work(Duration::from_millis(1));
        for sack in sacks {
            let _ = flour.put(sack.join());
        }
    });
    // A future gives its thread back while it sleeps.
    let clock = pool.named("clock").spawn(async {
        for _ in 0..4 {
            sleep(Duration::from_millis(3)).await;
            work(Duration::from_micros(400));
        }
    });
    let guest = pool.named("wait for the door").submit(move || {
        opened.wait();
        work(Duration::from_micros(700));
    });
    guest.join()?;
    miller.join()?;
    baker.join()?;
    clock.join()?;
    Ok(())
}

/// Computes for that long.
fn work(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}
