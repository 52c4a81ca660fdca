//! The two pages.

use std::fmt::Write;
use std::time::Duration;

use workmill::{Metrics, WorkerCounts};

/// Returns the counts in the text format of Prometheus.
pub(crate) fn for_prometheus(metrics: &Metrics) -> String {
    let mut page = String::new();
    let cancelled = metrics.cancelled;
    let counters = [
        ("accepted", metrics.accepted),
        ("started", metrics.started),
        ("finished", metrics.finished),
        ("panicked", metrics.panicked),
        ("cancelled", cancelled.total()),
        ("rejected", metrics.rejected as u64),
        ("over_capacity", metrics.over_capacity as u64),
    ];
    for (name, count) in counters {
        sample(&mut page, "counter", &format!("tasks_{name}_total"), count);
    }
    let gauges = [
        ("tasks_queued", metrics.queued),
        ("tasks_in_progress", metrics.in_progress),
        ("threads_alive", metrics.live_threads as u64),
        ("threads_running", metrics.running_threads as u64),
        ("threads_waiting", metrics.waiting_threads as u64),
        ("threads_away", metrics.away_threads as u64),
        ("slots_lent", metrics.lent_slots as u64),
    ];
    for (name, count) in gauges {
        sample(&mut page, "gauge", name, count);
    }
    let oldest = metrics.oldest_wait.as_secs_f64();
    sample(&mut page, "gauge", "oldest_wait_seconds", oldest);
    by_worker(&mut page, metrics, "busy_seconds_total", |it| {
        it.busy.as_secs_f64()
    });
    by_worker(&mut page, metrics, "waiting_seconds_total", |it| {
        it.waiting.as_secs_f64()
    });
    by_worker(&mut page, metrics, "steals_total", |it| it.steals as f64);
    by_worker(&mut page, metrics, "parks_total", |it| it.parks as f64);
    let _ = writeln!(page, "# TYPE workmill_group_tasks_queued gauge");
    for group in &metrics.groups {
        let (number, queued) = (group.number, group.queued);
        let _ = writeln!(
            page,
            "workmill_group_tasks_queued{{group=\"{number}\"}} {queued}"
        );
    }
    page
}

fn sample(page: &mut String, kind: &str, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(
        page,
        "# TYPE workmill_{name} {kind}\nworkmill_{name} {value}"
    );
}

fn by_worker(page: &mut String, metrics: &Metrics, name: &str, count: fn(&WorkerCounts) -> f64) {
    let _ = writeln!(page, "# TYPE workmill_worker_{name} counter");
    for worker in &metrics.workers {
        let (thread, count) = (&worker.name, count(&worker.counts));
        let _ = writeln!(
            page,
            "workmill_worker_{name}{{worker=\"{thread}\"}} {count}"
        );
    }
}

/// Returns `true` if the tasks of a page for Prometheus are all accounted for.
pub(crate) fn adds_up(page: &str) -> bool {
    let get = |name: &str| -> u64 {
        let mut lines = page.lines();
        let count = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        count
            .and_then(|count| count.parse().ok())
            .unwrap_or(u64::MAX)
    };
    let parts = [
        "queued",
        "in_progress",
        "finished_total",
        "panicked_total",
        "cancelled_total",
    ];
    let parts = parts.map(|part| get(&format!("workmill_tasks_{part}")));
    let sum = parts.into_iter().try_fold(0_u64, u64::checked_add);
    sum == Some(get("workmill_tasks_accepted_total"))
}

/// Returns a page that loads itself again each second.
pub(crate) fn for_people(metrics: &Metrics) -> String {
    let mut page = String::from(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta http-equiv=\"refresh\" content=\"1\"><title>A pool</title><style>\
         body{font:15px sans-serif;margin:2em;color:#222}td,th{padding:.2em .8em;text-align:right}\
         th{font-weight:normal;color:#666}td:first-child,th:first-child,td:last-child{text-align:\
         left}.big{font-size:1.7em}.bar{display:flex;width:16em;height:1em;background:#eee}\
         .busy{background:#59a14f}.waits{background:#f28e2b}</style>\n<h1>A pool</h1>\n<table><tr>",
    );
    let tasks = [
        ("accepted", metrics.accepted),
        ("queued", metrics.queued),
        ("in progress", metrics.in_progress),
        ("finished", metrics.finished),
        ("panicked", metrics.panicked),
        ("cancelled", metrics.cancelled.total()),
    ];
    for (name, _) in tasks {
        let _ = write!(page, "<th>{name}");
    }
    page.push_str("<tr class=big>");
    for (_, count) in tasks {
        let _ = write!(page, "<td>{count}");
    }
    let _ = writeln!(
        page,
        "</table>\n<p>{} threads: {} run, {} wait in tasks, {} are away from their slots.",
        metrics.live_threads,
        metrics.running_threads,
        metrics.waiting_threads,
        metrics.away_threads,
    );
    if !metrics.oldest_wait.is_zero() {
        let oldest = metrics.oldest_wait;
        let _ = writeln!(page, "One task is queued for {oldest:.1?} at least.");
    }
    page.push_str(
        "<table><tr><th>worker<th>started<th>polls<th>steals<th>parks<th>in vain\
         <th>busy, waiting, idle<th>runs\n",
    );
    for worker in metrics.workers.iter().filter(|worker| worker.is_alive) {
        let counts = &worker.counts;
        let all = counts.busy + counts.waiting + counts.idle;
        let share = |time: Duration| 100.0 * time.as_secs_f64() / all.as_secs_f64().max(1e-9);
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td><div class=bar><div class=busy \
             style=\"width:{:.1}%\"></div><div class=waits style=\"width:{:.1}%\"></div></div>\
             <td>{}",
            worker.name,
            counts.started,
            counts.polls,
            counts.steals,
            counts.parks,
            counts.vain_wakes,
            share(counts.busy),
            share(counts.waiting),
            escape(worker.runs.unwrap_or("")),
        );
    }
    page.push_str("</table>\n");
    for group in &metrics.groups {
        let _ = writeln!(page, "<p>{group}");
    }
    let _ = writeln!(page, "<p><a href=\"/metrics\">for Prometheus</a></html>");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
